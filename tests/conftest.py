"""What the tests share: small releases in the official format, a local server that misbehaves, the real data."""

import dataclasses
import hashlib
import os
import re
import shutil
import socket
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from kuzushiji import datasets, files, paths, registry

CHECKOUT = Path(__file__).parent.parent
SMALL = {"train": 300, "test": 20}  # images of a small release; 300 make a file of several network blocks
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def pytest_addoption(parser):
    parser.addoption("--browser", choices=("auto", "required", "none"), default="auto", help="for tests in a Chromium")


def pytest_configure():
    os.environ.pop("KUZUSHIJI_QUICK", None)


@pytest.fixture(scope="session")
def kmnist():
    """The real KMNIST as {split: (images, labels)}; the test is skipped where it is not on this machine."""
    found = {key: datasets.find_part(part) for key, part in registry.PARTS["kmnist"].items()}
    if None in found.values():
        pytest.skip("needs the real KMNIST: name its folder in KUZUSHIJI_DATA")
    return {split: tuple(found[split, kind][1] for kind in ("images", "labels")) for split in datasets.SPLITS}


@pytest.fixture(scope="module")
def browser(request):
    """A headless Chromium as Playwright knows it: its own, or an installed one; else the tests are skipped.

    One for a module and not for all: while Playwright is there, no other test could start an event loop.
    """
    from playwright.sync_api import sync_playwright

    wanted = request.config.getoption("--browser")
    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path  # there after `playwright install chromium` alone
        path = own if os.path.exists(own) else next(filter(None, map(shutil.which, BROWSERS)), None)
        if path is None and wanted == "required":
            pytest.fail(f"no browser is installed: neither Playwright's own nor {', '.join(BROWSERS)}")
        if path is None or wanted == "none":
            pytest.skip("needs a Chromium or Chrome: .venv/bin/python -m playwright install chromium")
        with playwright.chromium.launch(executable_path=path) as browser:
            yield browser


@pytest.fixture
def isolated(monkeypatch, tmp_path):
    """A checkout of its own with nothing downloaded, no KUZUSHIJI_DATA, no proxy, and no source that answers."""
    checkout = tmp_path / "checkout"
    (checkout / "data").mkdir(parents=True)
    (checkout / "pyproject.toml").touch()
    for path in (CHECKOUT / "data").glob("*.*"):
        (checkout / "data" / path.name).symlink_to(path)
    monkeypatch.setattr(paths, "CHECKOUT", checkout)
    for name in list(os.environ):
        if re.fullmatch(r"kuzushiji_(data|cache)|(https?|all|no)_proxy|(requests|curl)_ca_bundle", name.lower()):
            monkeypatch.delenv(name)
    forget()
    with socket.socket() as refusing:  # bound, never listening: every connection is refused
        refusing.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{refusing.getsockname()[1]}/{{dataset}}/{{name}}"
        for dataset in registry.SOURCES:
            monkeypatch.setitem(registry.SOURCES, dataset, (dead,))
        yield checkout
    forget()


def forget():
    """Forget what a process decides once."""
    datasets._loaded.clear()
    datasets._said.clear()


def noise(n, classes, random):
    return random.integers(1, 256, (n, 28, 28)), np.arange(n) % classes


class Release:
    """A small release that the registry is made to hold for the official one; `folder` has its four NPZ files.

    `make` makes the images and labels of a split, from their number, the number of classes and a numpy Generator.
    """

    def __init__(self, dataset, folder, monkeypatch, classes, sizes=SMALL, make=noise):
        self.dataset, self.folder, self.arrays, self.parts = dataset, folder, {}, {}
        random = np.random.default_rng(classes)
        for split, n in sizes.items():
            made = zip(("images", "labels"), make(n, classes, random), strict=True)
            self.arrays |= {(split, kind): array.astype(np.uint8) for kind, array in made}
        for key, official in registry.PARTS[dataset].items():
            path, array = folder / official.name, self.arrays[key]
            files.write_npz(path, array)
            known = {"shape": array.shape, "digest": files.digest_of(path, official.digest.split(":")[0])}
            if official.content:  # the same fields known as of the official file
                known["content"] = hashlib.sha256(array).hexdigest()
            self.parts[key] = dataclasses.replace(official, **known)
        monkeypatch.setitem(registry.PARTS, dataset, self.parts)
        monkeypatch.setattr(registry, "OLD_RELEASE_BLACK_IMAGE", 3)

    def copy(self, folder):
        """The four files again, in `folder`."""
        return Path(shutil.copytree(self.folder, folder, dirs_exist_ok=True))


@pytest.fixture
def small(isolated, monkeypatch, tmp_path):
    return Release("kmnist", tmp_path / "official", monkeypatch, classes=10)


@pytest.fixture
def named(small, monkeypatch, tmp_path):
    """A folder that holds the small release, below the one that KUZUSHIJI_DATA names."""
    monkeypatch.setenv("KUZUSHIJI_DATA", str(tmp_path / "named"))
    return small.copy(tmp_path / "named" / "some" / "where")


def contents(folder):
    """Every file below a folder, unfinished ones too, as {relative path: bytes}."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


def flip(content, position):
    """`content` with one bit of one byte changed."""
    return content[:position] + bytes([content[position] ^ 4]) + content[position + 1 :]


ANSWERS = {  # to a request for some bytes: what is sent, and the length that is announced
    "good": lambda body: (body, len(body)),
    "cut": lambda body: (body[: len(body) // 2], len(body)),
    "cut_without_length": lambda body: (body[: len(body) // 2], None),
    "flipped_byte": lambda body: (flip(body, len(body) // 2), len(body)),
    "web_page": lambda body: (b"<!DOCTYPE html><title>Log in to this network</title>", None),
}


class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        server, (_, behaviour, name) = self.server, self.path.split("/")
        server.requests.append(behaviour)
        late = behaviour == "fails_after_the_probe" and server.requests.count(behaviour) > 1
        sent, length = ANSWERS.get(behaviour, ANSWERS["cut"])(server.files[name])
        with suppress(OSError):  # the client has hung up
            if behaviour == "drips":
                self.wfile.write(b"HTTP/1.0 200 OK\r\nX-Drip: ")
                while not server.released.wait(0.1):
                    self.wfile.write(b".")
            self.send_response(404 if late or behaviour == "status_404" else 200)
            if length is not None:
                self.send_header("Content-Length", length)
            self.end_headers()
            self.wfile.write(sent)
            server.released.wait(60 if behaviour == "stalls" else 0)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    """A server on this machine. /BEHAVIOUR/NAME serves the bytes `files[NAME]` in the way that BEHAVIOUR says."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.files, self.requests, self.released = {}, [], threading.Event()

    def be(self, dataset, *behaviours):
        """Be all the sources of a data set, until `isolated` brings back the real ones."""
        address = f"http://127.0.0.1:{self.server_port}"
        registry.SOURCES[dataset] = tuple(f"{address}/{behaviour}/{{name}}" for behaviour in behaviours)


@pytest.fixture
def server(isolated):
    with Server() as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server
        server.released.set()
        server.shutdown()
