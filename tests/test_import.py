"""`import kuzushiji` costs nothing, and nothing heavy comes with it."""

import json
import os
import subprocess
import sys

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


def test_unknown_name_is_an_attribute_error():
    import kuzushiji

    with pytest.raises(AttributeError, match="module 'kuzushiji' has no attribute 'load_mnist'"):
        kuzushiji.load_mnist  # noqa: B018
    assert set(kuzushiji.__all__) <= set(dir(kuzushiji))


def test_native_messages_are_hidden_and_what_comes_after_is_not(capfd):
    from kuzushiji.session import native_messages_hidden

    with pytest.raises(ValueError, match="raised as ever"), native_messages_hidden():
        os.write(2, b"no GPU was found")
        raise ValueError("raised as ever")
    os.write(2, b"heard again")
    assert capfd.readouterr().err == "heard again"
