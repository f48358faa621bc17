"""Run the notebooks of the series in order: the reader's run (`make run`) and the maintainers' (`make notebooks`).

The reader's run writes executed copies and web pages to build/ and changes nothing else. The maintainers' run
(--in-place) executes in full mode on the real data only and is what writes the stored notebooks, and img/NAME.png from
each cell tagged figure:NAME; of cells tagged live-only it stores no output. The kernel is this Python's, whatever
kernels JUPYTER_PATH and the user's folders offer.
"""

import argparse
import base64
import html
import os
import re
import sys
import time
from pathlib import Path

import nbformat
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpecManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbconvert import HTMLExporter
from tqdm import tqdm

from kuzushiji import DataError, studies
from kuzushiji.files import replacing
from kuzushiji.paths import named_folders

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"
IMG = ROOT / "img"
BUILD = ROOT / "build"
WIDGET = "application/vnd.jupyter.widget-view+json"


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def execute(path, title):
    """Run one notebook in a fresh kernel, below a progress bar; returns it, and the error, None where all went well."""
    notebook = nbformat.read(path, as_version=4)
    code = code_cells(notebook)
    for cell in code:
        cell.outputs, cell.execution_count = [], None
    kernel = AsyncKernelManager(kernel_spec_manager=KernelSpecManager(kernel_dirs=[]))  # knows this Python's alone
    with tqdm(total=len(code), desc=title, unit="cell", file=sys.stdout, ncols=100) as bar:
        client = NotebookClient(
            notebook,
            km=kernel,
            coalesce_streams=True,
            extra_arguments=["--IPKernelApp.log_level=50"],  # its log would break the bar
            resources={"metadata": {"path": str(path.parent)}},
            on_cell_executed=lambda **_: bar.update(),
        )
        try:
            client.execute()
        except (CellExecutionError, DeadKernelError) as error:
            return notebook, error
    return notebook, None


def failure(notebook, error):
    """The cell that raised, or the last one that started: its number among the code cells, its source, the message."""
    code = code_cells(notebook)
    failed = [n for n, cell in enumerate(code, 1) if any(output.output_type == "error" for output in cell.outputs)]
    started = [n for n, cell in enumerate(code, 1) if cell.execution_count or cell.outputs]
    number = (failed or started[-1:] or [1])[0]
    died = "the kernel died, or this run was stopped"
    message = f"{error.ename}: {error.evalue}" if isinstance(error, CellExecutionError) else died
    source = "\n".join("    " + line for line in code[number - 1].source.splitlines())
    return f"code cell {number}:\n\n{source}\n\n{message}"


def settle(notebook):
    """Drop what differs from run to run and says nothing: cleared progress bars, times, widgets without a kernel."""
    for cell in code_cells(notebook):
        cell.metadata.pop("execution", None)
        for output in cell.outputs:
            if output.output_type == "stream":
                output.text = "\n".join(line.rpartition("\r")[2] for line in output.text.split("\n"))
        cell.outputs = [o for o in cell.outputs if o.output_type != "stream" or o.text.strip()]
        cell.outputs = [o for o in cell.outputs if WIDGET not in o.get("data", {})]
    notebook.metadata.pop("widgets", None)
    notebook.metadata["language_info"] = {"name": "python"}
    notebook.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}


def tagged_figures(notebook):
    """Alt text and PNG bytes of the figure of each cell tagged figure:NAME, as {NAME: (alt, png)}.

    Raises ValueError where a name stands on two cells, or a cell has not exactly one PNG.
    """
    figures = {}
    for cell in notebook["cells"]:
        for tag in cell["metadata"].get("tags", []):
            kind, _, name = tag.partition(":")
            if kind != "figure":
                continue
            found = [output for output in cell.get("outputs", []) if "image/png" in output.get("data", {})]
            if len(found) != 1 or name in figures:
                what = "another cell has this tag" if name in figures else f"{len(found)} PNG outputs, expected one"
                raise ValueError(f"the cell tagged {tag}: {what}")
            (output,) = found
            png = "".join(output["data"]["image/png"])  # a list of lines where JSON was read without nbformat
            figures[name] = output["metadata"].get("image/png", {}).get("alt", ""), base64.b64decode(png)
    return figures


def store(notebook, path):
    """Write an executed notebook in place, and its figures to img/. Raises ValueError at a bad tag, writing nothing."""
    for cell in code_cells(notebook):
        if "live-only" in cell.metadata.get("tags", []):
            cell.outputs = []
    for name, (_, png) in tagged_figures(notebook).items():
        with replacing(IMG / f"{name}.png") as temporary:
            temporary.write_bytes(png)
    with replacing(path) as temporary:
        nbformat.write(notebook, temporary)


def write_page(notebook, name):
    """Write the notebook as a web page to build/, its links to other notebooks leading to their pages."""
    body, _ = HTMLExporter(template_name="lab").from_notebook_node(notebook, {"metadata": {"name": name}})
    body = re.sub(r'href="(?:\./)?(\d\d_\w+)\.ipynb', r'href="\1.html', body)
    body = body.replace('href="solutions/', 'href="../notebooks/solutions/')
    (BUILD / f"{name}.html").write_text(body, encoding="utf-8")


def data_line(notebook):
    """What the notebook itself said about its data: the first line that starts with "data: "."""
    texts = [output.get("text", "") for cell in code_cells(notebook) for output in cell.outputs]
    said = re.search(r"^data: (.*)", "\n".join(texts), re.MULTILINE)
    return said[1] if said else "said nothing about its data"


def write_index(notes):
    """A table of contents of all pages in build/, with a note on those of this run."""
    items = ""
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        if (BUILD / f"{path.stem}.html").exists():
            title = html.escape(re.search(r"# (.*)", nbformat.read(path, as_version=4).cells[0].source)[1])
            note = html.escape(notes.get(path.name, "from an earlier run"))
            items += f'<li><a href="{path.stem}.html">{title}</a> <small>{note}</small></li>\n'
    (BUILD / "index.html").write_text(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Kuzushiji</title>\n'
        f'<body style="font-family: sans-serif; max-width: 40em; margin: 3em auto; line-height: 1.6">\n'
        f"<h1>Kuzushiji, the tutorial series</h1>\n<ol>\n{items}</ol>\n</body></html>\n",
        encoding="utf-8",
    )


def run(path, title, in_place):
    """Run one notebook and write what comes of it; returns a note on its time and data. Stops at what fails."""
    started = time.monotonic()
    notebook, error = execute(path, title)
    settle(notebook)
    try:
        if error:
            raise ValueError(f"it failed in {failure(notebook, error)}")
        if in_place:
            store(notebook, path)
    except ValueError as found:
        nbformat.write(notebook, BUILD / "notebooks" / f"{path.stem}.failed.ipynb")
        sys.exit(f"\n{path.name}: {found}\n\nWhat was executed: build/notebooks/{path.stem}.failed.ipynb")
    if not in_place:
        nbformat.write(notebook, BUILD / "notebooks" / path.name)
        write_page(notebook, path.stem)
    return f"{time.monotonic() - started:.0f} s, {data_line(notebook)}"


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--in-place", action="store_true", help="the maintainers' run: write the stored notebooks")
    parser.add_argument("names", nargs="*", help="notebooks to run, by the start of their names (default: all)")
    options = parser.parse_args(arguments)
    sys.stdout.reconfigure(errors="backslashreplace")  # a failing cell may hold what a pipe's encoding does not
    folders = os.environ.get("KUZUSHIJI_DATA", "").split(os.pathsep)  # kernels start in notebooks/
    os.environ["KUZUSHIJI_DATA"] = os.pathsep.join(os.path.abspath(os.path.expanduser(f)) for f in folders if f)
    try:
        (studies.check_data if options.in_place else named_folders)()
    except DataError as error:
        sys.exit(str(error))
    paths = sorted(NOTEBOOKS.glob("*.ipynb"))
    if options.in_place:
        paths += sorted((NOTEBOOKS / "solutions").glob("*.ipynb"))
    paths = [path for path in paths if path.name.startswith(tuple(options.names) or "")]
    if not paths:
        sys.exit(f"No notebook's name starts with {' or '.join(options.names)}: expected numbers such as 01")
    (BUILD / "notebooks").mkdir(parents=True, exist_ok=True)
    notes = {}
    try:
        for position, path in enumerate(paths, start=1):
            name = path.relative_to(NOTEBOOKS).as_posix()
            notes[name] = run(path, f"{position}/{len(paths)} {name}", options.in_place)
            if not options.in_place:
                write_index(notes)
    except KeyboardInterrupt:
        sys.exit(f"\nstopped in {path.name}; what was finished is written")
    for name, note in notes.items():
        print(f"{name}: {note}")
    if not options.in_place:
        print("Read the pages: build/index.html    The executed notebooks: build/notebooks/")


if __name__ == "__main__":
    main()
