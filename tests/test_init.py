"""`import kuzushiji` brings nothing heavy, and all that the notebooks use."""

import json
import subprocess
import sys

import pytest
from conftest import CHECKOUT

HEAVY = {"tensorflow", "keras", "torch", "jax", "umap", "matplotlib", "sklearn", "pandas", "PIL", "requests", "pooch"}


@pytest.mark.parametrize("names", ["load_kmnist, load_classmap", "*"])
def test_import_brings_nothing_heavy_and_a_star_what_notebooks_use_without_anywidget(names):
    code = f"import json, sys; sys.modules['anywidget'] = None; from kuzushiji import {names}; load_kmnist"
    code += "; print(json.dumps(sorted(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, check=True)
    assert set(json.loads(run.stdout)) & HEAVY <= ({"matplotlib", "PIL"} if names == "*" else set())
