"""`import kuzushiji` brings nothing heavy, and all that the notebooks use."""

import ast
import graphlib
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


def test_imports_of_the_package_run_down_six_floors_at_most():
    below = {}
    for path in (CHECKOUT / "kuzushiji").glob("[!_]*.py"):
        nodes = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.ImportFrom) and n.level == 1]
        below[path.stem] = {name for n in nodes for name in ([n.module] if n.module else [a.name for a in n.names])}
    floor = {}
    for name in graphlib.TopologicalSorter(below).static_order():  # raises CycleError
        floor[name] = 1 + max((floor[lower] for lower in below[name]), default=0)
    assert max(floor.values()) <= 5  # __main__ stands above
