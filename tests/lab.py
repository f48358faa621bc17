"""A real JupyterLab in a headless Chromium, for tests of what a reader sees and does there.

with Lab(folder) as lab:
    errors = lab.run_all("notebooks/01_load_and_visualise.ipynb")
    lab.page                  # the page as Playwright knows it, to look and click further
"""

import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
START = 90  # seconds that the server may take to start, and a page to load

# JupyterLab's own objects are asked and commanded instead of its menus, which look different in every release.
RUN_ALL = """async (path) => {
  const app = window.jupyterapp;
  await app.restored;
  for (const open of [...app.shell.widgets("main")]) {
    await open.sessionContext?.shutdown();
    open.dispose();
  }
  const panel = await app.commands.execute("docmanager:open", { path, factory: "Notebook" });
  await panel.context.ready;
  await panel.sessionContext.ready;
  window.ran = null;
  app.commands.execute("notebook:run-all-cells").then(() => (window.ran = "all"), (error) => (window.ran = `${error}`));
}"""
CODE_CELLS = """() => {
  const cells = [...window.jupyterapp.shell.currentWidget.content.model.cells].filter((cell) => cell.type === "code");
  return cells.map((cell) => ({ count: cell.executionCount, outputs: cell.outputs.toJSON() }));
}"""


SET_THEME = """async (theme) => {
  await window.jupyterapp.commands.execute("apputils:change-theme", { theme });
}"""


class NoBrowser(Exception):
    """There is nothing to drive; the message says what is missing."""


class Lab:
    """A JupyterLab server of this Python, with settings of its own in `folder`, and a Chromium that shows it.

    Raises NoBrowser where there is none.
    """

    def __init__(self, folder):
        self.folder = Path(folder)
        self.server = self.playwright = None

    def __enter__(self):
        try:
            self.page = self._open_browser()
            self._start_server()
            self.page.goto(f"{self.address}/lab?token={self.token}", timeout=START * 1000)
            self.page.wait_for_function("window.jupyterapp", timeout=START * 1000)
            self.page.evaluate("() => window.jupyterapp.restored.then(() => null)")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.playwright:
            self.playwright.stop()
        if self.server:
            self.server.terminate()  # JupyterLab ends its kernels on this signal
            try:
                self.server.wait(20)
            except subprocess.TimeoutExpired:
                self.server.kill()

    def _open_browser(self):
        try:
            from playwright.sync_api import sync_playwright
        except ImportError:
            raise NoBrowser("the package playwright is not installed") from None
        self.playwright = sync_playwright().start()
        own = self.playwright.chromium.executable_path  # there after `playwright install chromium` alone
        path = own if os.path.exists(own) else next(filter(None, map(shutil.which, BROWSERS)), None)
        if path is None:
            raise NoBrowser(f"no browser is installed: neither Playwright's own nor {', '.join(BROWSERS)}")
        page = self.playwright.chromium.launch(executable_path=path).new_page(viewport={"width": 1100, "height": 900})
        self.page_errors = []
        page.on("pageerror", lambda error: self.page_errors.append(f"in the page: {error}"))
        return page

    def _start_server(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address, self.token = f"http://127.0.0.1:{port}", secrets.token_hex(16)
        self.documents = self.folder / "documents"
        self.documents.mkdir(parents=True)
        settings = self.folder / "settings" / "@jupyterlab" / "apputils-extension"
        settings.mkdir(parents=True)
        (settings / "notification.jupyterlab-settings").write_text('{"fetchNews": "false", "checkForUpdates": false}')
        environment = os.environ | {
            "JUPYTER_CONFIG_DIR": str(self.folder / "config"),
            "JUPYTER_DATA_DIR": str(self.folder / "data"),
            "JUPYTER_RUNTIME_DIR": str(self.folder / "runtime"),
            "JUPYTERLAB_SETTINGS_DIR": str(self.folder / "settings"),
            "JUPYTERLAB_WORKSPACES_DIR": str(self.folder / "workspaces"),
            "IPYTHONDIR": str(self.folder / "ipython"),
            "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
        }
        command = [
            *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1"),
            *(f"--ServerApp.port={port}", "--ServerApp.port_retries=0", f"--ServerApp.root_dir={self.documents}"),
            *(f"--IdentityProvider.token={self.token}", "--LabApp.expose_app_in_browser=True"),
        ]
        log = self.folder / "server.log"
        with log.open("wb") as output:
            self.server = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # no proxy for this machine itself
        deadline = time.monotonic() + START
        while True:
            try:
                return opener.open(f"{self.address}/api/status?token={self.token}", timeout=5).close()
            except OSError:
                if self.server.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"JupyterLab did not start:\n{log.read_text()[-3000:]}") from None
                time.sleep(0.2)

    def run_all(self, notebook, timeout=600):
        """Open a copy of a notebook in a fresh kernel, run all its cells and wait, at most `timeout` seconds.

        What was open before is closed, its kernel too.
        Returns what went wrong as a list of lines: cells that raised, cells that were not run, errors of the page.
        """
        copy = self.documents / f"{len(list(self.documents.iterdir()))}_{Path(notebook).name}"
        shutil.copyfile(notebook, copy)  # JupyterLab saves by itself
        self.page_errors.clear()
        self.page.evaluate(RUN_ALL, copy.name)
        self.page.wait_for_function("window.ran", timeout=timeout * 1000, polling=200)
        ran, errors = self.page.evaluate("window.ran"), []
        if ran != "all":
            errors.append(f"JupyterLab: {ran}")
        for number, cell in enumerate(self.page.evaluate(CODE_CELLS), start=1):
            raised = [output for output in cell["outputs"] if output["output_type"] == "error"]
            errors += [f"code cell {number}: {output['ename']}: {output['evalue']}" for output in raised]
            if cell["count"] is None:
                errors.append(f"code cell {number}: not run")
        return errors + self.page_errors

    def set_theme(self, theme):
        """Show JupyterLab in a theme, named as its menu has it: "JupyterLab Light" or "JupyterLab Dark"."""
        self.page.evaluate(SET_THEME, theme)
        self.page.wait_for_selector(f"body[data-jp-theme-name='{theme}']", state="attached", timeout=START * 1000)
