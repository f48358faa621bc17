"""Carry the public address of the series from its one place into every notebook: `make links`.

The place is the line `Repository = "https://github.com/owner/name"` below [project.urls] in pyproject.toml. Without it
badges lead to README.md, and set-up cells say what to do. Of a notebook only the sources of these two are written.
"""

import re
import sys
import tomllib
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
HOST = "https://github.com/"
COLAB = "https://colab.research.google.com/"

# The set-up cell: one of two beginnings, one end.
ABSENT = """\
import importlib.util

if importlib.util.find_spec("kuzushiji") is None:
    raise RuntimeError(
        "The helpers are not installed. In a copy of this series: "
        'pip install ".[notebooks]". In Colab: put the series at '
        "/content/series.zip (README.md, section Colab) and run in a new cell:\\n\\n"
        "!pip list --format=freeze > installed.txt\\n"
        "!pip install --quiet --constraint installed.txt "
        '"kuzushiji[notebooks] @ file:///content/series.zip"'
    )
"""
PRESENT = """\
import importlib.util

if importlib.util.find_spec("kuzushiji") is None:  # in Colab; nothing that is there already is upgraded
    %pip list --format=freeze > installed.txt
    %pip install --quiet --constraint installed.txt "kuzushiji[notebooks] @ git+{url}"
"""
REST = """
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import kuzushiji
from kuzushiji import image_grid, load_classmap, load_kmnist, show

quick = kuzushiji.start()"""


def public_repo():
    """owner/name as pyproject.toml has it, "" where it has none. ValueError for what is no repository on GitHub."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    url = project.get("urls", {}).get("Repository", "")
    if url and not re.fullmatch(HOST + r"[A-Za-z0-9-]+/[A-Za-z0-9._-]+", url):
        raise ValueError(f"pyproject.toml: Repository is {url!r}, expected {HOST}owner/name")
    return url.removeprefix(HOST)


def set_up_cell(repo):
    """The source of the first code cell of every notebook."""
    return (PRESENT.format(url=HOST + repo) if repo else ABSENT) + REST


def badge(repo, path):
    """The first link of a notebook: to Colab, or as long as there is no address, to what README.md says about it."""
    if repo:
        return f"[![Open in Colab]({COLAB}assets/colab-badge.svg)]({COLAB}github/{repo}/blob/main/{path.as_posix()})"
    return f"[Colab: see the README]({'../' * (len(path.parts) - 1)}README.md#colab)"


def rewrite(notebook, repo, path):
    """Put badge and set-up cell into the notebook at `path` of the repository. ValueError where it has no place."""
    first, code = notebook.cells[0], [cell for cell in notebook.cells if cell.cell_type == "code"]
    any_badge = r"^\[(?:Colab: see the README|!\[Open in Colab\]\([^)\s]*\))\]\([^)\s]*\)"
    first.source, places = re.subn(any_badge, lambda _: badge(repo, path), first.source, count=1, flags=re.MULTILINE)
    if not places:
        raise ValueError(f"{path}: its first cell has no line that begins with {badge('', path)}")
    if not (code and code[0].source.startswith("import importlib.util\n") and code[0].source.endswith(REST)):
        raise ValueError(f"{path}: its first code cell is not the set-up cell of tools/links.py")
    code[0].source = set_up_cell(repo)


def main():
    changed = {}
    try:
        repo = public_repo()
        for path in sorted(ROOT.glob("notebooks/*.ipynb")) + sorted(ROOT.glob("notebooks/solutions/*.ipynb")):
            notebook = nbformat.read(path, as_version=4)
            sources = [cell.source for cell in notebook.cells]
            rewrite(notebook, repo, path.relative_to(ROOT))
            if sources != [cell.source for cell in notebook.cells]:
                changed[path] = notebook
    except ValueError as error:
        sys.exit(str(error))
    for path, notebook in changed.items():  # all or none
        path.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8", newline="\n")
        print("wrote", path.relative_to(ROOT).as_posix())


if __name__ == "__main__":
    main()
