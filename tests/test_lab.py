"""Restart and run all, in a real JupyterLab, as a reader does it: `make test-lab` (quick mode, some minutes)."""

import os
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("[0-9]*.ipynb"))


@pytest.mark.skipif(os.environ.get("KUZUSHIJI_LAB") != "1", reason="make test-lab runs this; nbval runs the same cells")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_restart_and_run_all_in_jupyterlab(lab, path):
    assert lab.run_all(path, timeout=1200) == []
