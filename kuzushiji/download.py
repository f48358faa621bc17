"""Downloading one official file with pooch: several sources, a file that goes on where it stopped, reasons in words."""

import os
import re
import threading
import time
import uuid
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from . import registry
from .files import digest_of, looks_like_html, progress_bar, writing
from .paths import DataError, Unreachable

PROBE_SECONDS = 6  # all sources are asked at once; whoever has not answered by then counts as unreachable
TIMEOUT = (8, 20)  # seconds to connect, and to wait for the next bytes
PROCESS = uuid.uuid4().hex[:8]  # a process's number is not its own where two machines share a folder
IDLE_SECONDS = 60  # an unfinished download without a new byte for so long belongs to nobody
CAUSES = {  # what the texts of errors hold, on Linux, macOS and Windows
    "ProxyError": "the proxy refused, or could not be reached",
    "Name or service not known": "host name not found",
    "getaddrinfo failed": "host name not found",
    "Failed to resolve": "host name not found",
    "Connection refused": "connection refused",
    "actively refused": "connection refused",
    "reset by peer": "connection reset",
    "No route to host": "no route to the host",
    "timed out": "timed out",
    "IncompleteRead": "connection closed before the end of the file",
    "CERTIFICATE": "certificate not accepted",
    "Network is unreachable": "network unreachable",
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
            answers[address] = explain(error, address)

    threads = [threading.Thread(target=ask, args=(address,), daemon=True) for address in addresses]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + PROBE_SECONDS
    for thread in threads:
        thread.join(max(0, deadline - time.monotonic()))
    return {address: answers.get(address, f"no answer in {PROBE_SECONDS} s") for address in addresses}


def setting_at_fault(address, text):
    """The setting of this machine that kept a request from being sent, and what to do; "" where none did."""
    import requests

    bundle = next((name for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE") if os.environ.get(name)), None)
    if bundle and ("TLS CA certificate bundle" in text or "NO_CERTIFICATE" in text):
        return f"{bundle} names a file of certificates that cannot be used: correct it, or unset it"
    proxy = requests.utils.select_proxy(address, requests.utils.get_environ_proxies(address)) or ""
    names = [name for name, value in os.environ.items() if name.lower().endswith("_proxy") and value == proxy]
    name = names[0] if names else "the system's proxy setting"
    if "dependencies for SOCKS" in text:
        return f"{name} names a SOCKS proxy, for which the package PySocks is missing: install it, or unset {name}"
    if "ProxyError" in text:
        return f"the proxy that {name} names refused, or could not be reached: correct it, or unset it"
    with suppress(ValueError):  # what cannot be taken apart
        url = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        known = url.scheme in ("http", "https", "socks4", "socks4a", "socks5", "socks5h") and url.port != 0
        if not proxy or known and re.fullmatch(r"[\w.:%-]+", url.hostname or ""):
            return ""
    return f"{name} names a proxy whose address cannot be used: correct it, or unset it"


def explain(error, address):
    """A network error in a few words: a setting at fault, or the innermost cause without what requests wraps it in."""
    response = getattr(error, "response", None)
    if response is not None:
        return f"HTTP {response.status_code} {response.reason}"
    text = f"{type(error).__name__} {error}"
    causes = [words for sign, words in CAUSES.items() if sign.lower() in text.lower()]
    inner = re.split(r"object at 0x\w+>[:,]? ?|Caused by ", text)[-1].strip("()'\" ")
    return setting_at_fault(address, text) or next(iter(causes), f"no usable answer ({inner})")


class WrongFile(ValueError):
    """What came is not the official file. pooch tries once more, from the beginning: a leftover may have been wrong."""


def receive(address, name, partial):
    """Download `name` to the path `partial`, from where an unfinished download ended if the server allows it."""
    import requests

    adopt(name, partial)
    with suppress(OSError):  # no other process may take it while this one waits for the first bytes
        os.utime(partial)
    start = partial.stat().st_size if partial.exists() else 0
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    with requests.get(address, stream=True, timeout=TIMEOUT, headers=headers) as response:
        if start and response.status_code == 416:  # nothing is missing
            return
        response.raise_for_status()
        if not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            start = 0  # the whole file comes
        length = response.headers.get("Content-Length", "")
        total = start + int(length) if length.isdecimal() else None
        with open(partial, "r+b" if start else "wb") as file, progress_bar(total, name, "B") as bar:
            file.seek(start)
            bar.update(start)
            for block in response.iter_content(1 << 16):
                file.write(block)
                bar.update(len(block))


def adopt(name, partial):
    """Take over the largest unfinished download of `name` that no process writes any more; the others are removed."""
    with suppress(OSError):  # another process may have been faster
        left = [path for path in partial.parent.glob(f"{name}.*.partial") if path != partial]
        left = [path for path in left if time.time() - path.stat().st_mtime > IDLE_SECONDS]
        for leftover in sorted(left, key=lambda path: path.stat().st_size):
            os.utime(leftover)  # before another process sees it
            if partial.exists() and partial.stat().st_size >= leftover.stat().st_size:
                leftover.unlink()
            else:
                os.replace(leftover, partial)


def fetch(dataset, name, folder, digest=None, check=lambda path: None):
    """Download the official file `name` of `dataset` into `folder` with pooch; returns its path.

    pooch holds it against `digest` ("sha256:..." or "md5:..."), and `check(path)` raises DataError for what is not the
    official file: only a verified file takes its name. Raises Unreachable with every source and its failure, DataError
    where `folder` cannot be written. Bytes gather in NAME.PROCESS.partial, which only this process writes.
    """
    import pooch
    import requests

    folder, addresses = Path(folder).expanduser().absolute(), registry.urls(dataset, name)
    partial = folder / f"{name}.{PROCESS}.partial"

    def download(address, output, _):
        try:
            receive(address, name, partial)
        except BaseException:
            with suppress(OSError):  # what is left, the next process may take over at once
                os.utime(partial, (0, 0))
            raise
        try:
            if looks_like_html(partial):
                raise WrongFile(f"a web page came instead of {name}")
            if is_old_release(partial, name):
                raise WrongFile(f"{name} is the OLD release (before 5 February 2019), whose images differ")
            check(partial)
        except (WrongFile, DataError) as error:
            partial.unlink()
            raise WrongFile(str(error)) from error
        os.replace(partial, output)

    pooch.get_logger().setLevel("ERROR")
    failures = probe(addresses)
    for address in [address for address in addresses if not failures[address]]:
        source = pooch.create(folder, "", registry={name: digest}, urls={name: address}, retry_if_failed=1)
        with writing(folder / name):
            folder.mkdir(parents=True, exist_ok=True)
            try:
                return Path(source.fetch(name, downloader=download))
            except requests.RequestException as error:
                failures[address] = explain(error, address)
            except WrongFile as error:
                failures[address] = str(error)
            except ValueError as error:
                other = f"a file came whose digest is not that of {name}"
                failures[address] = other if "known hash" in str(error) else explain(error, address)
    tried = "\n".join(f"  {address}: {failures[address]}" for address in addresses)
    unreachable = Unreachable(
        f"{name} could not be had from any source:\n{tried}\nTry again later, or bring the files of this data set into "
        f"{folder}, or into a folder that KUZUSHIJI_DATA names (data/README.md lists them)."
    )
    unreachable.setting = next((reason for reason in failures.values() if "unset" in reason), "")
    raise unreachable
