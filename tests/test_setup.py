"""Set-up says why it cannot make an environment, goes on with a half-made one, and spares what others made."""

import builtins
import subprocess
import sys

import pytest
import setup as setup_tool


@pytest.fixture
def project(monkeypatch, tmp_path):
    """An empty project; the commands that set-up calls are collected, and make the environment's Python appear."""
    venv, commands = tmp_path / ".venv", []
    monkeypatch.setattr(setup_tool, "VENV", str(venv))
    monkeypatch.setattr(setup_tool, "OURS", str(venv / "made-by-setup"))
    monkeypatch.setattr(sys, "argv", ["setup.py"])
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)

    def call(command):
        commands.append(command[1:])
        (venv / "bin").mkdir(exist_ok=True)
        (venv / "bin" / "python").touch()
        return int("fail" in sys.argv)

    monkeypatch.setattr(subprocess, "call", call)
    return venv, commands


def kinds(commands):
    return ["venv" if "venv" in command else "pip" if "pip" in command else "import" for command in commands]


@pytest.mark.parametrize(
    ("what", "value", "said"),
    [
        ("sys.version_info", (3, 10, 0), "3.10 .* 3.11 to 3.13"),
        ("sys.modules", {**sys.modules, "ensurepip": None}, "no module ensurepip.*apt install"),
        ("platform.machine", lambda: "i386", "on i386 .*no TensorFlow"),
    ],
)
def test_a_python_that_will_not_do_is_named(project, monkeypatch, what, value, said):
    monkeypatch.setattr(what, value)
    with pytest.raises(SystemExit, match=said):
        setup_tool.main()
    assert project[1] == []


def test_an_interrupted_set_up_goes_on_and_a_developers_builds_upon_a_readers(project, monkeypatch):
    venv, commands = project
    monkeypatch.setattr(sys, "argv", ["setup.py", "fail"])
    with pytest.raises(SystemExit, match="failed with status 1"):
        setup_tool.main()
    monkeypatch.setattr(sys, "argv", ["setup.py"])
    setup_tool.main()
    assert kinds(commands) == ["venv", "venv", "pip", "pip", "import"] and (venv / "requirements.lock").exists()
    monkeypatch.setattr(sys, "argv", ["setup.py", "requirements-dev.lock"])
    setup_tool.main()
    assert kinds(commands[5:]) == ["pip", "pip", "import"] and (venv / "requirements-dev.lock").exists()
    monkeypatch.setattr(setup_tool, "WANTED", "another folder, or another Python\n")
    setup_tool.main()
    assert kinds(commands[8:]) == ["venv", "pip", "pip", "import"]


def test_an_environment_made_by_hand_is_deleted_only_after_a_question(project, monkeypatch):
    venv, _ = project
    venv.mkdir()
    (venv / "precious").touch()
    with pytest.raises(SystemExit, match="was not made by this set-up: move it away"):
        setup_tool.main()
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    for answer in ("", "n"):
        monkeypatch.setattr(builtins, "input", lambda question, answer=answer: answer)
        with pytest.raises(SystemExit, match="Nothing was changed"):
            setup_tool.main()
    assert (venv / "precious").exists()
    monkeypatch.setattr(builtins, "input", lambda question: "y")
    setup_tool.main()
    assert not (venv / "precious").exists()
