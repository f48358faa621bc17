"""Restart and run all, in a real JupyterLab, as a reader does it: `make test-lab` (quick mode, some minutes)."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from playwright.sync_api import Error

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
START = 90  # seconds that the server may take to start, and a page to load

# JupyterLab's own objects are asked and commanded instead of its menus, which look different in every release.
RUN_ALL = """async (path) => {
  const app = window.jupyterapp;
  await app.restored;
  const panel = await app.commands.execute("docmanager:open", { path, factory: "Notebook" });
  await panel.context.ready;
  await panel.sessionContext.ready;
  await app.commands.execute("notebook:run-all-cells");
  const cells = [...panel.content.model.cells].filter((cell) => cell.type === "code");
  const found = cells.map((cell) => ({ count: cell.executionCount, outputs: cell.outputs.toJSON() }));
  await panel.sessionContext.shutdown();
  return found;
}"""


@pytest.fixture(scope="module")
def lab(browser, tmp_path_factory):
    """A page that shows a JupyterLab of this Python, with settings of its own and a copy of the notebooks."""
    folder = tmp_path_factory.mktemp("lab")
    (folder / "notebooks").mkdir()
    for path in NOTEBOOKS:
        (folder / "notebooks" / path.name).write_bytes(path.read_bytes())  # JupyterLab saves by itself
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    homes = {f"JUPYTER_{name}_DIR": str(folder / name) for name in ("CONFIG", "DATA", "RUNTIME")}
    homes |= {f"JUPYTERLAB_{name}_DIR": str(folder / name) for name in ("SETTINGS", "WORKSPACES")}
    command = [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--LabApp.expose_app_in_browser=True"),
        *(f"--ServerApp.port={address.rpartition(':')[2]}", f"--ServerApp.root_dir={folder / 'notebooks'}"),
        *("--ServerApp.ip=127.0.0.1", "--IdentityProvider.token=secret"),
    ]
    log = folder / "server.log"
    with log.open("wb") as output:
        environment = os.environ | homes | {"KUZUSHIJI_QUICK": "1", "IPYTHONDIR": str(folder / "ipython")}
        server = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
    try:
        page = browser.new_page()
        deadline = time.monotonic() + START
        while True:
            try:
                page.goto(f"{address}/lab?token=secret", timeout=START * 1000)
                break
            except Error:  # it does not listen yet
                assert server.poll() is None and time.monotonic() < deadline, log.read_text()[-3000:]
                time.sleep(0.2)
        page.set_default_timeout(0)
        page.wait_for_function("window.jupyterapp", timeout=START * 1000)
        yield page
        page.close()
    finally:
        server.terminate()
        server.wait()


@pytest.mark.lab
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_restart_and_run_all_in_jupyterlab(lab, path):
    cells = lab.evaluate(RUN_ALL, path.name)
    assert [number for number, cell in enumerate(cells, start=1) if cell["count"] is None] == []
    errors = [output for cell in cells for output in cell["outputs"] if output["output_type"] == "error"]
    assert [f"{error['ename']}: {error['evalue']}" for error in errors] == []
