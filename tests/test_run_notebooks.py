"""`make run` executes and shows, `make notebooks` stores; what fails is named, and spoils nothing."""

import re
import sys
from pathlib import Path

import nbformat
import pytest
import run_notebooks

from kuzushiji import studies

DRAW = """from IPython.display import Image, display
display(Image(b"\\x89PNG {}"), metadata={{"image/png": {{"alt": "what is seen"}}}})"""


class Series:
    """A series of its own: a notebooks folder, build/ and img/."""

    def __init__(self, folder):
        self.folder, self.build = folder, folder / "build"

    def write(self, name, *sources, tags=()):
        path = self.folder / "notebooks" / f"{name}.ipynb"
        path.parent.mkdir(exist_ok=True)
        cells = [nbformat.v4.new_code_cell(source) for source in sources]
        for cell, of_cell in zip(cells, tags, strict=False):
            cell.metadata["tags"] = of_cell
        nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# A title"), *cells]), path)
        return path

    def built(self):
        return {path.relative_to(self.build).as_posix() for path in self.build.rglob("*") if path.is_file()}


@pytest.fixture
def series(monkeypatch, tmp_path):
    for name in ("NOTEBOOKS", "BUILD", "IMG"):
        monkeypatch.setattr(run_notebooks, name, tmp_path / name.lower())
    monkeypatch.setattr(studies, "check_data", lambda: None)
    monkeypatch.setenv("KUZUSHIJI_DATA", "")
    return Series(tmp_path)


def test_run_writes_copies_pages_and_an_index_and_leaves_the_notebook_alone(series, capsys):
    bar = r'print("data: made up\n 10%|#\r 90%|###\r         \r", end="")'
    path = series.write("01_a", bar, "1 + 1", "import anywidget; anywidget.AnyWidget(_esm='')")
    series.write("02_b", "2 + 2")
    before = path.read_bytes()
    run_notebooks.main(["01"])
    run_notebooks.main(["02"])
    assert path.read_bytes() == before
    assert series.built() == {"01_a.html", "02_b.html", "index.html", "notebooks/01_a.ipynb", "notebooks/02_b.ipynb"}
    assert re.search(r"01_a.ipynb: \d+ s, made up", capsys.readouterr().out)
    first, second = re.findall("<li>.*</li>", (series.build / "index.html").read_text())
    assert 'href="01_a.html">A title' in first and "an earlier run" in first and 'href="02_b.html"' in second
    _, printed, shown, widget = nbformat.read(series.build / "notebooks" / "01_a.ipynb", as_version=4).cells
    assert printed.outputs[0].text.rstrip() == "data: made up" and shown.outputs[0].data["text/plain"] == "2"
    assert widget.outputs == []  # it would be an error message without its kernel


def test_the_kernel_is_that_of_this_python_whatever_jupyter_path_offers(series, monkeypatch):
    decoy = series.folder / "kernels" / "python3" / "kernel.json"
    decoy.parent.mkdir(parents=True)
    decoy.write_text('{"argv": ["false", "{connection_file}"], "display_name": "decoy", "language": "python"}')
    monkeypatch.setenv("JUPYTER_PATH", str(series.folder))
    series.write("01_a", "import sys; sys.executable")
    run_notebooks.main([])
    executed = nbformat.read(series.build / "notebooks" / "01_a.ipynb", as_version=4)
    assert executed.cells[1].outputs[0].data["text/plain"] == repr(sys.executable)


def test_run_stops_at_a_failing_cell_and_names_notebook_cell_and_message(series):
    series.write("01_a", "good = 1", "bad = good / 0", "after = 2")
    series.write("02_b", "1")
    with pytest.raises(SystemExit) as stop:
        run_notebooks.main([])
    for fact in ("01_a.ipynb", "code cell 2", "bad = good / 0", "ZeroDivisionError: division by zero", ".failed.ipynb"):
        assert fact in str(stop.value)
    assert series.built() == {"notebooks/01_a.failed.ipynb"}


def test_a_name_that_no_notebook_has_and_a_missing_data_folder_are_told_before_anything_runs(series, monkeypatch):
    series.write("01_a", "1")
    with pytest.raises(SystemExit, match="No notebook's name starts with 07"):
        run_notebooks.main(["07"])
    monkeypatch.setenv("KUZUSHIJI_DATA", "nowhere")
    with pytest.raises(SystemExit, match=re.escape(str(Path.cwd() / "nowhere"))):
        run_notebooks.main([])
    assert not series.build.exists()


def test_in_place_refuses_anything_but_the_real_data(series, monkeypatch):
    before = series.write("01_a", "1").read_bytes()
    monkeypatch.undo()
    monkeypatch.setattr(run_notebooks, "NOTEBOOKS", series.folder / "notebooks")
    monkeypatch.setenv("KUZUSHIJI_QUICK", "1")
    with pytest.raises(SystemExit, match="never recorded"):
        run_notebooks.main(["--in-place"])
    assert (series.folder / "notebooks" / "01_a.ipynb").read_bytes() == before


def test_in_place_stores_figures_by_their_tags_and_nothing_that_only_lives(series):
    tags = [["figure:01_a"], ["live-only"], []]
    path = series.write("01_a", DRAW.format("one"), DRAW.format("two"), "1 + 1", tags=tags)
    run_notebooks.main(["--in-place"])
    stored = nbformat.read(path, as_version=4)
    assert [len(cell.outputs) for cell in stored.cells[1:]] == [1, 0, 1]
    assert [cell.execution_count for cell in stored.cells[1:]] == [1, 2, 3]
    assert {file.name: file.read_bytes() for file in run_notebooks.IMG.iterdir()} == {"01_a.png": b"\x89PNG one"}
    assert run_notebooks.tagged_figures(stored) == {"01_a": ("what is seen", b"\x89PNG one")}


@pytest.mark.parametrize(
    ("sources", "said"), [(["1"], "0 PNG outputs"), ([DRAW.format(""), DRAW.format("")], "another cell has this tag")]
)
def test_a_tag_without_its_one_figure_is_named_and_nothing_is_stored(series, sources, said):
    path = series.write("01_a", *sources, tags=[["figure:01_a"]] * len(sources))
    before = path.read_bytes()
    with pytest.raises(SystemExit, match=f"01_a.ipynb: the cell tagged figure:01_a: {said}"):
        run_notebooks.main(["--in-place"])
    assert path.read_bytes() == before and not run_notebooks.IMG.exists()
