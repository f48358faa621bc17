"""NPZ and IDX: what is written reads back, what is damaged is named, and no file is ever half replaced."""

import gzip
import io
import os
import pickle
import re
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import CHECKOUT, contents, flip

from kuzushiji import DataError, files

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 28, 28)).astype(np.uint8)
LABELS = np.array([3, 1, 4], np.uint8)
WRITE = {"a.npz": files.write_npz, "a": files.write_idx, "a.gz": files.write_idx}
READ = {"a.npz": files.read_npz, "a": files.read_idx, "a.gz": files.read_idx}


@pytest.mark.parametrize("array", [IMAGES, LABELS], ids=["images", "labels"])
@pytest.mark.parametrize("name", WRITE)
def test_what_is_written_reads_back(tmp_path, name, array):
    WRITE[name](tmp_path / name, array)
    back = READ[name](tmp_path / name)
    assert back.dtype == np.uint8 and np.array_equal(back, array) and back.flags.c_contiguous


def test_idx_is_laid_out_as_lecun_defined_it(tmp_path):
    files.write_idx(tmp_path / "a", IMAGES)
    assert (tmp_path / "a").read_bytes() == bytes.fromhex("00000803 00000003 0000001c 0000001c") + IMAGES.tobytes()
    files.write_idx(tmp_path / "a.gz", LABELS)
    assert gzip.decompress((tmp_path / "a.gz").read_bytes()) == bytes.fromhex("00000801 00000003 030104")


def test_idx_of_the_real_data_is_the_official_file(tmp_path, kmnist):
    """Against the git blob ids of the official IDX files, unzipped."""
    for array, blob in (
        (kmnist["test"][0], "1adcabe5a6e822ca4ae03c51ca387e9ca736ad11"),
        (kmnist["test"][1], "6e9269c40e2642f2ac5bda1536e4a56c582e5be1"),
        (kmnist["train"][0], "3cf037df1ccd08cf71c7e9465ca6bc729e79a251"),
        (kmnist["train"][1], "180cd088d65c3b75d97d046ad75476d1176666e0"),
    ):
        files.write_idx(tmp_path / "a", array)
        assert files.digest_of(tmp_path / "a", "blob") == f"blob:{blob}"


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
    "web page": ("a.npz", WEB_PAGE, "is a web page saved as data"),
    "empty": ("a.npz", b"", "is truncated, damaged or not an NPZ archive"),
    "truncated": ("a.npz", npz(arr_0=IMAGES)[:-400], "is truncated, damaged or not an NPZ archive"),
    "flipped byte": ("a.npz", flip(npz(arr_0=IMAGES), 1000), "is truncated, damaged or not"),
    "other key": (
        "a.npz",
        npz(images=IMAGES),
        "is truncated, damaged or not an NPZ archive with an array arr_0 .*arr_0 is not a file",
    ),
    "git-lfs pointer": (
        "a.npz",
        b"version https://git-lfs.github.com/spec/v1\n",
        "is truncated, damaged or not an NPZ archive",
    ),
    "object array": (
        "a.npz",
        npz(arr_0=np.array([Trap()], object)),
        ".*Object arrays cannot be loaded when allow_pickle=False",
    ),
    "bare pickle": (
        "a.npz",
        pickle.dumps(Trap()),
        "is truncated, damaged or not an NPZ archive .*no whole ZIP archive",
    ),
    "web page as IDX": ("a", WEB_PAGE, "is a web page saved as data"),
    "empty IDX": ("a", b"", "is truncated, damaged or not an IDX file"),
    "IDX of floats": ("a", idx([3], b"\0" * 12, 0x0D), ".*it starts with 00 00 0d 01, not with 00 00 08"),
    "little-endian IDX": (
        "a",
        struct.pack("<II", 0x801, 3) + b"abc",
        ".*it starts with 01 08 00 00, not with 00 00 08",
    ),
    "IDX cut in its header": (
        "a",
        idx([3, 28, 28], b"")[:10],
        "is truncated, damaged or not an IDX file .*requires a buffer of 12 bytes",
    ),
    "IDX too short": ("a", idx([3], b"ab"), r".*cannot reshape array of size 2 into shape \(3,\)"),
    "IDX too long": ("a", idx([3], b"abcd"), r".*cannot reshape array of size 4 into shape \(3,\)"),
    "IDX whose shape overflows": ("a", idx([1 << 31, 1 << 31, 4], b"a"), "is truncated, damaged or not an IDX file"),
    "IDX.gz truncated": ("a.gz", gzip.compress(idx([3], b"abc"))[:-9], "is truncated, damaged or not an IDX file"),
    "IDX.gz flipped": ("a.gz", flip(gzip.compress(idx([3], b"abc")), -3), "is truncated, damaged or not an IDX file"),
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
    files.write_npz(tmp_path / "a.npz", np.zeros((3, 28, 28), np.uint8))
    good, noticed = (tmp_path / "a.npz").read_bytes(), 0
    for position in range(len(good)):
        (tmp_path / "a.npz").write_bytes(flip(good, position))
        try:
            files.read_npz(tmp_path / "a.npz")  # what still reads is held against its digest by `read_part`
        except DataError:
            noticed += 1
    assert noticed > len(good) / 2


def test_fortran_order_makes_no_difference(tmp_path):
    files.write_npz(tmp_path / "a.npz", np.asfortranarray(IMAGES))
    back = files.read_npz(tmp_path / "a.npz")
    assert np.array_equal(back, IMAGES) and back.flags.c_contiguous  # else its bytes have no digest


def test_failed_writing_leaves_the_good_file_and_nothing_else(tmp_path):
    (tmp_path / "a").write_bytes(b"good")
    with pytest.raises(KeyboardInterrupt), files.replacing(tmp_path / "a") as temporary:
        temporary.write_bytes(b"half")
        raise KeyboardInterrupt
    assert contents(tmp_path) == {"a": b"good"}


def test_a_missing_source_is_named_and_not_the_target(tmp_path):
    (tmp_path / "target").write_bytes(b"good")
    with pytest.raises(DataError, match="source cannot be read .No such file"):
        files.copy(tmp_path / "source", tmp_path / "target")
    with pytest.raises(FileNotFoundError), files.replacing(tmp_path / "target"):  # and what else reads while it writes
        Path("/no/such/source").read_bytes()
    assert contents(tmp_path) == {"target": b"good"}


def test_what_a_killed_process_left_a_day_ago_is_removed(tmp_path):
    old, young, other = (tmp_path / name for name in ("a.x.part", "a.y.part", "b.z.part"))
    for path in (old, young, other):
        path.write_bytes(b"half")
    for path in (old, other):
        os.utime(path, (0, time.time() - 2 * files.STALE_SECONDS))
    files.write_npz(tmp_path / "a", LABELS)
    assert (old.exists(), young.exists(), other.exists()) == (False, True, True)


def test_digests_are_those_of_md5sum_and_git(tmp_path):
    (tmp_path / "a").write_bytes(b"hello\n")
    assert files.digest_of(tmp_path / "a", "blob") == "blob:ce013625030ba8dba906f756967f9e9ca394464a"
    assert files.digest_of(tmp_path / "a", "md5") == "md5:b1946ac92492d2347c6235b4d2611184"


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs /proc, where not even root can write")
@pytest.mark.parametrize("write", [files.write_npz, files.write_idx])
@pytest.mark.parametrize("path", ["/proc/kuzushiji/a", "/proc/kuzushiji/deeper/a"])
def test_folder_that_cannot_be_written_is_named(write, path):
    with pytest.raises(DataError, match=f"could not write {path}: .* choose a folder that can be written"):
        write(path, LABELS)


@pytest.mark.parametrize("name", ["file/a.npz", "file/sub/a.npz", "folder"])
def test_path_that_cannot_be_a_file_is_named(tmp_path, name):
    (tmp_path / "file").write_bytes(b"in the way")
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError, match=f"could not write {re.escape(str(tmp_path / name))}: "):
        files.write_npz(tmp_path / name, LABELS)
    assert contents(tmp_path) == {"file": b"in the way"}


@pytest.mark.skipif(sys.platform == "win32", reason="needs RLIMIT_FSIZE")
@pytest.mark.parametrize("write", ["write_npz", "write_idx"])
def test_full_disk_is_named_and_the_good_file_stays(tmp_path, write):
    path = tmp_path / "a"
    path.write_bytes(b"good")
    code = f"""
import resource
import numpy as np
from kuzushiji import DataError, files
path, noise = {str(path)!r}, np.frombuffer(np.random.default_rng(0).bytes(78400), np.uint8).reshape(100, 28, 28)
resource.setrlimit(resource.RLIMIT_FSIZE, (10000, 10000))
try:
    files.{write}(path, noise)
except DataError as error:
    print(error)
"""
    process = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True)
    assert process.stdout.startswith(f"could not write {path}: File too large; free some space")
    assert process.stderr == "" and contents(tmp_path) == {"a": b"good"}


def test_a_copy_that_fails_half_way_leaves_what_stood_there(tmp_path, monkeypatch):
    def fail(content, file):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    (tmp_path / "source").write_bytes(b"new")
    (tmp_path / "target").write_bytes(b"good")
    monkeypatch.setattr("shutil.copyfileobj", fail)
    with pytest.raises(DataError, match="could not write .*target: No space left"):
        files.copy(tmp_path / "source", tmp_path / "target")
    assert contents(tmp_path) == {"source": b"new", "target": b"good"}


def test_a_gzipped_file_carries_no_time(tmp_path):
    files.write_idx(tmp_path / "a.gz", LABELS)
    assert (tmp_path / "a.gz").read_bytes()[4:8] == bytes(4)
