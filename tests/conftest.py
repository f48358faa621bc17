"""What the tests share: small releases in the official format, a local server that misbehaves, the real data."""

import dataclasses
import hashlib
import os
import shutil
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from kuzushiji import datasets, files, paths, registry

CHECKOUT = Path(__file__).parent.parent
if os.environ.get("KUZUSHIJI_LAB") != "1":  # `make test-lab` alone runs in the mode of the shell
    os.environ.pop("KUZUSHIJI_QUICK", None)
SMALL = {"train": 300, "test": 20}  # images of a small release; 300 make a file of several network blocks


@pytest.fixture(scope="session")
def kmnist():
    """The real KMNIST as {split: (images, labels)}; the test is skipped where it is not on this machine."""
    if any(datasets.find_part(part) is None for part in registry.PARTS["kmnist"].values()):
        pytest.skip("needs the real KMNIST: name its folder in KUZUSHIJI_DATA")
    return {split: datasets.whole("kmnist", split, None) for split in datasets.SPLITS}


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A JupyterLab in a headless browser (tests/lab.py); skipped where there is no browser.

    One for a module and not for all: while Playwright is there, no other test could start an event loop.
    """
    from lab import Lab, NoBrowser

    try:
        with Lab(tmp_path_factory.mktemp("lab")) as lab:
            yield lab
    except NoBrowser as missing:
        if os.environ.get("KUZUSHIJI_BROWSER") == "required":  # in CI, which installs one
            raise
        pytest.skip(f"needs a browser for JupyterLab: {missing}")


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
        if name.lower() in (
            "kuzushiji_data",
            "kuzushiji_cache",
            "http_proxy",
            "https_proxy",
            "all_proxy",
            "requests_ca_bundle",
            "curl_ca_bundle",
        ):
            monkeypatch.delenv(name)
    forget()
    with socket.socket() as refusing:  # bound, never listening: every connection is refused
        refusing.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{refusing.getsockname()[1]}/{{dataset}}/{{name}}"
        for dataset in registry.SOURCES:
            monkeypatch.setitem(registry.SOURCES, dataset, (dead,))
        yield checkout
    forget()


@pytest.fixture
def close_folder(monkeypatch):
    """A function after which a folder may not be read; chmod would not keep root out."""

    def close(folder):
        scandir = os.scandir

        def refusing(path):
            if str(path) == str(folder):
                raise PermissionError(13, "Permission denied", str(path))
            return scandir(path)

        monkeypatch.setattr(os, "scandir", refusing)

    return close


def forget():
    """Forget what a process decides once."""
    datasets._loaded.clear()
    datasets._said.clear()


def fitting_part(official, path, array):
    """The entry of the registry that a small file would have: the same fields known as of the official file."""
    digest = files.digest_of(path, official.digest.split(":")[0])
    content = hashlib.sha256(array).hexdigest() if official.content else ""
    return dataclasses.replace(official, shape=array.shape, digest=digest, content=content)


def noise(n, classes, random):
    """`n` images of noise, and labels that come in turn."""
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
            files.write_npz(folder / official.name, self.arrays[key])
            self.parts[key] = fitting_part(official, folder / official.name, self.arrays[key])
        monkeypatch.setitem(registry.PARTS, dataset, self.parts)
        monkeypatch.setattr(registry, "OLD_RELEASE_BLACK_IMAGE", 3)

    def copy(self, folder):
        """The four files again, in `folder`."""
        return Path(shutil.copytree(self.folder, folder, dirs_exist_ok=True))

    def run(self, code):
        """Start `code` in another process whose registry, sources and checkout are those of this test."""
        prelude = (
            "import sys; from pathlib import Path; from kuzushiji import datasets, download, paths, registry\n"
            "from kuzushiji.registry import Part\n"
            f"registry.PARTS[{self.dataset!r}] = {self.parts!r}\n"
            f"registry.OLD_RELEASE_BLACK_IMAGE = {registry.OLD_RELEASE_BLACK_IMAGE}\n"
            f"registry.SOURCES = {registry.SOURCES!r}\n"
            f"paths.CHECKOUT = Path({str(paths.CHECKOUT)!r})\n"
        )
        return subprocess.Popen(
            [sys.executable, "-c", prelude + code],
            cwd=CHECKOUT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


@pytest.fixture
def small(isolated, monkeypatch, tmp_path):
    return Release("kmnist", tmp_path / "official", monkeypatch, classes=10)


@pytest.fixture
def small_k49(isolated, monkeypatch, tmp_path):
    return Release("k49", tmp_path / "official_k49", monkeypatch, classes=49)


def contents(folder):
    """Every file below a folder, unfinished ones too, as {relative path: bytes}."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


class Server:
    """A server on this machine. /BEHAVIOUR/NAME serves the bytes `files[NAME]` in the way that BEHAVIOUR says."""

    def __init__(self):
        self.files, self.requests, self.ranges, self.released = {}, [], [], threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                _, behaviour, name = self.path.split("/")
                server.requests.append(behaviour)
                server.ranges.append(self.headers.get("Range"))
                with suppress(OSError):  # the client has hung up
                    getattr(server, behaviour)(self, server.files[name])

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True).start()

    def source(self, behaviour):
        return f"http://127.0.0.1:{self.http.server_port}/{behaviour}/{{name}}"

    def close(self):
        self.released.set()
        self.http.shutdown()
        self.http.server_close()

    def answer(self, handler, body, length=None, status=200, pause=0):
        handler.send_response(status)
        if length is not None:
            handler.send_header("Content-Length", length)
        handler.end_headers()
        half = len(body) // 2 if pause else len(body)
        handler.wfile.write(body[:half])
        if pause:
            self.released.wait(pause)
            handler.wfile.write(body[half:])

    def good(self, handler, body):
        self.answer(handler, body, len(body))

    def good_without_length(self, handler, body):
        self.answer(handler, body)

    def good_with_nonsense_as_length(self, handler, body):
        self.answer(handler, body, "banana")

    def resumable(self, handler, body):
        """Sends what the Range asks for, and no more than the first half where there is none."""
        wanted = handler.headers.get("Range")
        if wanted is None:
            return self.cut(handler, body)
        start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        if start >= len(body):
            return self.answer(handler, b"", 0, status=416)
        handler.send_response(206)
        handler.send_header("Content-Length", len(body) - start)
        handler.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        handler.end_headers()
        handler.wfile.write(body[start:])

    def resumes_or_sends_all(self, handler, body):
        self.resumable(handler, body) if handler.headers.get("Range") else self.good(handler, body)

    def redirects_nowhere(self, handler, body):
        handler.send_response(302)
        handler.send_header("Location", "http://[nowhere/")
        handler.end_headers()

    def slow(self, handler, body):
        self.answer(handler, body, len(body), pause=0.3)

    def stalls(self, handler, body):
        self.answer(handler, body, len(body), pause=60)

    def silent(self, handler, body):
        self.released.wait(60)

    def drips(self, handler, body):
        handler.wfile.write(b"HTTP/1.0 200 OK\r\nX-Drip: ")
        while not self.released.wait(0.1):
            handler.wfile.write(b".")

    def fails_after_the_probe(self, handler, body):
        self.answer(handler, body, len(body), status=200 if self.requests.count("fails_after_the_probe") == 1 else 503)

    def cut(self, handler, body):
        self.answer(handler, body[: len(body) // 2], len(body))

    def cut_without_length(self, handler, body):
        self.answer(handler, body[: len(body) // 2])

    def claims_too_much(self, handler, body):
        self.answer(handler, body, 2 * len(body))

    def claims_too_little(self, handler, body):
        self.answer(handler, body, len(body) - 1)

    def empty(self, handler, body):
        self.answer(handler, b"", 0)

    def flipped_byte(self, handler, body):
        self.answer(handler, flip(body, len(body) // 2), len(body))

    def web_page(self, handler, body):
        self.answer(handler, b"<!DOCTYPE html><title>Log in to this network</title>")

    def status_404(self, handler, body):
        self.answer(handler, b"<html>no</html>", status=404)

    def status_500(self, handler, body):
        self.answer(handler, b"", status=500)

    def status_503(self, handler, body):
        self.answer(handler, b"", status=503)


def flip(content, position):
    """`content` with one bit of one byte changed."""
    return content[:position] + bytes([content[position] ^ 4]) + content[position + 1 :]


@pytest.fixture
def server(isolated):
    server = Server()
    yield server
    server.close()
