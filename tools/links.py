"""Carry the public address of the series from its one place, `project.urls` in pyproject.toml, to every reader.

    python tools/links.py                      # notebooks and README.md say what pyproject.toml says
    python tools/links.py --repo owner/name    # first put https://github.com/owner/name into pyproject.toml
    python tools/links.py --repo ""            # no address: badges lead to README.md, set-up cells say what to do

`make links`, `make links REPO=owner/name` and `make links REPO=` are the same. Written are the badge and the set-up
cell of every notebook and solution (sources alone: ids, metadata and outputs stay), and what README.md says about
Colab. Doing it twice changes nothing.
"""

import argparse
import re
import sys
import tomllib
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
HOST = "https://github.com/"
COLAB = "https://colab.research.google.com/"
BRANCH = "main"

# How the helpers come from a ZIP in Colab: what the set-up cell and README.md say alike.
FROM_ZIP = (
    "!pip list --format=freeze > installed.txt",
    '!pip install --quiet --constraint installed.txt "kuzushiji[notebooks] @ file:///content/series.zip"',
)

# The set-up cell: one of two beginnings, one end.
ABSENT = f"""\
import importlib.util

if importlib.util.find_spec("kuzushiji") is None:
    raise RuntimeError(
        "The helpers are not installed. In a copy of this series: "
        'pip install ".[notebooks]". In Colab: put the series at '
        "/content/series.zip (README.md, section Colab) and run in a new cell:\\n\\n"
        "{FROM_ZIP[0]}\\n"
        "{FROM_ZIP[1].split('"')[0]}"
        '"{FROM_ZIP[1].split('"')[1]}"'
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

COLAB_HABITS = """\
Choose the runtime type first: another type, another notebook and another day are each a new, empty machine, and what
lies in `/content`, checkpoints too, goes with the old one. Variables are set before the set-up cell,
`%env KUZUSHIJI_QUICK=1`; commands begin with `!`, as in `!python -m kuzushiji status`. A GPU is not needed."""
README_UNSET = f"""\
The series has no public address yet that its notebooks could install their helpers from. Until it has one, take them
along:

1. Get this repository as a ZIP file (on GitHub: Code, Download ZIP; in a clone: `git archive --prefix=series/ -o
   series.zip HEAD`), and call it `series.zip`. If your browser unpacks downloads, make it keep the ZIP.
2. Unpack a copy, and open one of its notebooks in Colab (File, Upload notebook).
3. Upload the ZIP itself (the folder symbol at the left), and wait until it is there.
4. Run in a new first cell; it works in silence for a minute or two:

```
{FROM_ZIP[0]}
{FROM_ZIP[1]}
```

This installs the helpers and what Colab lacks; TensorFlow, Keras, NumPy, JAX and all else stay in the versions that are
there. (Where git can clone this repository from an address, no ZIP is needed: write `git+` and the address in place of
`file:///content/series.zip`.)

{COLAB_HABITS}"""
README_SET = f"""\
Open in Colab: {{notebooks}}. The set-up cell installs the helpers from this repository and what Colab lacks;
TensorFlow, Keras, NumPy, JAX and all else stay in the versions that are there.

{COLAB_HABITS}"""


def checked(repo):
    """`repo` itself, if it is empty or can be owner/name on GitHub; stops with one sentence where it cannot."""
    owner, name = r"[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*", r"(?!\.{1,2}$)(?!.*\.git$)[A-Za-z0-9._-]{1,100}"
    if repo and not (re.fullmatch(f"{owner}/{name}", repo) and len(repo.split("/")[0]) <= 39):
        sys.exit(f'REPO is "{repo}", expected owner/name, as in the address {HOST}owner/name (or nothing, to unset it)')
    return repo


def repo_of(pyproject):
    """owner/name in the text of pyproject.toml, "" where there is none."""
    url = tomllib.loads(pyproject)["project"].get("urls", {}).get("Repository", "")
    return checked(url.removeprefix(HOST))


def with_repo(pyproject, repo):
    """The text of pyproject.toml with the address of `repo`, or with none."""
    text = re.sub(r"^Repository = .*\n", "", pyproject, flags=re.MULTILINE)
    line = f'Repository = "{HOST}{repo}"\n' if repo else ""
    text, places = re.subn(r"^\[project\.urls\]\n(?:#.*\n)*", lambda match: match[0] + line, text, flags=re.MULTILINE)
    if places != 1:
        sys.exit("pyproject.toml has no table [project.urls]: put the line back, the address is kept there")
    return text


def set_up_cell(repo):
    """The source of the first code cell of every notebook."""
    return (PRESENT.format(url=HOST + repo) if repo else ABSENT) + REST


def badge(repo, path):
    """The first link of a notebook: to Colab, or as long as there is no address, to what README.md says about it."""
    if repo:
        return (
            f"[![Open in Colab]({COLAB}assets/colab-badge.svg)]({COLAB}github/{repo}/blob/{BRANCH}/{path.as_posix()})"
        )
    return f"[Colab: see the README]({'../' * (len(path.parts) - 1)}README.md#colab)"


def rewrite_notebook(notebook, repo, path):
    """Put badge and set-up cell into a notebook, `path` in the repository; stops where it has no place for them."""
    first = notebook.cells[0]
    any_badge = r"^\[(?:Colab: see the README|!\[Open in Colab\]\([^)\s]*\))\]\([^)\s]*\)"
    first.source, places = re.subn(any_badge, lambda _: badge(repo, path), first.source, count=1, flags=re.MULTILINE)
    if not places:
        sys.exit(f"{path.name}: its first cell has no line that begins with {badge('', path)}")
    cell = next((cell for cell in notebook.cells if cell.cell_type == "code"), None)
    if cell is None or not (cell.source.startswith("import importlib.util\n") and cell.source.endswith(REST)):
        sys.exit(f"{path.name}: its first code cell is not the set-up cell, which begins as the one in tools/links.py")
    cell.source = set_up_cell(repo)


def rewrite_readme(text, repo, paths):
    """README.md's text with its section on Colab for `repo`."""
    links = " · ".join(f"[{path.name[:2]}]({COLAB}github/{repo}/blob/{BRANCH}/{path.as_posix()})" for path in paths)
    section = README_SET.format(notebooks=links) if repo else README_UNSET
    pattern = r"(<!-- links: colab -->\n).*?(\n<!-- end -->)"
    text, places = re.subn(pattern, lambda match: match[1] + section + match[2], text, flags=re.DOTALL)
    if places != 1:
        sys.exit(f"README.md has {places} places marked <!-- links: colab -->, expected one")
    return text


def changes(root, repo=None):
    """New text of each file below `root` that has to change, by path; `repo` None takes the address as it is."""
    before = {path: path.read_text(encoding="utf-8") for path in (root / "pyproject.toml", root / "README.md")}
    project, readme = before
    repo = repo_of(before[project]) if repo is None else checked(repo)
    folder = root / "notebooks"
    series = [path.relative_to(root) for path in sorted(folder.glob("*.ipynb"))]
    after = {
        project: with_repo(before[project], repo),
        readme: rewrite_readme(before[readme], repo, series),
    }
    for path in (*sorted(folder.glob("*.ipynb")), *sorted((folder / "solutions").glob("*.ipynb"))):
        notebook = nbformat.read(path, as_version=4)
        sources = [cell.source for cell in notebook.cells]
        rewrite_notebook(notebook, repo, path.relative_to(root))
        if sources != [cell.source for cell in notebook.cells]:
            before[path], after[path] = None, nbformat.writes(notebook) + "\n"
    return {path: text for path, text in after.items() if text != before[path]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repo", help="owner/name on GitHub; empty for no address; left out: what pyproject.toml says")
    changed = changes(ROOT, parser.parse_args().repo)  # all of it, before anything is written
    for path, text in changed.items():
        path.write_text(text, encoding="utf-8", newline="\n")
        print("wrote", path.relative_to(ROOT).as_posix())
    address = repo_of((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    print(f"{len(changed)} files changed; address: {HOST + address if address else 'none'}")


if __name__ == "__main__":
    main()
