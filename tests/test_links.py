"""The public address is kept in one place, and `make links` carries it to every reader, and back."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import links  # noqa: E402
import rehearse_colab  # noqa: E402

REPO = "owner/name"


@pytest.fixture
def clone(monkeypatch, tmp_path):
    """A copy of every file that the address is written to."""
    (tmp_path / "notebooks" / "solutions").mkdir(parents=True)
    for path in (ROOT / "pyproject.toml", ROOT / "README.md", *(ROOT / "notebooks").rglob("*.ipynb")):
        if ".ipynb_checkpoints" not in path.parts:
            shutil.copy(path, tmp_path / path.relative_to(ROOT))
    monkeypatch.setattr(links, "ROOT", tmp_path)
    return tmp_path


def make_links(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["links.py", *arguments])
    links.main()


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def without_sources(path):
    """A notebook without what `make links` may change: the text of its first cell and of its first code cell."""
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[0].source = ""
    next(cell for cell in notebook.cells if cell.cell_type == "code").source = ""
    return notebook


def test_every_file_says_what_pyproject_says():
    assert [str(path) for path in links.changes(ROOT)] == [], "run `make links`"


def test_an_address_reaches_every_badge_every_set_up_cell_and_readme(clone, monkeypatch):
    make_links(monkeypatch, "--repo", REPO)
    project = tomllib.loads((clone / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["urls"] == {"Repository": "https://github.com/owner/name"}
    readme = (clone / "README.md").read_text(encoding="utf-8")
    assert "no public address" not in readme
    for path in (clone / "notebooks").rglob("*.ipynb"):
        place = f"https://colab.research.google.com/github/owner/name/blob/main/{path.relative_to(clone).as_posix()}"
        notebook = nbformat.read(path, as_version=4)
        assert f"]({place})" in notebook.cells[0].source
        cell = next(cell for cell in notebook.cells if cell.cell_type == "code")
        assert "@ git+https://github.com/owner/name" in cell.source
        assert (f"]({place})" in readme) == (path.parent.name == "notebooks")


def test_ids_metadata_outputs_and_other_cells_stay(clone, monkeypatch):
    before = {path: without_sources(path) for path in (clone / "notebooks").rglob("*.ipynb")}
    make_links(monkeypatch, "--repo", REPO)
    assert {path: without_sources(path) for path in before} == before


def test_twice_changes_nothing_and_empty_brings_back_every_byte(clone, monkeypatch, capsys):
    make_links(monkeypatch, "--repo", "")
    unset = contents(clone)
    make_links(monkeypatch, "--repo", REPO)
    once = contents(clone)
    assert once != unset
    capsys.readouterr()
    make_links(monkeypatch, "--repo", REPO)
    make_links(monkeypatch)
    assert contents(clone) == once
    assert capsys.readouterr().out.count("0 files changed; address: https://github.com/owner/name") == 2
    make_links(monkeypatch, "--repo", "other/name.of-it")
    make_links(monkeypatch, "--repo", "")
    assert contents(clone) == unset


@pytest.mark.parametrize(
    "repo",
    ["name", "a/b/c", "https://github.com/owner/name", "owner/name.git", "-a/b", "a--b/c", "a_b/c", "a/..", "a b/c",
     'a/b"', "a" * 40 + "/b", "a/b\n", " "],
)  # fmt: skip
def test_a_bad_address_is_a_clear_error_and_writes_nothing(clone, monkeypatch, repo):
    before = contents(clone)
    with pytest.raises(SystemExit) as stop:
        make_links(monkeypatch, f"--repo={repo}")
    assert f'REPO is "{repo}", expected owner/name' in str(stop.value)
    assert contents(clone) == before


def test_a_notebook_without_its_place_for_the_address_is_named_and_nothing_is_written(clone, monkeypatch):
    path = clone / "notebooks" / "09_new.ipynb"
    cells = [nbformat.v4.new_markdown_cell("# New"), nbformat.v4.new_code_cell("1")]
    for badge, complaint in ((None, "no line that begins with"), (links.badge("", Path("a/b")), "not the set-up cell")):
        cells[0].source += f"\n\n{badge}" if badge else ""
        nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
        before = contents(clone)
        with pytest.raises(SystemExit, match=f"09_new.ipynb: .*{complaint}"):
            make_links(monkeypatch, "--repo", REPO)
        assert contents(clone) == before


def test_make_hands_over_what_was_given_on_its_command_line_alone():
    def called(*arguments, **environment):
        command = ["make", "-n", "links", f"PYTHON={sys.executable}", *arguments]
        environment = {"PATH": "/usr/bin:/bin", "HOME": "/nowhere", **environment}
        shown = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout
        return shown.strip().splitlines()[-1].partition("tools/links.py")[2].strip()

    assert called() == called(REPO="somebody/else") == ""
    assert called(f"REPO={REPO}") == "--repo='owner/name'"
    assert called("REPO=") == "--repo=''"


@pytest.mark.skipif(bool(links.repo_of((ROOT / "pyproject.toml").read_text())), reason="the series has an address")
def test_without_an_address_none_is_invented():
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "notebooks").rglob("*.ipynb")]
    texts += [path.read_text(encoding="utf-8") for path in ROOT.glob("*.md")]
    assert not [text for text in texts if re.search(r"git\+https?:|colab\.research\.google\.com/github", text)]


@pytest.mark.parametrize("repo", ["", REPO])
def test_the_set_up_cell_is_short_and_python_after_ipython_has_read_it(repo):
    cell = links.set_up_cell(repo)
    assert max(map(len, cell.splitlines())) <= 120
    compile(TransformerManager().transform_cell(cell), "cell", "exec")


def install_part(repo):
    return TransformerManager().transform_cell(links.set_up_cell(repo).removesuffix(links.REST))


def test_the_set_up_cell_does_nothing_where_the_helpers_are():
    for repo in ("", REPO):
        exec(install_part(repo), {})  # get_ipython, which would install, is not defined here


def test_the_set_up_cell_says_what_to_do_or_installs_where_the_helpers_are_missing(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RuntimeError, match="README.md, section Colab") as caught:
        exec(install_part(""), {})
    said = str(caught.value).splitlines()
    assert said[2:] == list(links.FROM_ZIP)
    called = []

    class Shell:
        def run_line_magic(self, name, line):
            called.append((name, line))

    exec(install_part(REPO), {"get_ipython": Shell})
    (_, first), (_, second) = called
    assert {name for name, _ in called} == {"pip"}
    assert first == "list --format=freeze > installed.txt"
    assert "--constraint installed.txt" in second and "--upgrade" not in second
    assert '"kuzushiji[notebooks] @ git+https://github.com/owner/name"' in second


def test_a_notebook_alone_in_any_folder_finds_helpers_and_data(tmp_path):
    code = install_part(REPO) + links.REST.replace("quick = kuzushiji.start()", "")
    code += """
from kuzushiji.paths import CHECKOUT, data_folder
images, labels = load_kmnist("test", source="eigenkana")
print(images.shape, len(load_classmap("kmnist")), data_folder() == CHECKOUT / "data")
"""
    environ = {name: value for name, value in os.environ.items() if name != "KUZUSHIJI_CACHE"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "(10000, 28, 28) 10 True"
    assert not list(tmp_path.iterdir())


def test_what_the_set_up_cell_asks_for_agrees_with_what_colab_has():
    """A floor above Colab's version would make the set-up cell fail there, since it moves nothing that is installed."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [Requirement(line) for line in project["dependencies"] + project["optional-dependencies"]["notebooks"]]
    recorded = rehearse_colab.RECORDED
    too_new = [str(r) for r in asked if r.name in recorded and not r.specifier.contains(recorded[r.name])]
    assert not too_new
    assert SpecifierSet(project["requires-python"]).contains(rehearse_colab.RECORDED_PYTHON)
    assert [r.name for r in asked if r.name not in recorded] == ["matplotlib-fontja", "openTSNE"]
