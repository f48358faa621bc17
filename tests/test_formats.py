"""NPZ and IDX: what is written reads back, what is damaged is named, and no file is ever half replaced."""

import gzip
import io
import os
import pickle
import re
import struct
import subprocess
import sys

import numpy as np
import pytest
from conftest import CHECKOUT, contents, flip

from kuzushiji import DataError, formats
from kuzushiji.download import digests

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 28, 28)).astype(np.uint8)
LABELS = np.array([3, 1, 4], np.uint8)
WRITE = {"a.npz": formats.write_npz, "a": formats.write_idx, "a.gz": formats.write_idx}
READ = {"a.npz": formats.read_npz, "a": formats.read_idx, "a.gz": formats.read_idx}


@pytest.mark.parametrize("array", [IMAGES, LABELS], ids=["images", "labels"])
@pytest.mark.parametrize("name", WRITE)
def test_what_is_written_reads_back(tmp_path, name, array):
    WRITE[name](tmp_path / name, array)
    back = READ[name](tmp_path / name)
    assert back.dtype == np.uint8 and np.array_equal(back, array) and back.flags.c_contiguous


def test_idx_is_laid_out_as_lecun_defined_it(tmp_path):
    formats.write_idx(tmp_path / "a", IMAGES)
    assert (tmp_path / "a").read_bytes() == bytes.fromhex("00000803 00000003 0000001c 0000001c") + IMAGES.tobytes()
    formats.write_idx(tmp_path / "a.gz", LABELS)
    assert gzip.decompress((tmp_path / "a.gz").read_bytes()) == bytes.fromhex("00000801 00000003 030104")


def test_idx_of_the_real_data_is_the_official_file(tmp_path, kmnist):
    """Against the git blob ids of the official IDX files, unzipped."""
    for array, blob in (
        (kmnist["test"][0], "1adcabe5a6e822ca4ae03c51ca387e9ca736ad11"),
        (kmnist["test"][1], "6e9269c40e2642f2ac5bda1536e4a56c582e5be1"),
        (kmnist["train"][0], "3cf037df1ccd08cf71c7e9465ca6bc729e79a251"),
        (kmnist["train"][1], "180cd088d65c3b75d97d046ad75476d1176666e0"),
    ):
        formats.write_idx(tmp_path / "a", array)
        assert digests(tmp_path / "a")["blob"] == blob


def npz(**arrays):
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def idx(dimensions, body, type_code=8):
    return struct.pack(f">HBB{len(dimensions)}I", 0, type_code, len(dimensions), *dimensions) + body


class Trap:
    """Unpickling this makes a folder called `sprung`."""

    def __reduce__(self):
        return os.mkdir, ("sprung",)


WEB_PAGE = b"\n<!DOCTYPE html><html><title>504 Gateway Time-out</title></html>"
BAD = {
    "web page": ("a.npz", WEB_PAGE, "is a web page saved as NPZ"),
    "empty": ("a.npz", b"", r"starts with the bytes \(none\); an NPZ archive starts with"),
    "truncated": ("a.npz", npz(arr_0=IMAGES)[:-400], "is truncated or damaged"),
    "flipped byte": ("a.npz", flip(npz(arr_0=IMAGES), 1000), "is truncated or damaged"),
    "other key": ("a.npz", npz(images=IMAGES), "holds no array named arr_0"),
    "git-lfs pointer": ("a.npz", b"version https://git-lfs.github.com/spec/v1\n", "starts with the bytes 76 65 72 73;"),
    "object array": ("a.npz", npz(arr_0=np.array([Trap()], object)), "holds pickled Python objects"),
    "bare pickle": ("a.npz", pickle.dumps(Trap()), "starts with the bytes 80 04 95"),
    "web page as IDX": ("a", WEB_PAGE, "is a web page saved as IDX"),
    "empty IDX": ("a", b"", r"starts with the bytes \(none\); an IDX file of images starts with 00 00 08 03"),
    "IDX of floats": ("a", idx([3], b"\0" * 12, 0x0D), "starts with the bytes 00 00 0d 01; an IDX file"),
    "IDX of 2 dimensions": ("a", idx([3, 4], b"\0" * 12), "starts with the bytes 00 00 08 02; an IDX file"),
    "little-endian IDX": ("a", struct.pack("<II", 0x801, 3) + b"abc", "starts with the bytes 01 08 00 00; an IDX file"),
    "IDX cut in its header": ("a", idx([3, 28, 28], b"")[:10], "ends within its header of 16 bytes"),
    "IDX too short": ("a", idx([3], b"ab"), r"holds 2 bytes after its header, expected 3 for the shape \[3\]"),
    "IDX too long": ("a", idx([3], b"abcd"), r"holds 4 bytes after its header, expected 3 for the shape \[3\]"),
    "IDX whose shape overflows": (
        "a",
        idx([1 << 31, 1 << 31, 4], b""),
        "holds 0 bytes after its header, expected 18,446,744,073,709,551,616",
    ),
    "IDX.gz truncated": ("a.gz", gzip.compress(idx([3], b"abc"))[:-9], "is truncated or damaged"),
    "IDX.gz flipped": ("a.gz", flip(gzip.compress(idx([3], b"abc")), -3), "is truncated or damaged"),
}


@pytest.mark.parametrize(("name", "content", "message"), BAD.values(), ids=BAD.keys())
def test_bad_file_is_named_and_nothing_is_unpickled(tmp_path, monkeypatch, name, content, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=f"^{re.escape(str(tmp_path / name))} {message}"):
        READ[name](tmp_path / name)
    assert contents(tmp_path) == {name: content} and not (tmp_path / "sprung").exists()


def test_the_trap_works(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pickle.loads(pickle.dumps(Trap()))
    assert (tmp_path / "sprung").exists()


@pytest.mark.parametrize("name", WRITE)
def test_every_truncation_is_noticed(tmp_path, name):
    WRITE[name](tmp_path / name, IMAGES[:1])
    good = (tmp_path / name).read_bytes()
    for length in range(len(good)):
        (tmp_path / name).write_bytes(good[:length])
        with pytest.raises(DataError):
            READ[name](tmp_path / name)


def test_every_flipped_byte_of_an_npz_is_noticed_or_harmless(tmp_path):
    """What zipfile and NumPy raise for damaged archives is of a dozen kinds; only DataError may come out."""
    formats.write_npz(tmp_path / "a.npz", np.zeros((3, 28, 28), np.uint8))
    good, noticed = (tmp_path / "a.npz").read_bytes(), 0
    for position in range(len(good)):
        (tmp_path / "a.npz").write_bytes(flip(good, position))
        try:
            formats.read_npz(tmp_path / "a.npz")  # what still reads is held against its digest by `read_part`
        except DataError:
            noticed += 1
    assert noticed > len(good) / 2


def test_fortran_order_makes_no_difference(tmp_path):
    formats.write_npz(tmp_path / "a.npz", np.asfortranarray(IMAGES))
    back = formats.read_npz(tmp_path / "a.npz")
    assert np.array_equal(back, IMAGES) and back.flags.c_contiguous  # else its bytes have no digest


def test_failed_writing_leaves_the_good_file_and_nothing_else(tmp_path):
    (tmp_path / "a").write_bytes(b"good")
    with pytest.raises(KeyboardInterrupt), formats.replacing(tmp_path / "a") as temporary:
        temporary.write_bytes(b"half")
        raise KeyboardInterrupt
    assert contents(tmp_path) == {"a": b"good"}


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs /proc, where not even root can write")
@pytest.mark.parametrize("write", [formats.write_npz, formats.write_idx])
def test_folder_that_cannot_be_written_is_named(write):
    with pytest.raises(DataError, match="could not write /proc/kuzushiji/a: .* choose a folder that can be written"):
        write("/proc/kuzushiji/a", LABELS)


@pytest.mark.parametrize("name", ["file/a.npz", "file/sub/a.npz", "folder"])
def test_path_that_cannot_be_a_file_is_named(tmp_path, name):
    (tmp_path / "file").write_bytes(b"in the way")
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError, match=f"could not write {re.escape(str(tmp_path / name))}: "):
        formats.write_npz(tmp_path / name, LABELS)
    assert contents(tmp_path) == {"file": b"in the way"}


@pytest.mark.skipif(sys.platform == "win32", reason="needs RLIMIT_FSIZE")
@pytest.mark.parametrize(
    "statement",
    ["formats.write_npz(path, noise)", "formats.write_idx(path, noise)", "save_model(Mixture(*[noise] * 5), path)"],
)
def test_full_disk_is_named_and_the_good_file_stays(tmp_path, statement):
    path = tmp_path / "a"
    path.write_bytes(b"good")
    code = f"""
import resource
import numpy as np
from kuzushiji import DataError, formats
from kuzushiji.eigenkana import Mixture, save_model
path, noise = {str(path)!r}, np.frombuffer(np.random.default_rng(0).bytes(78400), np.uint8).reshape(100, 28, 28)
resource.setrlimit(resource.RLIMIT_FSIZE, (10000, 10000))
try:
    {statement}
except DataError as error:
    print(error)
"""
    process = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True)
    assert process.stdout.startswith(f"could not write {path}: File too large; free some space")
    assert process.stderr == "" and contents(tmp_path) == {"a": b"good"}
