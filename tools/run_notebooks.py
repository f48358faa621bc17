"""Run the notebooks of the series in order: the reader's run (`make run`) and the maintainers' (`make notebooks`).

The reader's run writes executed copies and web pages to build/ and changes nothing else. The maintainers' run
(--in-place) executes in full mode on the real data only and is what writes the stored notebooks, and img/NAME.png from
each cell tagged figure:NAME; of cells tagged live-only it stores no output.
"""

import argparse
import asyncio
import base64
import html
import os
import re
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
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
CELL_TIMEOUT = 3600  # seconds; no cell comes near it, what takes that long is a study


class Progress(NotebookClient):
    """A NotebookClient that moves a bar on with every code cell, and on a terminal its clock every second."""

    bar = None

    async def async_execute_cell(self, cell, cell_index, **options):
        clock = asyncio.ensure_future(self.tick())
        try:
            result = await super().async_execute_cell(cell, cell_index, **options)
        finally:
            clock.cancel()
        if cell.cell_type == "code":
            self.bar.update()
        return result

    async def tick(self):
        while sys.stdout.isatty():
            await asyncio.sleep(1)
            self.bar.refresh()


def final_text(text):
    """Text as a terminal leaves it: what a carriage return overwrites is gone (progress bars that were cleared)."""
    return "\n".join(line.rsplit("\r", 1)[-1].rstrip() if "\r" in line else line for line in text.split("\n"))


def settle_outputs(notebook):
    """Drop what cleared progress bars left behind, and everything that differs from run to run but says nothing.

    A widget lives only as long as its kernel: stored, it would be an error message where it stood.
    """
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        cell.metadata.pop("execution", None)
        for output in cell.outputs:
            if output.output_type == "stream":
                output.text = final_text(output.text)
        cell.outputs = [o for o in cell.outputs if o.output_type != "stream" or o.text.strip()]
        cell.outputs = [o for o in cell.outputs if WIDGET not in o.get("data", {})]
    notebook.metadata.pop("widgets", None)
    notebook.metadata["language_info"] = {"name": "python"}
    notebook.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}


def drop_live(notebook):
    """Drop the outputs of cells tagged live-only, which a stored notebook does not carry."""
    for cell in notebook.cells:
        if "live-only" in cell.metadata.get("tags", []):
            cell.outputs = []


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
    """Write an executed notebook of the maintainers' run in place, and its figures to img/; stops at a bad tag."""
    drop_live(notebook)
    try:
        figures = tagged_figures(notebook)
    except ValueError as error:
        kept = BUILD / "notebooks" / f"{path.stem}.failed.ipynb"
        nbformat.write(notebook, kept)
        sys.exit(f"\n{path.name} is not stored: {error}. What was executed: build/notebooks/{kept.name}")
    for name, (_, png) in figures.items():
        with replacing(IMG / f"{name}.png") as temporary:
            temporary.write_bytes(png)
    with replacing(path) as temporary:
        nbformat.write(notebook, temporary)


def data_line(notebook):
    """What the notebook itself said about its data: the first line that starts with "data: "."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            for line in output.get("text", "").splitlines():
                if line.startswith("data: "):
                    return line.removeprefix("data: ")
    return "none"


def failing_cell(notebook):
    """Number (among the code cells, from 1) and source of the cell that raised, or of the last one that started."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for number, cell in enumerate(code, start=1):
        if any(output.output_type == "error" for output in cell.outputs):
            return number, cell.source
    started = [n for n, cell in enumerate(code, start=1) if cell.execution_count or cell.outputs]
    number = started[-1] if started else 1
    return number, code[number - 1].source


def write_page(notebook, name):
    """Write the notebook as a web page to build/, its links to other notebooks leading to their pages."""
    body, _ = HTMLExporter(template_name="lab").from_notebook_node(notebook, {"metadata": {"name": name}})
    body = re.sub(r'href="(?:\./)?(\d\d_\w+)\.ipynb', r'href="\1.html', body)
    body = body.replace('href="solutions/', 'href="../notebooks/solutions/')
    body = body.replace("</head>", "<style>.highlight pre { white-space: pre-wrap }</style></head>", 1)
    (BUILD / f"{name}.html").write_text(body, encoding="utf-8")


def write_index(rows):
    """A table of contents of all pages in build/: those of this run with their seconds and data."""
    quick = ", quick mode" if os.environ.get("KUZUSHIJI_QUICK") == "1" else ""
    notes = {name: f"{seconds:.0f} s, {data}{quick}" for name, seconds, data in rows}
    items = ""
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        title = html.escape(title_of(nbformat.read(path, as_version=4)))
        if (BUILD / f"{path.stem}.html").exists():
            title = f'<a href="{path.stem}.html">{title}</a>'
            note = notes.get(path.stem, "from an earlier run")
        else:
            note = "not run yet"
        items += f"<li>{title} <small>{html.escape(note)}</small></li>\n"
    (BUILD / "index.html").write_text(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Kuzushiji</title>\n'
        f'<body style="font-family: sans-serif; max-width: 40em; margin: 3em auto; line-height: 1.6">\n'
        f"<h1>Kuzushiji, the tutorial series</h1>\n<ol>\n{items}</ol>\n</body></html>\n",
        encoding="utf-8",
    )


def title_of(notebook):
    first = next(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    return first.splitlines()[0].lstrip("# ")


def execute(path, bar):
    """Run one notebook in a fresh kernel; returns it, and the error (None where all went well)."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    client = Progress(
        notebook,
        timeout=CELL_TIMEOUT,
        coalesce_streams=True,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        # Its log would break the progress bar; what a cell raises comes with the cell.
        extra_arguments=["--IPKernelApp.log_level=50"],
    )
    client.bar = bar
    error = None
    try:
        client.execute()
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as caught:
        error = caught
    except (KeyboardInterrupt, AssertionError):
        if client.km is not None:  # nbclient drops its kernel when it is interrupted, and then stumbles over that
            raise
        bar.close()
        print(f"\nstopped in {path.name}; pages that were finished are in build/")
        sys.exit(130)
    settle_outputs(notebook)
    return notebook, error


def report_failure(path, notebook, error):
    number, source = failing_cell(notebook)
    message = f"{error.ename}: {error.evalue}" if isinstance(error, CellExecutionError) else str(error)
    print(f"\n{path.name} failed in code cell {number}:\n")
    print("\n".join("    " + line for line in source.splitlines()))
    print(f"\n{message}\nThe copy with its full traceback: build/notebooks/{path.stem}.failed.ipynb")


def print_table(rows):
    width = max(len(row[0]) for row in rows)
    print(f"\n{'notebook':{width}}  seconds  data")
    for name, seconds, data in rows:
        print(f"{name:{width}}  {seconds:7.0f}  {data}")
    print(f"{'all':{width}}  {sum(row[1] for row in rows):7.0f}\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--in-place", action="store_true", help="the maintainers' run: write the stored notebooks")
    parser.add_argument("names", nargs="*", help="notebooks to run, by the start of their names (default: all)")
    options = parser.parse_args()
    sys.stdout.reconfigure(errors="backslashreplace")  # a failing cell may hold what a pipe's encoding does not
    if folders := os.environ.get("KUZUSHIJI_DATA"):  # kernels start in notebooks/
        os.environ["KUZUSHIJI_DATA"] = os.pathsep.join(
            os.path.abspath(os.path.expanduser(f)) for f in folders.split(os.pathsep) if f
        )
    paths = [
        p for p in sorted(NOTEBOOKS.glob("*.ipynb")) if not options.names or p.name.startswith(tuple(options.names))
    ]
    if not paths:
        sys.exit(f"No notebook's name starts with {' or '.join(options.names) or 'anything'}: notebooks/ has none.")
    check = studies.check_data if options.in_place else named_folders
    try:
        check()
    except DataError as error:
        sys.exit(str(error))
    if options.in_place:
        paths += [p for p in sorted((NOTEBOOKS / "solutions").glob("*.ipynb")) if not options.names]
    (BUILD / "notebooks").mkdir(parents=True, exist_ok=True)

    rows = []
    for position, path in enumerate(paths, start=1):
        cells = sum(cell.cell_type == "code" for cell in nbformat.read(path, as_version=4).cells)
        started = time.monotonic()
        with tqdm(
            total=cells, desc=f"{position}/{len(paths)} {path.stem}", unit="cell", file=sys.stdout, ncols=100
        ) as bar:
            notebook, error = execute(path, bar)
        rows.append((path.stem, time.monotonic() - started, data_line(notebook)))
        if error or not options.in_place:
            nbformat.write(notebook, BUILD / "notebooks" / f"{path.stem}{'.failed' if error else ''}.ipynb")
        if error:
            report_failure(path, notebook, error)
            sys.exit(1)
        if options.in_place:
            store(notebook, path)
        else:
            write_page(notebook, path.stem)
            write_index(rows)
    print_table(rows)
    if not options.in_place:
        print("Read the pages: build/index.html    The executed notebooks: build/notebooks/")


if __name__ == "__main__":
    main()
