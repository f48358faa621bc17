"""Files: the formats NPZ and IDX, digests, replacing one without ever spoiling it, and the bar that long work shows."""

import gzip
import hashlib
import os
import struct
import sys
import uuid
import zipfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from .paths import DataError

IDX_UINT8 = 0x08  # the type in the header of an IDX file
AGAIN = "delete it, and get or make it again"


@contextmanager
def writing(path):
    """Turn the errors of the system while `path` is written into a DataError that holds their text."""
    try:
        yield
    except OSError as error:
        advice = "free some space or choose a folder that can be written (KUZUSHIJI_CACHE names one for downloads)"
        raise DataError(f"could not write {path}: {error}; {advice}") from error


@contextmanager
def replacing(path):
    """Yield a temporary path beside `path`; rename it to `path` on success, remove it on any failure.

    So a good file stays until its replacement is complete. Raises DataError where the folder cannot be written or the
    disk is full.
    """
    path = Path(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex}.part")
        try:
            yield temporary
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def digest_of(path, kind):
    """The "md5", "sha256" or "blob" of a file (git's id: SHA-1 over a header and the bytes), with that word before."""
    digest = hashlib.sha1(b"blob %d\0" % os.stat(path).st_size) if kind == "blob" else hashlib.new(kind)
    with open(path, "rb") as file:
        return f"{kind}:{hashlib.file_digest(file, lambda: digest).hexdigest()}"


def looks_like_html(path):
    """Whether a file is a web page saved under another name, as failing servers like to send."""
    with open(path, "rb") as file:
        return file.read(512).lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml", b"<head"))


@contextmanager
def reading(path, what):
    """Turn whatever a file raises that cannot be read, or is no intact `what`, into a DataError."""
    try:
        if looks_like_html(path):
            raise DataError(f"{path} is a web page saved as data: {AGAIN}")
        yield
    except DataError:
        raise
    except Exception as error:  # a damaged byte makes zipfile, zlib and NumPy raise a dozen different kinds
        if isinstance(error, OSError) and error.filename:
            raise DataError(f"{path} cannot be read ({error.strerror}): correct that, or remove the file") from error
        raise DataError(f"{path} is truncated, damaged or not {what} ({error}): {AGAIN}") from error


def read_npz(path):
    """Read the array `arr_0` of an NPZ file, never unpickling. Raises DataError for any other or damaged file."""
    with reading(path, "an NPZ archive with an array arr_0"):
        if not zipfile.is_zipfile(path):  # NumPy would take it for a pickle, and say how to trust it
            raise ValueError("it is no whole ZIP archive")
        with np.load(path, allow_pickle=False) as archive:
            return np.ascontiguousarray(archive["arr_0"])


def read_idx(path):
    """Read an IDX file of unsigned bytes (gzipped or not), as LeCun defined it for MNIST. Raises DataError.

    Its big-endian header: two zero bytes, the type, the number of dimensions, and one uint32 for each dimension.
    """
    with reading(path, "an IDX file of unsigned bytes"):
        data = Path(path).read_bytes()
        data = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
        zeros, kind, dimensions = struct.unpack(">HBB", data[:4])
        if (zeros, kind) != (0, IDX_UINT8):
            raise ValueError(f"it starts with {data[:4].hex(' ')}, not with 00 00 08 and the number of dimensions")
        start = 4 + 4 * dimensions
        shape = struct.unpack(f">{dimensions}I", data[4:start])
        return np.frombuffer(data, np.uint8, offset=start).reshape(shape).copy()


def write_npz(path, array):
    """Write a uint8 array as a compressed NPZ with the official key `arr_0`, replacing `path` only when complete."""
    with replacing(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, arr_0=array)


def write_idx(path, array):
    """Write a uint8 array as IDX (gzipped where `path` ends in .gz), replacing `path` only when complete."""
    data = struct.pack(f">HBB{array.ndim}I", 0, IDX_UINT8, array.ndim, *array.shape) + array.tobytes()
    with replacing(path) as temporary:
        temporary.write_bytes(gzip.compress(data, mtime=0) if str(path).endswith(".gz") else data)


def progress_bar(total, description, unit="it"):
    """A tqdm bar of `total` units ("B": bytes) on stdout that clears itself; silent but in a terminal or a notebook."""
    from tqdm import tqdm

    shown = sys.stdout.isatty() or type(sys.stdout).__module__.startswith("ipykernel")
    options = {"unit": unit, "unit_scale": unit == "B", "leave": False, "ncols": 88}
    return tqdm(total=total, desc=description, file=sys.stdout, disable=not shown, **options)
