"""Test the reader's run on the full real data: `make test-full`.

nbval compares the cells tagged nbval-check-output. Cells tagged check-full hold on the full real data alone, so the
notebooks are copied to build/test-full/ with that tag turned into the other, and the copies are tested.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat

from kuzushiji import DataError, load_kmnist

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"
TARGET = ROOT / "build" / "test-full"


def main():
    try:
        load_kmnist("test", source="kmnist")
    except DataError as error:
        sys.exit(f"The full test needs the real data. {error}")
    shutil.rmtree(TARGET, ignore_errors=True)
    for path in [path for path in NOTEBOOKS.rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts]:
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            tags = cell.metadata.get("tags", [])
            cell.metadata["tags"] = ["nbval-check-output" if tag == "check-full" else tag for tag in tags]
        target = TARGET / path.relative_to(NOTEBOOKS)
        target.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, target)
    environment = {name: value for name, value in os.environ.items() if name != "KUZUSHIJI_QUICK"}
    options = ["--nbval-lax", "--nbval-current-env", "--nbval-cell-timeout=1800", "-p", "no:cacheprovider"]
    sys.exit(subprocess.call([sys.executable, "-m", "pytest", *options, str(TARGET)], env=environment))


if __name__ == "__main__":
    main()
