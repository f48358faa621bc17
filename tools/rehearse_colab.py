"""Rehearse Colab: every notebook alone in an empty folder, where there is what Colab has, and not our helpers.

    python tools/rehearse_colab.py                     # the newest TensorFlow, Keras, NumPy, JAX, pandas and others
    python tools/rehearse_colab.py --layout recorded   # the versions that Colab had when its list was last looked at
    python tools/rehearse_colab.py 01 02               # these notebooks alone

The set-up cell is tested as `make links REPO=owner/name` writes it; git is told to take that address from this clone
and is forbidden every other, so the helpers that are installed are those of the last commit. Notebooks run in quick
mode. After each of them, every version that was there before must be there still; then what was added is removed
again. Ends with a table of the versions before and after, and with status 1 where a notebook failed or a version
changed. `make test` does not do this: it installs about 3 GB (to build/colab, kept for the next time; --folder names
another place).
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import nbformat
from links import ROOT, rewrite_notebook
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

REPO = "owner/name"  # as in the help of `make links`; never looked up
# What Colab (GPU runtime) had of what the series needs, in February 2026; from the list that Colab publishes,
# https://github.com/googlecolab/backend-info, pip-freeze.gpu.txt. It has neither openTSNE nor matplotlib-fontja.
RECORDED_PYTHON = "3.12"
RECORDED = {
    "tensorflow": "2.19.0", "keras": "3.10.0", "numpy": "2.0.2", "jax": "0.7.2", "pandas": "2.2.2",
    "matplotlib": "3.10.0", "scikit-learn": "1.6.1", "scipy": "1.16.3", "numba": "0.60.0", "umap-learn": "0.5.11",
    "bokeh": "3.8.2", "anywidget": "0.9.21", "pillow": "11.3.0", "pooch": "1.9.0", "requests": "2.32.4",
    "tqdm": "4.67.3", "threadpoolctl": "3.6.0", "nbformat": "5.10.4", "ipython": "7.34.0", "ipykernel": "6.17.1",
    "ipywidgets": "7.7.1", "traitlets": "5.7.1", "jupyter_client": "7.4.9", "tornado": "6.5.1", "pip": "24.1.2",
}  # fmt: skip
# The smallest layout: what is left out here (UMAP, bokeh, pooch, ...) the set-up cell must add, without moving these.
NEWEST = ["tensorflow", "keras", "numpy", "jax", "pandas", "matplotlib", "scikit-learn", "scipy", "ipykernel", "pip"]


def run(*command, **options):
    """Run a command, stop with its output where it fails; returns its stdout."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def make_environment(folder, layout, interpreter):
    """The environment in `folder`, made where it is not complete; returns its Python."""
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    packages = NEWEST if layout == "newest" else [f"{name}=={version}" for name, version in RECORDED.items()]
    stamp = folder / "complete"
    if stamp.exists() and stamp.read_text() == "\n".join(packages):
        return python
    print("making the environment; this takes minutes", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    if uv := shutil.which("uv"):
        run(uv, "venv", "--quiet", "--seed", "--python", interpreter, folder)
        run(uv, "pip", "install", "--quiet", "--upgrade", "--python", python, *packages)
    else:
        run(interpreter, "-m", "venv", folder)
        run(python, "-m", "pip", "install", "--quiet", "--upgrade", *packages)
    stamp.write_text("\n".join(packages))
    return python


def versions(python):
    """Installed packages and their versions."""
    found = json.loads(run(python, "-m", "pip", "list", "--format=json", "--disable-pip-version-check"))
    return {row["name"]: row["version"] for row in found}


def bare_environ(folder, python):
    """Environment variables of a newcomer: nothing leads to this clone, except git's answer to the public address."""
    environ = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    settings = {
        f"url.{ROOT.as_uri()}.insteadOf": f"https://github.com/{REPO}",
        "protocol.allow": "never",
        "protocol.file.allow": "always",
    }
    for number, (key, value) in enumerate(settings.items()):
        environ |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    kernel = folder / "jupyter" / "kernels" / "colab"
    kernel.mkdir(parents=True, exist_ok=True)
    argv = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (kernel / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "colab", "language": "python"}))
    return environ | {
        "GIT_CONFIG_COUNT": str(len(settings)),
        "JUPYTER_PATH": str(folder / "jupyter"),
        "KUZUSHIJI_CACHE": str(folder / "cache"),
        "KUZUSHIJI_QUICK": "1",
        "PYTHONNOUSERSITE": "1",
    }


def rehearse(path, folder):
    """Run one notebook alone in an empty folder; returns what it said about its data, or the error."""
    alone = folder / "alone" / path.stem
    shutil.rmtree(alone, ignore_errors=True)
    alone.mkdir(parents=True)
    notebook = nbformat.read(path, as_version=4)
    rewrite_notebook(notebook, REPO, path.relative_to(ROOT))
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    resources = {"metadata": {"path": str(alone)}}
    quiet = ["--IPKernelApp.log_level=40"]  # no warning that the kernel listens on TCP
    client = NotebookClient(notebook, timeout=3600, kernel_name="colab", resources=resources, extra_arguments=quiet)
    error = None
    try:
        client.execute()
    except CellExecutionError as caught:
        error = str(caught)
    nbformat.write(notebook, alone / path.name)
    texts = [output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", [])]
    lines = [line for text in texts for line in text.splitlines() if line.startswith("data: ")]
    return error, lines[0] if lines else "said nothing about its data"


def print_versions(before, after):
    """The table before and after: what the series needs by name, the rest counted."""
    names = [name for name in before if name.lower().replace("_", "-") in RECORDED]
    width = max(map(len, [*names, *(set(after) - set(before))]))
    print(f"\n{'package':{width}}  {'before':>12}  {'after':>12}")
    for name in names:
        print(f"{name:{width}}  {before[name]:>12}  {after.get(name, 'gone'):>12}")
    others = [name for name in before if name not in names]
    same = sum(after.get(name) == before[name] for name in others)
    print(f"{len(others)} others: {same} the same, {len(others) - same} changed")
    for name in sorted(set(after) - set(before), key=str.lower):
        print(f"{name:{width}}  {'':>12}  {after[name]:>12}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layout", choices=("newest", "recorded"), default="newest")
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "colab")
    parser.add_argument("--python", default=sys.executable, help=f"which to use; Colab's was {RECORDED_PYTHON}")
    parser.add_argument("names", nargs="*", help="notebooks, by the start of their names (default: all)")
    options = parser.parse_args()
    folder = options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    if run("git", "status", "--porcelain", "--", "kuzushiji", "data", "pyproject.toml", cwd=ROOT):
        print("Caution: the helpers are not committed as they are here; what is installed is the last commit.")
    python = make_environment(folder / options.layout, options.layout, options.python)
    os.environ.update(environ := bare_environ(folder, python))
    for name in set(os.environ) - set(environ):
        del os.environ[name]
    before, after, failed = versions(python), {}, False
    if "kuzushiji" in before:
        sys.exit(f"{folder / options.layout} is not bare: a rehearsal was interrupted; remove the folder")
    notebooks = ROOT / "notebooks"
    for path in (*sorted(notebooks.glob("*.ipynb")), *sorted((notebooks / "solutions").glob("*.ipynb"))):
        if options.names and not path.name.startswith(tuple(options.names)):
            continue
        started = time.monotonic()
        error, said = rehearse(path, folder)
        seconds = time.monotonic() - started
        found = versions(python)
        changed = {name: found.get(name, "gone") for name in before if found.get(name) != before[name]}
        result = "failed" if error else f"changed {changed}" if changed else "ran, versions unchanged"
        print(f"{path.relative_to(notebooks).as_posix():44} {seconds:5.0f} s  {result}; {said}", flush=True)
        if error:
            print(error)
        failed, after = failed or bool(error or changed), after | found | changed
        if added := sorted(set(found) - set(before)):
            run(python, "-m", "pip", "uninstall", "--quiet", "--yes", *added)
    print_versions(before, after)
    sys.exit(int(failed))


if __name__ == "__main__":
    main()
