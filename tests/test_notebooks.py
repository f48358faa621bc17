"""The notebooks as documents: what a reader meets on GitHub, checked without running anything."""

import os
import re
from pathlib import Path

import nbformat
import pytest
from run_notebooks import tagged_figures

ROOT = Path(__file__).resolve().parent.parent
SERIES = sorted((ROOT / "notebooks").glob("*.ipynb"))
SOLUTIONS = sorted((ROOT / "notebooks" / "solutions").glob("*.ipynb"))
ALL = SERIES + SOLUTIONS
MAX_BYTES = 2_500_000

every_notebook = pytest.mark.parametrize("path", ALL, ids=lambda path: str(path.relative_to(ROOT / "notebooks")))
every_of_the_series = pytest.mark.parametrize("path", SERIES, ids=lambda path: path.name)


def read(path):
    return nbformat.read(path, as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]


def prose(notebook):
    return [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]


def tagged(notebook, tag):
    return [cell for cell in code_cells(notebook) if tag in cell.metadata.get("tags", [])]


def headings(notebook):
    text = "\n".join(re.sub(r"```.*?```", "", source, flags=re.DOTALL) for source in prose(notebook))
    return [(len(hashes), title) for hashes, title in re.findall(r"^(#+) (.+)$", text, re.MULTILINE)]


def anchor(title):
    """The anchor GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-")


def test_there_are_notebooks_and_each_has_solutions():
    assert SERIES
    assert [path.name for path in SERIES] == [path.name for path in SOLUTIONS]


@every_notebook
def test_is_valid_and_light_enough_for_github(path):
    nbformat.validate(read(path))
    assert path.stat().st_size <= MAX_BYTES
    assert "widgets" not in read(path).metadata


@every_notebook
def test_every_code_cell_was_executed_in_order(path):
    counts = [cell.execution_count for cell in code_cells(read(path))]
    assert counts == list(range(1, len(counts) + 1))


@every_notebook
def test_stored_outputs_hold_no_error_no_stderr_no_path_no_progress_bar_and_no_widget(path):
    for cell in code_cells(read(path)):
        for output in cell.outputs:
            assert "application/vnd.jupyter.widget-view+json" not in output.get("data", {})
            assert output.output_type != "error"
            assert output.get("name") != "stderr", output.text
            text = output.get("text", "") + output.get("data", {}).get("text/plain", "")
            assert "\r" not in text
            assert not re.search(r"(/home/|/root/|/tmp/|/Users/|[A-Z]:\\)", text), text


@every_notebook
def test_stored_outputs_come_from_the_real_data_in_full_mode(path):
    first = next(output for cell in code_cells(read(path)) for output in cell.outputs)
    assert first.text.splitlines()[0] == "data: KMNIST, 60,000 train + 10,000 test images, verified"
    assert "quick mode" not in first.text


@every_notebook
def test_every_figure_has_alt_text(path):
    figures = [o for cell in code_cells(read(path)) for o in cell.outputs if "image/png" in o.get("data", {})]
    for figure in figures:
        alt = figure.metadata.get("image/png", {}).get("alt", "")
        assert len(alt.split()) >= 12, f"alt text says too little: {alt!r}"


@every_notebook
def test_headings_are_in_order(path):
    levels = [level for level, _ in headings(read(path))]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(below - above <= 1 for above, below in zip(levels, levels[1:], strict=False))


@every_notebook
def test_links_inside_the_repository_resolve(path):
    for source in prose(read(path)):
        for target in re.findall(r"\]\(([^)\s]+)\)", source):
            if target.startswith(("http://", "https://", "mailto:")):
                continue
            file, _, fragment = target.partition("#")
            linked = (path.parent / file).resolve() if file else path
            assert linked.exists(), f"{path.name} links to {target}"
            if fragment and linked.suffix == ".md":
                titles = re.findall(r"^#+ (.+)$", linked.read_text(encoding="utf-8"), re.MULTILINE)
                assert fragment in [anchor(title) for title in titles], f"{path.name} links to {target}"


def test_the_set_up_cell_is_the_same_in_all():
    assert len({code_cells(read(path))[0].source for path in ALL}) == 1


@every_of_the_series
def test_enough_cells_are_compared_with_their_stored_output(path):
    notebook = read(path)
    for tag in ("nbval-check-output", "check-full"):
        cells = tagged(notebook, tag)
        assert len(cells) >= 5, f"{len(cells)} cells tagged {tag}"
        assert all(cell.outputs for cell in cells)


@every_of_the_series
def test_has_the_parts_of_a_notebook_of_the_series(path):
    notebook = read(path)
    text, titles = "\n".join(prose(notebook)), [title for _, title in headings(notebook)]
    for part in ("What we learned", "Exercises", "References"):
        assert part in titles
    assert "**You will learn**" in text and "**Takes**" in text
    assert "arxiv.org/abs/1812.01718" in text
    assert f"solutions/{path.name}" in text


@every_notebook
def test_cells_know_of_no_mode_but_quick_and_of_that_in_the_set_up_cell_and_one_other(path):
    sources = [cell.source for cell in code_cells(read(path))]
    assert sum(bool(re.search(r"\bquick\b", source)) for source in sources) <= 2
    gone = r"\brun\.(quick|data|retrain|maintain)\b|\b(experiment|recall)\(|KUZUSHIJI_(RETRAIN|MAINTAIN)|\bsave="
    assert [found[0] for source in sources if (found := re.search(gone, source))] == []


def test_pictures_are_those_of_the_stored_outputs():
    stored = [item for path in ALL for item in tagged_figures(read(path)).items()]
    pictures = {f"{name}.png": png for name, (_, png) in stored}
    assert len(pictures) == len(stored), "a figure's tag stands in two notebooks"
    found = {path.name: path.read_bytes() for path in (ROOT / "img").iterdir() if path.name != "benchmarks.png"}
    assert found.keys() == pictures.keys()
    assert [name for name in found if found[name] != pictures[name]] == [], "run `make notebooks`"


@every_notebook
def test_what_only_lives_is_not_stored(path):
    assert all(not cell.outputs for cell in tagged(read(path), "live-only"))


def test_the_tests_of_this_file_would_notice_a_stripped_notebook(tmp_path):
    notebook = read(SERIES[0])
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    stripped = tmp_path / "stripped.ipynb"
    nbformat.write(notebook, stripped)
    with pytest.raises(AssertionError):
        test_every_code_cell_was_executed_in_order(stripped)


@pytest.mark.skipif(not os.path.exists(ROOT / ".git"), reason="not a git checkout")
def test_no_data_of_the_data_sets_is_committed():
    import subprocess

    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert not [name for name in tracked if re.search(r"(imgs|labels|ubyte|kkanji.*\.(tar|npy))", name)]
