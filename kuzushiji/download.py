"""Fetching an official file: several sources, time-outs, retries, a progress bar, and nothing unverified kept."""

import hashlib
import threading
import time
from contextlib import suppress
from pathlib import Path

from .catalogue import OLD_RELEASE_BLOB, OLD_RELEASE_MD5, file_names, urls
from .errors import DataError, Unreachable
from .formats import looks_like_html, replacing
from .progress import progress_bar

PROBE_SECONDS = 8  # all sources are asked at once; whoever has not answered by then counts as unreachable
TIMEOUT = (8, 20)  # seconds to connect, and to wait for the next bytes
ATTEMPTS = 2  # for each source that answered
STALE_SECONDS = 24 * 3600  # an unfinished file of this age belongs to a download that was killed


def digests(path):
    """MD5, SHA-256 and git blob id (SHA-1 over a header and the bytes) of a file, as a dictionary of hex strings."""
    path = Path(path)
    sums = {
        "md5": hashlib.md5(),
        "sha256": hashlib.sha256(),
        "blob": hashlib.sha1(b"blob %d\0" % path.stat().st_size),
    }
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            for digest in sums.values():
                digest.update(block)
    return {name: digest.hexdigest() for name, digest in sums.items()}


def is_old_release(name, sums):
    """Whether the digests `sums` of a file called `name` are those of the release before 5 February 2019."""
    return OLD_RELEASE_MD5.get(name) == sums["md5"] or OLD_RELEASE_BLOB.get(name) == sums["blob"]


def verify_file(path, part):
    """Hold a file against the size and every digest known of the official `part`.

    Raises DataError that says what the file is instead: a web page, the old release, truncated, or altered.
    """
    if looks_like_html(path):
        raise DataError(f"a web page came instead of {part.name}")
    sums = digests(path)
    if is_old_release(part.name, sums):
        raise DataError(f"{part.name} is the OLD release (before 5 February 2019), whose images differ")
    size = Path(path).stat().st_size
    if size != part.size:
        raise DataError(f"{part.name} has {size:,} bytes, expected {part.size:,}")
    for kind in ("sha256", "md5", "blob"):
        expected = getattr(part, kind)
        if expected and sums[kind] != expected:
            raise DataError(f"{part.name} has the right size but {kind} {sums[kind]}, expected {expected}")


def probe(addresses):
    """Ask all addresses at once for their first bytes.

    Returns those that answered with success, in the given order, and a dictionary of the failures of the others.
    Takes at most PROBE_SECONDS, whatever the network does: the threads that still wait are left behind.
    """
    import requests

    answers = {}

    def ask(address):
        try:
            with requests.get(address, stream=True, timeout=PROBE_SECONDS) as response:
                response.raise_for_status()
                answers[address] = None
        except requests.RequestException as error:
            answers[address] = explain(error)

    threads = [threading.Thread(target=ask, args=(address,), daemon=True) for address in addresses]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + PROBE_SECONDS
    for thread in threads:
        thread.join(max(0, deadline - time.monotonic()))
    answers = dict(answers)
    failures = {a: answers.get(a, f"no answer in {PROBE_SECONDS} s") for a in addresses}
    return [a for a in addresses if failures[a] is None], {a: f for a, f in failures.items() if f is not None}


def explain(error):
    """A network error in a few words: the innermost cause, without the object addresses that requests prints."""
    response = getattr(error, "response", None)
    if response is not None:
        return f"HTTP {response.status_code} {response.reason}"
    text = f"{type(error).__name__} {error}"
    for sign, words in (
        ("Name or service not known", "host name not found"),
        ("Failed to resolve", "host name not found"),
        ("Connection refused", "connection refused"),
        ("timed out", "timed out"),
        ("IncompleteRead", "connection closed before the end of the file"),
        ("CERTIFICATE", "certificate not accepted"),
        ("ProxyError", "the proxy refused"),
        ("Network is unreachable", "network unreachable"),
    ):
        if sign.lower() in text.lower():
            return words
    return type(error).__name__


def fetch(dataset, name, folder, verify):
    """Download the official file `name` of `dataset` into `folder` and return its path.

    `verify(path)` must raise DataError for a file that is not the official one; only a verified file takes its name,
    so a killed or failed download leaves nothing that could pass for good, and two processes do each other no harm.
    Raises Unreachable with every source and its failure, and DataError where `folder` cannot be written.
    """
    import requests

    path = Path(folder) / name
    remove_stale(path)
    answering, failures = probe(urls(dataset, name))
    for address in answering:
        for _ in range(ATTEMPTS):
            try:
                with replacing(path) as temporary:
                    receive(address, temporary, name)
                    verify_download(verify, temporary)
                return path
            except requests.RequestException as error:
                failures[address] = explain(error)
            except WrongContent as error:
                failures[address] = str(error)
                break
    raise Unreachable(
        f"{name} could not be had from any source:\n"
        + "\n".join(f"  {address}: {failure}" for address, failure in failures.items())
        + f"\nTry again later, or bring the files of this data set ({', '.join(file_names(dataset))}): into "
        f"data/{dataset}/ of the series, or into a folder that KUZUSHIJI_DATA names (see data/README.md)."
    )


def receive(address, path, name):
    """Write what an address sends to `path`, with a progress bar; raises RequestException where it stops too early."""
    import requests

    with requests.get(address, stream=True, timeout=TIMEOUT) as response, open(path, "wb") as file:
        response.raise_for_status()
        length = response.headers.get("Content-Length", "")
        with progress_bar(int(length) if length.isdecimal() else None, name, "B") as bar:
            for block in response.iter_content(1 << 16):
                file.write(block)
                bar.update(len(block))


class WrongContent(Exception):
    """What came is not the official file; another try at the same address would bring the same."""


def verify_download(verify, path):
    """Run `verify` on a finished download, marking its DataError as the source's fault rather than the disk's."""
    try:
        verify(path)
    except DataError as error:
        raise WrongContent(str(error)) from error


def remove_stale(path):
    """Remove what a killed download of `path` left behind a day ago or more; a younger one may still be running."""
    for leftover in path.parent.glob(path.name + ".*.part"):
        with suppress(OSError):  # another process may have been faster, or the folder be read-only
            if time.time() - leftover.stat().st_mtime > STALE_SECONDS:
                leftover.unlink()
