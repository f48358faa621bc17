"""The notebooks as documents: what a reader meets on GitHub, checked without running anything."""

import re
import subprocess
from pathlib import Path

import nbformat
import pytest
from run_notebooks import WIDGET, tagged_figures

ROOT = Path(__file__).resolve().parent.parent
SERIES = sorted((ROOT / "notebooks").glob("*.ipynb"))
SOLUTIONS = sorted((ROOT / "notebooks" / "solutions").glob("*.ipynb"))
ALL = SERIES + SOLUTIONS
MAX_BYTES = 2_500_000  # what GitHub still shows

every_notebook = pytest.mark.parametrize("path", ALL, ids=lambda path: str(path.relative_to(ROOT / "notebooks")))
every_of_the_series = pytest.mark.parametrize("path", SERIES, ids=lambda path: path.name)


def read(path):
    return nbformat.read(path, as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def outputs(notebook):
    return [output for cell in code_cells(notebook) for output in cell.outputs]


def prose(notebook):
    return [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]


def tagged(notebook, tag):
    return [cell for cell in code_cells(notebook) if tag in cell.metadata.get("tags", [])]


def headings(text):
    """Level and title of each heading in a text, code blocks left out."""
    text = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    return [(len(hashes), title) for hashes, title in re.findall(r"^(#+) (.+)$", text, re.MULTILINE)]


def anchor(title):
    """The anchor GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-")


def broken_links(text, path):
    """The links in a text at `path` that lead to no file of the repository, or to no heading of it."""
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        file, _, fragment = target.partition("#")
        linked = path.parent / file if file else path
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        if not linked.exists():
            broken.append(target)
        elif fragment and linked.suffix == ".md":
            anchors = [anchor(title) for _, title in headings(linked.read_text(encoding="utf-8"))]
            broken += [] if fragment in anchors else [target]
    return broken


@every_notebook
def test_is_valid_light_and_executed_in_order(path):
    notebook = read(path)
    nbformat.validate(notebook)
    assert path.stat().st_size <= MAX_BYTES
    counts = [cell.execution_count for cell in code_cells(notebook)]
    assert counts == list(range(1, len(counts) + 1))


@every_notebook
def test_stored_outputs_hold_no_error_no_stderr_no_path_no_progress_bar_and_no_widget(path):
    notebook = read(path)
    assert "widgets" not in notebook.metadata
    assert all(not cell.outputs for cell in tagged(notebook, "live-only"))
    for output in outputs(notebook):
        assert output.output_type != "error" and output.get("name") != "stderr" and WIDGET not in output.get("data", {})
        text = output.get("text", "") + output.get("data", {}).get("text/plain", "")
        assert not re.search(r"\r|/home/|/root/|/tmp/|/Users/|[A-Z]:\\", text), text


@every_notebook
def test_stored_outputs_come_from_the_real_data_in_full_mode(path):
    first = outputs(read(path))[0].text
    assert first.startswith("data: KMNIST, 60,000 train + 10,000 test images, verified") and "quick mode" not in first


@every_notebook
def test_every_figure_says_what_is_seen(path):
    figures = [output for output in outputs(read(path)) if "image/png" in output.get("data", {})]
    assert [figure for figure in figures if not figure.metadata.get("image/png", {}).get("alt", "").strip()] == []


@every_notebook
def test_headings_are_in_order_and_links_inside_the_repository_resolve(path):
    text = "\n".join(prose(read(path)))
    levels = [level for level, _ in headings(text)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(below - above <= 1 for above, below in zip(levels, levels[1:], strict=False))
    assert broken_links(text, path) == []


def test_the_set_up_cell_is_the_same_in_all_and_each_has_solutions():
    assert [path.name for path in SERIES] == [path.name for path in SOLUTIONS] != []
    assert len({code_cells(read(path))[0].source for path in ALL}) == 1


@every_of_the_series
def test_enough_cells_are_compared_with_their_stored_output(path):
    for tag in ("nbval-check-output", "check-full"):
        cells = tagged(read(path), tag)
        assert len(cells) >= 5 and all(cell.outputs for cell in cells)


def test_pictures_are_those_of_the_stored_outputs():
    stored = [(f"{name}.png", png) for path in ALL for name, (_, png) in tagged_figures(read(path)).items()]
    pictures = {path.name: path.read_bytes() for path in (ROOT / "img").iterdir() if path.name != "benchmarks.png"}
    assert sorted(stored) == sorted(pictures.items()), "run tools/run_notebooks.py --in-place NUMBER"


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a git checkout")
def test_no_data_of_the_data_sets_is_committed():
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert not [name for name in tracked if re.search(r"(imgs|labels|ubyte|kkanji.*\.(tar|npy))", name)]
