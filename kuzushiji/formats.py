"""Reading and writing the two formats of the data sets, NPZ and IDX, and replacing files without ever spoiling one."""

import errno
import gzip
import math
import os
import struct
import tempfile
import zlib
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from .errors import DataError

IDX_UINT8 = 0x08
CANNOT_WRITE = {
    errno.EACCES, errno.EDQUOT, errno.EEXIST, errno.EFBIG, errno.EISDIR, errno.ENOENT, errno.ENOSPC, errno.ENOTDIR,
    errno.EPERM, errno.EROFS,
}  # fmt: skip


@contextmanager
def replacing(path):
    """Yield a temporary path beside `path`; rename it to `path` on success, remove it on any failure.

    Raises DataError where the folder cannot be written or the disk is full. A good file at `path` stays untouched
    until its replacement is complete.
    """
    path = Path(path)
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=path.name + ".", suffix=".part", dir=path.parent)
        os.close(handle)
        yield Path(temporary)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError as error:
        if error.errno not in CANNOT_WRITE:
            raise
        raise DataError(
            f"could not write {path}: {error.strerror or error}; free some space or choose a folder that can be written"
        ) from error
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


def looks_like_html(path):
    """Whether a file is a web page saved under another name, as failing servers like to send."""
    with open(path, "rb") as file:
        start = file.read(512).lstrip().lower()
    return start.startswith((b"<!doctype", b"<html", b"<?xml", b"<head"))


def read_npz(path):
    """Read the array `arr_0` of an NPZ file, never unpickling.

    Raises DataError that names the file and what is wrong with it: a web page, a truncated or damaged archive,
    a pickled object array, another archive.
    """
    if looks_like_html(path):
        raise DataError(f"{path} is a web page saved as NPZ, not data: delete it and fetch the file again")
    with open(path, "rb") as file:
        start = file.read(4)
    if start != b"PK\x03\x04":  # NumPy would take it for a pickle
        raise DataError(
            f"{path} starts with the bytes {start.hex(' ') or '(none)'}; an NPZ archive starts with 50 4b 03 04: "
            "delete it and fetch the file again"
        )
    try:
        with np.load(path, allow_pickle=False) as archive:
            array = archive["arr_0"]
    except KeyError:
        array = None
    except Exception as error:  # a damaged byte makes zipfile and NumPy raise a dozen different kinds
        if "Object arrays cannot be loaded" in str(error):
            raise DataError(
                f"{path} holds pickled Python objects, which could run code and are never read; "
                "the official files hold plain uint8 arrays: delete it and fetch the file again"
            ) from error
        raise DataError(f"{path} is truncated or damaged ({error}): delete it and fetch the file again") from error
    if not isinstance(array, np.ndarray):
        raise DataError(f"{path} holds no array named arr_0: it is not one of the official NPZ files")
    return np.ascontiguousarray(array)


def read_idx(path):
    """Read an IDX file of unsigned bytes (gzipped or not), as LeCun defined it for MNIST.

    The header is big-endian: two zero bytes, the type (0x08 is uint8), the number of dimensions, then one uint32
    for each dimension. Raises DataError for a wrong magic number or a length that disagrees with the header.
    """
    if looks_like_html(path):
        raise DataError(f"{path} is a web page saved as IDX, not data: delete it and fetch the file again")
    with open(path, "rb") as file:
        data = file.read()
    if data[:2] == b"\x1f\x8b":
        try:
            data = gzip.decompress(data)
        except (EOFError, OSError, zlib.error) as error:
            raise DataError(f"{path} is truncated or damaged ({error}): delete it and fetch the file again") from error
    if len(data) < 4 or data[:3] != bytes([0, 0, IDX_UINT8]) or data[3] not in (1, 3):
        raise DataError(
            f"{path} starts with the bytes {data[:4].hex(' ') or '(none)'}; an IDX file of images starts with "
            "00 00 08 03, one of labels with 00 00 08 01: it is another kind of file, or damaged"
        )
    dimensions = data[3]
    start = 4 + 4 * dimensions
    if len(data) < start:
        raise DataError(f"{path} ends within its header of {start} bytes: delete it and fetch the file again")
    shape = struct.unpack(f">{dimensions}I", data[4:start])
    if len(data) - start != math.prod(shape):
        raise DataError(
            f"{path} holds {len(data) - start:,} bytes after its header, expected {math.prod(shape):,} for the shape "
            f"{list(shape)} that the header gives: delete it and fetch the file again"
        )
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape).copy()


def write_npz(path, array):
    """Write a uint8 array as a compressed NPZ with the official key `arr_0`, replacing `path` only when complete."""
    with replacing(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, arr_0=array)


def write_idx(path, array):
    """Write a uint8 array as IDX (gzipped where `path` ends in .gz), replacing `path` only when complete."""
    data = struct.pack(f">HBB{array.ndim}I", 0, IDX_UINT8, array.ndim, *array.shape) + array.tobytes()
    if str(path).endswith(".gz"):
        data = gzip.compress(data, mtime=0)
    with replacing(path) as temporary:
        temporary.write_bytes(data)
