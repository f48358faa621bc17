"""The files around the code say the same thing, and the commands that set up and run the series fail clearly."""

import os
import re
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import nbformat
import pytest
import run_notebooks
import setup as setup_tool

from kuzushiji import DataError, studies

ROOT = Path(__file__).resolve().parent.parent


def pyproject():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def dependency_lines(text):
    """Requirement and comment of each line like `"numpy>=2.0",  # why` or `- numpy>=2.0  # why`."""
    pattern = r'^\s+(?:"|- )([A-Za-z][\w\-]*)([<>=][^"\s#]*)"?,?[ \t]*(?:#[ \t]*(.*))?$'
    return {name.lower(): (version, why or "") for name, version, why in re.findall(pattern, text, re.MULTILINE)}


def direct_dependencies():
    project = pyproject()
    everything = project["dependencies"] + sum(project["optional-dependencies"].values(), [])
    return {re.match(r"[\w\-]+", line)[0].lower(): re.sub(r"^[\w\-]+", "", line) for line in everything}


def test_environment_yml_and_pyproject_name_the_same_dependencies():
    conda = {name: version for name, (version, _) in dependency_lines((ROOT / "environment.yml").read_text()).items()}
    assert conda.pop("python") == pyproject()["requires-python"]
    assert conda == direct_dependencies()


@pytest.mark.parametrize("name", ["pyproject.toml", "environment.yml"])
def test_every_dependency_has_its_reason_beside_it(name):
    lines = dependency_lines((ROOT / name).read_text(encoding="utf-8"))
    assert set(direct_dependencies()) <= set(lines)
    assert [dependency for dependency in direct_dependencies() if len(lines[dependency][1]) < 10] == []


def test_the_lock_pins_every_direct_dependency_and_names_no_host():
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    pinned = {name.lower() for name in re.findall(r"^([\w\-\.]+)==", lock, re.MULTILINE)}
    assert set(direct_dependencies()) <= pinned
    assert "://" not in lock


def test_setup_and_pyproject_agree_on_the_versions_of_python():
    oldest, newest = (".".join(map(str, version)) for version in (setup_tool.OLDEST, setup_tool.NEWEST))
    major, minor = setup_tool.NEWEST
    assert pyproject()["requires-python"] == f">={oldest},<{major}.{minor + 1}"
    assert f'python: ["{oldest}", "3.12", "{newest}"]' in (ROOT / ".github/workflows/test.yml").read_text()


@pytest.mark.parametrize("version", [(3, 10, 0), (3, 14, 0), (2, 7, 18)])
def test_setup_names_a_python_that_is_too_old_or_too_new(monkeypatch, version):
    monkeypatch.setattr(sys, "version_info", version)
    with pytest.raises(SystemExit) as stop:
        setup_tool.check_python()
    assert f"This is Python {version[0]}.{version[1]}" in str(stop.value) and "3.11 to 3.13" in str(stop.value)


def test_setup_names_a_processor_that_tensorflow_does_not_run_on(monkeypatch):
    monkeypatch.setattr(setup_tool.platform, "system", lambda: "Darwin")
    monkeypatch.setattr(setup_tool.platform, "machine", lambda: "x86_64")
    with pytest.raises(SystemExit, match="Darwin on x86_64, where there is no TensorFlow; it runs on arm64"):
        setup_tool.check_python()


@pytest.mark.parametrize("module", ["venv", "ensurepip"])
def test_setup_names_a_missing_venv_module(monkeypatch, module):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(SystemExit) as stop:
        setup_tool.check_python()
    assert f"no module {module}" in str(stop.value) and "apt install" in str(stop.value)


def test_setup_makes_a_half_made_environment_again_and_leaves_a_complete_one(monkeypatch, tmp_path):
    commands = []
    monkeypatch.setattr(setup_tool, "VENV", str(tmp_path / ".venv"))
    monkeypatch.setattr(setup_tool, "STAMP", str(tmp_path / ".venv" / "complete"))

    def fail_at_the_second(command):
        commands.append(command)
        (tmp_path / ".venv").mkdir(exist_ok=True)
        return int(len(commands) == 2)

    monkeypatch.setattr(subprocess, "call", fail_at_the_second)
    with pytest.raises(SystemExit):
        setup_tool.main()
    setup_tool.main()
    assert len(commands) == 2 + 4
    setup_tool.main()
    assert len(commands) == 2 + 4


def write_notebook(path, *cells, tags=()):
    path.parent.mkdir(parents=True, exist_ok=True)
    cells = [nbformat.v4.new_markdown_cell("# A notebook"), *map(nbformat.v4.new_code_cell, cells)]
    for cell, of_cell in zip(cells[1:], tags, strict=False):
        cell.metadata["tags"] = of_cell
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)


@pytest.fixture
def series(monkeypatch, tmp_path):
    monkeypatch.setattr(run_notebooks, "NOTEBOOKS", tmp_path / "notebooks")
    monkeypatch.setattr(run_notebooks, "BUILD", tmp_path / "build")
    monkeypatch.setattr(run_notebooks, "IMG", tmp_path / "img")
    monkeypatch.setattr(sys, "argv", ["run_notebooks.py"])
    return tmp_path


def test_run_writes_copies_pages_and_a_table_and_leaves_the_notebook_alone(series, capsys):
    notebook = series / "notebooks" / "01_a.ipynb"
    write_notebook(notebook, 'print("data: made up")', "1 + 1")
    before = notebook.read_bytes()
    run_notebooks.main()
    assert notebook.read_bytes() == before
    assert re.search(r"^01_a +\d+  made up$", capsys.readouterr().out, re.MULTILINE)
    assert 'href="01_a.html"' in (series / "build" / "index.html").read_text()
    assert "A notebook" in (series / "build" / "01_a.html").read_text()
    executed = nbformat.read(series / "build" / "notebooks" / "01_a.ipynb", as_version=4)
    assert executed.cells[2].outputs[0].data["text/plain"] == "2"


def test_run_stops_at_a_failing_cell_and_names_notebook_cell_and_error(series, capsys):
    write_notebook(series / "notebooks" / "01_a.ipynb", "good = 1", "bad = good / 0", "after = 2")
    write_notebook(series / "notebooks" / "02_b.ipynb", "1")
    with pytest.raises(SystemExit) as stop:
        run_notebooks.main()
    out = capsys.readouterr().out
    assert stop.value.code == 1
    assert "01_a.ipynb failed in code cell 2" in out and "bad = good / 0" in out and "ZeroDivisionError" in out
    assert [path.name for path in (series / "build" / "notebooks").iterdir()] == ["01_a.failed.ipynb"]


def test_the_index_names_what_is_there_and_what_is_not(series, monkeypatch):
    for name in ("01_a", "02_b", "03_c"):
        write_notebook(series / "notebooks" / f"{name}.ipynb", "1")
    for names in (["01", "02"], ["02"]):
        monkeypatch.setattr(sys, "argv", ["run_notebooks.py", *names])
        run_notebooks.main()
    first, second, third = re.findall(r"<li>.*</li>", (series / "build" / "index.html").read_text())
    assert 'href="01_a.html"' in first and "from an earlier run" in first
    assert 'href="02_b.html"' in second and re.search(r"\d s, none", second)
    assert "href" not in third and "not run yet" in third


def test_an_interrupted_run_ends_with_one_line(series):
    write_notebook(series / "notebooks" / "01_a.ipynb", 'open("started", "w").close()\nimport time\ntime.sleep(60)')
    code = (
        "import run_notebooks as r; Path = r.Path; "
        f"r.NOTEBOOKS, r.BUILD = Path({str(series)!r}, 'notebooks'), Path({str(series)!r}, 'build'); r.main()"
    )
    run = subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT / "tools")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    while not (series / "notebooks" / "started").exists():
        assert run.poll() is None, run.stdout.read()
        time.sleep(0.1)
    run.send_signal(signal.SIGINT)
    out, _ = run.communicate(timeout=30)
    assert run.returncode == 130 and "Traceback" not in out
    assert out.splitlines()[-1] == "stopped in 01_a.ipynb; pages that were finished are in build/"


def test_a_data_folder_that_does_not_exist_is_told_before_anything_runs(series, monkeypatch):
    write_notebook(series / "notebooks" / "01_a.ipynb", "1")
    monkeypatch.setenv("KUZUSHIJI_DATA", str(series / "nowhere"))
    with pytest.raises(SystemExit, match="nowhere.* not a folder"):
        run_notebooks.main()
    assert not (series / "build").exists()


def maintain(monkeypatch, check=lambda: None):
    monkeypatch.setattr(sys, "argv", ["run_notebooks.py", "--in-place"])
    monkeypatch.setattr(studies, "check_data", check)
    run_notebooks.main()


def test_the_maintainers_run_refuses_anything_but_the_real_data(series, monkeypatch):
    def unreachable():
        raise DataError("not to be had")

    write_notebook(series / "notebooks" / "01_a.ipynb", "1")
    before = (series / "notebooks" / "01_a.ipynb").read_bytes()
    with pytest.raises(SystemExit, match="not to be had"):
        maintain(monkeypatch, unreachable)
    assert (series / "notebooks" / "01_a.ipynb").read_bytes() == before


DRAW = """from IPython.display import Image, display
display(Image(b"\\x89PNG {}"), metadata={{"image/png": {{"alt": "what is seen"}}}})"""


def test_the_maintainers_run_stores_figures_by_their_tags_and_nothing_that_only_lives(series, monkeypatch):
    path = series / "notebooks" / "01_a.ipynb"
    write_notebook(path, DRAW.format("one"), DRAW.format("two"), "1 + 1", tags=[["figure:01_a"], ["live-only"], []])
    maintain(monkeypatch)
    stored = nbformat.read(path, as_version=4)
    assert [len(cell.outputs) for cell in stored.cells[1:]] == [1, 0, 1]
    assert [cell.execution_count for cell in stored.cells[1:]] == [1, 2, 3]
    assert {file.name: file.read_bytes() for file in (series / "img").iterdir()} == {"01_a.png": b"\x89PNG one"}
    assert run_notebooks.tagged_figures(stored) == {"01_a": ("what is seen", b"\x89PNG one")}
    monkeypatch.setattr(sys, "argv", ["run_notebooks.py"])
    run_notebooks.main()
    assert len(nbformat.read(series / "build" / "notebooks" / "01_a.ipynb", as_version=4).cells[2].outputs) == 1


@pytest.mark.parametrize(
    "sources, said",
    [
        (["1"], "0 PNG outputs, expected one"),
        ([DRAW.format("one") + "\n" + DRAW.format("two")], "2 PNG outputs, expected one"),
        ([DRAW.format("one"), DRAW.format("two")], "another cell has this tag"),
    ],
)
def test_a_tag_without_its_one_figure_is_named_and_nothing_is_stored(series, monkeypatch, sources, said):
    path = series / "notebooks" / "01_a.ipynb"
    write_notebook(path, *sources, tags=[["figure:01_a"]] * len(sources))
    before = path.read_bytes()
    with pytest.raises(SystemExit, match=f"01_a.ipynb is not stored: the cell tagged figure:01_a: {said}"):
        maintain(monkeypatch)
    assert path.read_bytes() == before and not (series / "img").exists()
    assert (series / "build" / "notebooks" / "01_a.failed.ipynb").exists()


def test_cleared_progress_bars_leave_no_trace():
    assert run_notebooks.final_text(" 10%|#\r 90%|###\r          \r") == ""
    assert run_notebooks.final_text("a\n 10%\r   \rb\n") == "a\nb\n"


def test_a_stored_notebook_keeps_no_widget():
    widget = nbformat.v4.new_output("display_data", {run_notebooks.WIDGET: {"model_id": "a"}, "text/plain": "a pad"})
    picture = nbformat.v4.new_output("display_data", {"image/png": "", "text/plain": "a picture"})
    cell = nbformat.v4.new_code_cell("pad", outputs=[widget, picture])
    notebook = nbformat.v4.new_notebook(cells=[cell], metadata={"widgets": {}})
    run_notebooks.settle_outputs(notebook)
    assert notebook.cells[0].outputs == [picture] and "widgets" not in notebook.metadata


def test_the_wheel_carries_everything_that_data_ships():
    included = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    included = included["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    shipped = {f"data/{path.name}" for path in (ROOT / "data").iterdir() if path.is_file() and path.suffix != ".md"}
    assert set(included) == shipped | {"benchmarks/results.json"}


def test_the_makefile_makes_a_relative_data_folder_absolute(tmp_path):
    recipe = 'show:\n\t@echo "$$KUZUSHIJI_DATA"\n'
    (tmp_path / "Makefile").write_text((ROOT / "Makefile").read_text().replace(".DEFAULT_GOAL := help", "") + recipe)
    command = ["make", "-s", "show", f"PYTHON={sys.executable}"]
    home = str(tmp_path / "home")
    for given, expected in (("a:../b", f"{tmp_path}/a:{tmp_path.parent}/b"), ("~/c", f"{home}/c"), ("", "")):
        environment = {"PATH": "/usr/bin:/bin", "HOME": home, "KUZUSHIJI_DATA": given}
        shown = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
        assert shown.stdout.strip() == expected


def test_what_the_makefile_imports_exists():
    """`make test` calls none of these lines, and CI needs them."""
    lines = re.findall(r"-c '(from kuzushiji[^';]*)", (ROOT / "Makefile").read_text(encoding="utf-8"))
    assert lines
    for line in lines:
        exec(line, {})
