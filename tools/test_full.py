"""Test the reader's run on the full real data: `make test-full`.

nbval compares the cells tagged nbval-check-output. Cells tagged check-full hold on the full real data alone, so the
notebooks are copied to build/test-full/ with that tag turned into the other, and the copies are tested.
"""

import os
import subprocess
import sys
from pathlib import Path

import nbformat

from kuzushiji import DataError, load_kmnist

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "build" / "test-full"


def main():
    try:
        load_kmnist("test", source="kmnist")
    except DataError as error:
        sys.exit(f"The full test needs the real data. {error}")
    TARGET.mkdir(parents=True, exist_ok=True)
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            tags = cell.metadata.get("tags", [])
            cell.metadata["tags"] = ["nbval-check-output" if tag == "check-full" else tag for tag in tags]
        nbformat.write(notebook, TARGET / path.name)
    environment = {name: value for name, value in os.environ.items() if name != "KUZUSHIJI_QUICK"}
    options = ["--nbval-lax", "--nbval-current-env", "--nbval-cell-timeout=1800", "-p", "no:cacheprovider"]
    sys.exit(subprocess.call([sys.executable, "-m", "pytest", *options, str(TARGET)], env=environment))


if __name__ == "__main__":
    main()
