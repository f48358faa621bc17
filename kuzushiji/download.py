"""Downloading one official file with pooch: from the first good source, with a reason in words for every bad one."""

import os
import re
import threading
import time
from pathlib import Path

from . import registry
from .files import digest_of, looks_like_html, progress_bar, writing
from .paths import DataError, Unreachable

PROBE_SECONDS = 6  # all sources are asked at once; whoever has not answered by then counts as unreachable
TIMEOUT = (8, 20)  # seconds to connect, and to wait for the next bytes
CAUSES = {  # what the texts of errors hold, on Linux, macOS and Windows
    "ProxyError": "the proxy refused, or could not be reached",
    "Failed to resolve": "host name not found",
    "Connection refused": "connection refused",
    "actively refused": "connection refused",
    "reset by peer": "connection reset",
    "timed out": "timed out",
    "IncompleteRead": "connection closed before the end of the file",
    "CERTIFICATE": "certificate not accepted",
    "known hash": "a file came whose digest is not that of the official file",
}


def is_old_release(path, name):
    """Whether the file at `path` is the official file `name` of the release before 5 February 2019."""
    old = registry.OLD_RELEASE.get(name)
    return old is not None and digest_of(path, old.split(":")[0]) == old


def probe(addresses):
    """Ask all addresses at once, for PROBE_SECONDS at most: {address: why it failed, "" where it did not}.

    Threads that still wait by then are left behind.
    """
    import requests

    answers = {}

    def ask(address):
        try:
            with requests.get(address, stream=True, timeout=PROBE_SECONDS) as response:
                response.raise_for_status()
                answers[address] = ""
        except Exception as error:  # broken settings raise nearly everything, before requests can wrap it
            answers[address] = explain(error)

    threads = [threading.Thread(target=ask, args=(address,), daemon=True) for address in addresses]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + PROBE_SECONDS
    for thread in threads:
        thread.join(max(0, deadline - time.monotonic()))
    return {address: answers.get(address, f"no answer in {PROBE_SECONDS} s") for address in addresses}


def explain(error):
    """A network error in a few words: the innermost cause, without what requests wraps it in."""
    response = getattr(error, "response", None)
    if response is not None:
        return f"HTTP {response.status_code} {response.reason}"
    text = f"{type(error).__name__} {error}"
    causes = [words for sign, words in CAUSES.items() if sign.lower() in text.lower()]
    inner = re.split(r"object at 0x\w+>[:,]? ?|Caused by ", text)[-1].strip("()'\" ")
    return next(iter(causes), f"no usable answer ({inner})")


def fetch(dataset, name, folder, digest=None, check=lambda path: None):
    """Download the official file `name` of `dataset` into `folder` with pooch; returns its path.

    pooch holds it against `digest` ("sha256:..." or "md5:..."), and `check(path)` raises DataError for what is not the
    official file: only a verified file takes its name, and of any other nothing is left. Raises Unreachable with every
    source and its failure, DataError where `folder` cannot be written.
    """
    import pooch
    import requests

    def download(address, output, source):
        os.unlink(output)  # pooch has made it for its owner alone; now it is made as any other file
        with progress_bar(1, name, "B") as bar:  # pooch sets its total
            pooch.HTTPDownloader(progressbar=bar, chunk_size=1 << 16, timeout=TIMEOUT)(address, output, source)
        if looks_like_html(output):
            raise DataError(f"a web page came instead of {name}")
        if is_old_release(output, name):
            raise DataError(f"{name} is the OLD release (before 5 February 2019), whose images differ")
        check(output)

    folder, addresses = Path(folder).expanduser().absolute(), registry.urls(dataset, name)
    pooch.get_logger().setLevel("ERROR")
    failures = probe(addresses)
    for address in [address for address in addresses if not failures[address]]:
        source = pooch.create(folder, "", registry={name: digest}, urls={name: address}, retry_if_failed=1)
        with writing(folder / name):
            try:
                return Path(source.fetch(name, downloader=download))
            except DataError as error:
                failures[address] = str(error)
            except (ValueError, requests.RequestException) as error:
                failures[address] = explain(error)
    tried = "\n".join(f"  {address}: {failures[address]}" for address in addresses)
    raise Unreachable(
        f"{name} could not be had from any source:\n{tried}\nTry again later, or bring the files of this data set into "
        f"{folder}, or into a folder that KUZUSHIJI_DATA names (data/README.md lists them)."
    )
