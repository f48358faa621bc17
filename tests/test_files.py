"""NPZ and IDX: what is written reads back, what is damaged is named, and no file is ever half replaced."""

import gzip
import io
import os
import pickle
import re
import struct
import zipfile

import numpy as np
import pytest
from conftest import contents, flip

from kuzushiji import DataError, files

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 28, 28)).astype(np.uint8)
LABELS = np.array([3, 1, 4], np.uint8)
WRITE = {"a.npz": files.write_npz, "a": files.write_idx, "a.gz": files.write_idx}
READ = {"a.npz": files.read_npz, "a": files.read_idx, "a.gz": files.read_idx}


@pytest.mark.parametrize("array", [IMAGES, LABELS, np.asfortranarray(IMAGES)], ids=["images", "labels", "Fortran"])
@pytest.mark.parametrize("name", WRITE)
def test_what_is_written_reads_back(tmp_path, name, array):
    WRITE[name](tmp_path / name, array)
    back = READ[name](tmp_path / name)
    assert back.dtype == np.uint8 and np.array_equal(back, array) and back.flags.c_contiguous and back.flags.writeable


def test_idx_is_laid_out_as_lecun_defined_it_and_carries_no_time(tmp_path):
    files.write_idx(tmp_path / "a", IMAGES)
    assert (tmp_path / "a").read_bytes() == bytes.fromhex("00000803 00000003 0000001c 0000001c") + IMAGES.tobytes()
    files.write_idx(tmp_path / "a.gz", LABELS)
    zipped = (tmp_path / "a.gz").read_bytes()
    assert gzip.decompress(zipped) == bytes.fromhex("00000801 00000003 030104") and zipped[4:8] == bytes(4)


def npz(**arrays):
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def huge():
    """An NPZ whose header names more bytes than any memory has."""
    with zipfile.ZipFile(file := io.BytesIO(), "w") as archive, archive.open("arr_0.npy", "w") as entry:
        np.lib.format.write_array_header_1_0(entry, {"descr": "|u1", "fortran_order": False, "shape": (1 << 50,)})
    return file.getvalue()


def idx(dimensions, body, type_code=8):
    return struct.pack(f">HBB{len(dimensions)}I", 0, type_code, len(dimensions), *dimensions) + body


class Trap:
    """Unpickling this makes a folder called `sprung`."""

    def __reduce__(self):
        return os.mkdir, ("sprung",)


BAD = {
    "web page": ("a.npz", b"\n<!DOCTYPE html><html><title>504 Gateway Time-out</title></html>", "web page"),
    "empty": ("a.npz", b"", "not an NPZ"),
    "truncated": ("a.npz", npz(arr_0=IMAGES)[:-400], "truncated"),
    "flipped byte": ("a.npz", flip(npz(arr_0=IMAGES), 1000), "truncated, damaged"),
    "other key": ("a.npz", npz(images=IMAGES), "not an NPZ archive with an array arr_0"),
    "object array": ("a.npz", npz(arr_0=np.array([Trap()], object)), "allow_pickle=False"),
    "bare pickle": ("a.npz", pickle.dumps(Trap()), "no whole ZIP"),
    "IDX of floats": ("a", idx([3], b"\0" * 12, 0x0D), "starts with 00 00 0d 01, not with 00 00 08"),
    "little-endian IDX": ("a", struct.pack("<II", 0x801, 3) + b"abc", "starts with 01 08 00 00"),
    "IDX too long": ("a", idx([3], b"abcd"), r"size 4 into shape \(3,\)"),
    "IDX whose shape overflows": ("a", idx([1 << 31, 1 << 31, 4], b"a"), "not an IDX file"),
    "a shape without end": ("a.npz", huge(), "not an NPZ"),
    "IDX.gz truncated": ("a.gz", gzip.compress(idx([3], b"abc"))[:-9], "truncated"),
}


@pytest.mark.parametrize(("name", "content", "message"), BAD.values(), ids=BAD.keys())
def test_bad_file_is_named_and_nothing_is_unpickled(tmp_path, monkeypatch, name, content, message):
    monkeypatch.chdir(tmp_path)  # where the trap would spring
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=f"^{re.escape(str(tmp_path / name))} .*{message}.*: delete it"):
        READ[name](tmp_path / name)
    assert contents(tmp_path) == {name: content} and not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(("failure", "told"), [(KeyboardInterrupt(), KeyboardInterrupt), (OSError(28), DataError)])
def test_failed_writing_leaves_the_good_file_and_nothing_else(tmp_path, failure, told):
    (tmp_path / "a").write_bytes(b"good")
    with pytest.raises(told), files.replacing(tmp_path / "a") as temporary:
        temporary.write_bytes(b"half")
        raise failure
    assert contents(tmp_path) == {"a": b"good"}


def test_digests_are_those_of_md5sum_and_git(tmp_path):
    (tmp_path / "a").write_bytes(b"hello\n")
    assert files.digest_of(tmp_path / "a", "blob") == "blob:ce013625030ba8dba906f756967f9e9ca394464a"
    assert files.digest_of(tmp_path / "a", "md5") == "md5:b1946ac92492d2347c6235b4d2611184"


def test_a_file_that_cannot_be_read_is_not_called_damaged(tmp_path):
    with pytest.raises(DataError, match="none cannot be read .No such file"):
        files.read_npz(tmp_path / "none")


@pytest.mark.parametrize("name", ["file/a", "file/sub/a", "folder"])
@pytest.mark.parametrize("write", [files.write_npz, files.write_idx])
def test_path_that_cannot_be_written_is_named(tmp_path, write, name):
    (tmp_path / "file").write_bytes(b"in the way")
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError, match=f"could not write {re.escape(str(tmp_path / name))}: .*a folder that can be"):
        write(tmp_path / name, LABELS)
    assert contents(tmp_path) == {"file": b"in the way"}
