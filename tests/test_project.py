"""The files around the code say the same thing, and make knows when there is something to do."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import setup as setup_tool
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = {name: [Requirement(line) for line in lines] for name, lines in PROJECT["optional-dependencies"].items()}
READERS = [*map(Requirement, PROJECT["dependencies"]), *EXTRAS["notebooks"], *EXTRAS["jupyter"]]


def plain(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def lines(name):
    return (ROOT / name).read_text(encoding="utf-8").splitlines()


def test_the_locks_pin_what_their_readers_need_and_conda_names_the_same():
    readers = {plain(line.partition("==")[0]) for line in lines("requirements.lock")}
    first, *rest = lines("requirements-dev.lock")
    assert first == "-r requirements.lock"
    assert {plain(r.name) for r in READERS} <= readers and not readers & {"wandb", "playwright", "pytest"}
    assert {plain(r.name) for r in EXTRAS["dev"]} <= readers | {plain(line.partition("==")[0]) for line in rest}
    conda = [re.sub(r"^ +- | +#.*", "", line) for line in lines("environment.yml") if re.match(r" +- \w.*[<>]", line)]
    official = {
        f"python{PROJECT['requires-python']}",
        *(f"{r.name}{r.specifier}".lower() for r in READERS + EXTRAS["dev"]),
    }
    assert set(conda) == official


def test_everything_agrees_on_the_versions_of_python():
    oldest, (major, minor) = (".".join(map(str, setup_tool.OLDEST)), setup_tool.NEWEST)
    assert PROJECT["requires-python"] == f">={oldest},<{major}.{minor + 1}"
    workflow = (ROOT / ".github" / "workflows" / "test.yml").read_text(encoding="utf-8")
    assert f'["{oldest}", "3.12", "{major}.{minor}"]' in workflow


@pytest.fixture
def make(tmp_path):
    """A function that runs make in a folder which holds the Makefile and the locks; returns the finished process."""
    for name in ("Makefile", "requirements.lock", "requirements-dev.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "show.mk").write_text('show:\n\t@echo "$$KUZUSHIJI_DATA"\n')

    def run(*arguments, **environment):
        command = ["make", "-s", f"PYTHON={sys.executable}", *arguments]
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path / "home")} | environment
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)

    return run


@pytest.mark.parametrize(
    "given, seen",
    [
        ("a:../b", "{here}/a:{above}/b"),
        ("~/c", "{here}/home/c"),
        ("/it's a/folder with $x", "/it's a/folder with $x"),
        ("", ""),
    ],
)
def test_make_hands_on_a_data_folder_as_a_full_path(make, tmp_path, given, seen):
    done = make("-f", "Makefile", "-f", "show.mk", "show", KUZUSHIJI_DATA=given)
    assert done.stdout.strip() == seen.format(here=tmp_path, above=tmp_path.parent), done.stderr


def test_set_up_is_done_again_where_a_lock_changed_or_the_folder_moved_and_for_nothing_else(make, tmp_path):
    def up_to_date(target):
        return make("--question", target).returncode == 0

    (tmp_path / ".venv").mkdir()
    assert not up_to_date("setup")
    (tmp_path / ".venv" / "made-by-setup").write_text(f"{tmp_path}\n3.12\n")
    for name in ("requirements.lock", "requirements-dev.lock"):
        (tmp_path / ".venv" / name).touch()
    (tmp_path / "pyproject.toml").write_text("[tool.ruff]\nline-length = 80\n")
    assert up_to_date("setup") and up_to_date("setup-dev")
    later = os.stat(tmp_path / ".venv" / "requirements-dev.lock").st_mtime + 10
    os.utime(tmp_path / "requirements-dev.lock", (later, later))
    assert up_to_date("setup") and not up_to_date("setup-dev")
    (tmp_path / ".venv" / "made-by-setup").write_text("/elsewhere\n3.12\n")
    assert not up_to_date("setup")
