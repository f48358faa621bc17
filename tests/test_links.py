"""The public address is kept in one place, and `make links` carries it into every notebook, and back."""

import importlib.util
import shutil
from pathlib import Path

import links
import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager

ROOT = Path(__file__).resolve().parent.parent
LINE = 'Repository = "https://github.com/owner/name"\n'


@pytest.fixture
def make_links(monkeypatch, tmp_path):
    """A function that runs `make links` on a copy, with a line in its pyproject.toml; returns the notebooks' bytes."""
    shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks", ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    monkeypatch.setattr(links, "ROOT", tmp_path)

    def make(line):
        text = (ROOT / "pyproject.toml").read_text(encoding="utf-8").replace(LINE, "")
        (tmp_path / "pyproject.toml").write_text(text.replace("[project.urls]\n", "[project.urls]\n" + line))
        links.main()
        return {path: path.read_bytes() for path in (tmp_path / "notebooks").rglob("*.ipynb")}

    return make


def test_an_address_reaches_every_badge_and_set_up_cell_and_goes_again_without_a_trace(make_links, tmp_path):
    without, written = make_links(""), make_links(LINE)
    assert make_links(LINE) == written and make_links("") == without
    for path, content in written.items():
        place = f"https://colab.research.google.com/github/owner/name/blob/main/{path.relative_to(tmp_path).as_posix()}"
        before, after = nbformat.reads(without[path].decode(), 4), nbformat.reads(content.decode(), 4)
        cell = next(cell for cell in after.cells if cell.cell_type == "code")
        assert f"]({place})" in after.cells[0].source and "@ git+https://github.com/owner/name" in cell.source
        for notebook in (before, after):
            notebook.cells[0].source = next(cell for cell in notebook.cells if cell.cell_type == "code").source = ""
        assert before == after


def test_a_bad_address_and_a_notebook_without_a_place_are_named_and_nothing_is_written(make_links, tmp_path):
    before = make_links("")
    with pytest.raises(SystemExit, match="Repository is .*expected https://github.com/owner/name"):
        make_links('Repository = "https://github.com/a/b/c"\n')
    nbformat.write(
        nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("#")]), tmp_path / "notebooks/09.ipynb"
    )
    with pytest.raises(SystemExit, match="09.ipynb: its first cell has no line"):
        make_links(LINE)
    assert {path: path.read_bytes() for path in before} == before


def test_the_notebooks_say_what_pyproject_says():
    for path in [*ROOT.glob("notebooks/*.ipynb"), *ROOT.glob("notebooks/solutions/*.ipynb")]:
        notebook = nbformat.read(path, as_version=4)
        sources = [cell.source for cell in notebook.cells]
        links.rewrite(notebook, links.public_repo(), path.relative_to(ROOT))
        assert sources == [cell.source for cell in notebook.cells], f"{path.name}: run `make links`"


def test_the_set_up_cell_installs_or_says_what_to_do_only_where_the_helpers_are_missing(monkeypatch):
    def run(repo, **names):
        source = links.set_up_cell(repo).removesuffix(links.REST)
        exec(TransformerManager().transform_cell(source), names)

    run(""), run("owner/name")  # get_ipython, which would install, is not defined here
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RuntimeError) as stop:
        run("")
    commands = [line for line in str(stop.value).splitlines() if line.startswith("!pip")]
    assert len(commands) == 2 and all(c in (ROOT / "README.md").read_text(encoding="utf-8") for c in commands)
    called = []
    run("owner/name", get_ipython=type("Shell", (), {"run_line_magic": lambda self, *call: called.append(call)}))
    assert [name for name, _ in called] == ["pip", "pip"]
    assert "--constraint installed.txt" in called[1][1] and "--upgrade" not in called[1][1]
