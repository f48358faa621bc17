"""`import kuzushiji` costs nothing, and nothing heavy comes with it."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import CHECKOUT

HEAVY = {"tensorflow", "keras", "torch", "jax", "umap", "matplotlib", "sklearn", "pandas", "PIL", "requests", "pooch"}
CODE = """
import json, sys, time
start = time.perf_counter()
{}
print(json.dumps([time.perf_counter() - start, sorted(sys.modules)]))
"""


def imported(statement):
    """The seconds that `statement` takes in a new process, and the modules that are loaded after it."""
    run = subprocess.run([sys.executable, "-c", CODE.format(statement)], cwd=CHECKOUT, capture_output=True, check=True)
    return json.loads(run.stdout)


def test_import_takes_less_than_half_a_second():
    assert min(imported("import kuzushiji")[0] for _ in range(3)) < 0.5


@pytest.mark.parametrize("statement", ["import kuzushiji", "from kuzushiji import load_kmnist, load_classmap"])
def test_import_brings_nothing_heavy(statement):
    modules = set(imported(statement)[1])
    assert "kuzushiji" in modules and not modules & HEAVY


def test_a_star_import_needs_no_anywidget_and_brings_what_the_notebooks_use():
    statement = "sys.modules['anywidget'] = None; from kuzushiji import *; load_kmnist, show, read; start = 0"
    assert "kuzushiji.figures" in imported(statement)[1]


def test_an_editor_sees_signatures():
    import inspect

    import kuzushiji

    assert "folder" in inspect.signature(vars(kuzushiji)["load_kmnist"]).parameters
    tree = ast.parse(Path(kuzushiji.__file__).read_text(encoding="utf-8"))
    imported = {a.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for a in node.names}
    assert {*kuzushiji.__all__, "DrawingPad"} <= imported


def test_importing_the_networks_runs_no_operation():
    """On a GPU the first operation reserves its memory; TensorFlow makes its context then."""
    pytest.importorskip("tensorflow")
    code = "import kuzushiji.augment, kuzushiji.networks; from tensorflow.python.eager import context"
    code += "; print(context.context()._context_handle is None)"
    run = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert run.stdout == "True\n" and run.stderr == ""


def test_a_host_s_own_faulthandler_is_left_alone(tmp_path):
    code = f"import faulthandler; file = open({str(tmp_path / 'log')!r}, 'w'); faulthandler.enable(file)"
    code += "; import kuzushiji.networks, os; os.abort()"
    subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True)
    assert "Fatal Python error: Aborted" in (tmp_path / "log").read_text()


def test_an_abort_while_native_messages_are_hidden_is_not_silent():
    code = "import os; from kuzushiji.networks import native_messages_hidden\nwith native_messages_hidden(): os.abort()"
    run = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True)
    assert run.returncode < 0 and "Fatal Python error: Aborted" in run.stderr


def test_unknown_name_is_an_attribute_error():
    import kuzushiji

    with pytest.raises(AttributeError, match="module 'kuzushiji' has no attribute 'load_mnist'"):
        kuzushiji.load_mnist  # noqa: B018
    assert set(kuzushiji.__all__) <= set(dir(kuzushiji))


def test_native_messages_are_hidden_and_what_comes_after_is_not(capfd):
    from kuzushiji.networks import native_messages_hidden

    with pytest.raises(ValueError, match="raised as ever"), native_messages_hidden():
        os.write(2, b"no GPU was found")
        raise ValueError("raised as ever")
    os.write(2, b"heard again")
    assert capfd.readouterr().err == "heard again"
