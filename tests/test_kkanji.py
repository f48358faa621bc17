"""Kuzushiji-Kanji: a tar is decoded once, verified, and nothing outside of it is ever touched."""

import dataclasses
import hashlib
import io
import os
import struct
import tarfile
import zlib

import numpy as np
import pytest
from conftest import contents, flip
from PIL import Image

from kuzushiji import DataError, Unreachable, download, load_classmap, load_kkanji, paths, registry

LABELS = [3831, 0, 5, 0, 3000]  # in no order, and both ends of the class map
IMAGES = np.random.default_rng(0).integers(0, 256, (len(LABELS), 64, 64)).astype(np.uint8)


def png(image):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


def entries():
    """The small tar as a list of (path, PNG bytes), laid out like the official one."""
    codepoints = load_classmap("kkanji")["codepoint"]
    return [(f"kkanji2/{codepoints[label]}/{row:03}.png", png(IMAGES[row])) for row, label in enumerate(LABELS)]


def write_tar(path, members):
    """Write (path, bytes) pairs, or ready TarInfo objects, as a tar that has an entry for its folder, too."""
    path.parent.mkdir(exist_ok=True, parents=True)
    with tarfile.open(path, "w") as tar:
        folder = tarfile.TarInfo("kkanji2")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                tar.addfile(member)
            else:
                entry = tarfile.TarInfo(member[0])
                entry.size = len(member[1])
                tar.addfile(entry, io.BytesIO(member[1]))
    return path


@pytest.fixture
def tar(isolated, monkeypatch, tmp_path):
    """A small tar in a folder that KUZUSHIJI_DATA names, known to the registry as the official one."""
    members = sorted(entries())
    order = [int(name[-7:-4]) for name, _ in members]
    known = registry.Kanji(
        images=len(members),
        content=hashlib.sha256(IMAGES[order]).hexdigest(),
        paths=hashlib.sha256("\n".join(name for name, _ in members).encode()).hexdigest(),
    )
    monkeypatch.setattr(registry, "KKANJI", known)
    monkeypatch.setenv("KUZUSHIJI_DATA", str(tmp_path / "named"))
    return write_tar(tmp_path / "named" / "kkanji.tar", entries())


def decoded():
    return contents(paths.data_folder() / "kkanji")


def test_tar_is_decoded_in_the_order_of_its_sorted_paths(tar, capfd):
    images, labels = load_kkanji()
    order = [int(name[-7:-4]) for name, _ in sorted(entries())]
    assert images.dtype == np.uint8 and np.array_equal(images, IMAGES[order])
    assert labels.dtype == np.uint16 and labels.tolist() == np.array(LABELS)[order].tolist()
    assert isinstance(images, np.memmap) and not images.flags.writeable
    assert capfd.readouterr() == ("data: Kuzushiji-Kanji, 5 images of 3,832 characters, verified when decoded\n", "")


def test_tar_is_decoded_only_once(tar, capfd):
    first = load_kkanji()
    tar.unlink()
    again = load_kkanji()
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert set(decoded()) == {"kkanji-images.npy", "kkanji-labels.npy"}
    assert capfd.readouterr().out.count("\n") == 1


def pairs(images, labels):
    return {(image.tobytes(), int(label)) for image, label in zip(images, labels, strict=True)}


def test_quick_mode_takes_at_least_one_of_each_character(tar, monkeypatch, capfd):
    whole = load_kkanji()
    monkeypatch.setenv("KUZUSHIJI_QUICK", "1")
    images, labels = load_kkanji()
    assert sorted(labels) == sorted(set(LABELS)) and pairs(images, labels) < pairs(*whole)
    assert "4 images of 3,832 characters (quick mode: a tenth), verified" in capfd.readouterr().out


def link(type_code):
    entry = tarfile.TarInfo("kkanji2/U+4093/link.png")
    entry.type, entry.linkname = type_code, "/etc/passwd"
    return entry


def sparse():
    """An entry that says it has a terabyte, and holds none of it."""
    entry = tarfile.TarInfo("kkanji2/U+4093/sparse.png")
    entry.pax_headers = {"GNU.sparse.map": "0,0", "GNU.sparse.size": str(1 << 40)}
    return entry


def other_entry(name):
    return lambda members: [*members, (name, members[0][1])]


def other_png(content):
    return lambda members: [(members[0][0], content(members[0][1])), *members[1:]]


ESCAPES = "of [0-9,]+ bytes, expected only small files kkanji2/U.XXXX/NAME.png: it is not the official tar"
BAD = {
    "escapes": (other_entry("../../escaped.png"), rf"has an entry '\.\./\.\./escaped\.png' {ESCAPES}"),
    "escapes further down": (other_entry("kkanji2/U+4093/../../../escaped.png"), f"has an entry '.*' {ESCAPES}"),
    "escapes by backslash": (other_entry("kkanji2/U+4093/..\\escaped.png"), f"has an entry '.*' {ESCAPES}"),
    "absolute path": (other_entry("/tmp/escaped.png"), f"has an entry '/?tmp/escaped.png' {ESCAPES}"),
    "symbolic link": (lambda members: [*members, link(tarfile.SYMTYPE)], f"has an entry '.*link.png' {ESCAPES}"),
    "hard link": (lambda members: [*members, link(tarfile.LNKTYPE)], f"has an entry '.*link.png' {ESCAPES}"),
    "device": (lambda members: [*members, link(tarfile.CHRTYPE)], f"has an entry '.*link.png' {ESCAPES}"),
    "foreign file": (other_entry("kkanji2/README.txt"), f"has an entry 'kkanji2/README.txt' {ESCAPES}"),
    "larger than any": (
        lambda members: [(members[0][0], b"\0" * (1 << 20)), *members[1:]],
        "of 1,048,576 bytes, expected only small files",
    ),
    "sparse": (lambda members: [*members, sparse()], "of 1,099,511,627,776 bytes, expected only small files"),
    "too few": (lambda members: members[1:], "holds 4 images, expected 5: it is truncated or another tar"),
    "too many": (other_entry("kkanji2/U+4093/9.png"), "holds 6 images, expected 5"),
    "another path": (lambda members: other_entry("kkanji2/U+4093/9.png")(members[1:]), "holds other paths than"),
    "name not in Unicode": (lambda members: other_entry("kkanji2/U+4093/\udcff.png")(members[1:]), "holds other paths"),
    "damaged PNG": (other_png(lambda png: flip(png, len(png) // 2)), "is truncated or damaged"),
    "truncated PNG": (other_png(lambda png: png[: len(png) // 2]), "is truncated or damaged"),
    "empty PNG": (other_png(lambda png: b""), "is truncated or damaged"),
    "web page as PNG": (other_png(lambda png: b"<html>"), "is truncated or damaged"),
    "other image": (other_png(lambda _: png(255 - IMAGES[0])), "holds other images than the official tar"),
    "other size": (other_png(lambda _: png(IMAGES[0][:32])), r"U\+29E75/000.png is \(64, 32\), expected \(64, 64\)"),
    "huge image": (other_png(lambda _: huge_png()), "is truncated or damaged|expected .64, 64."),
}


def huge_png():
    """The PNG of 20,000 x 20,000 pixels whose header alone is there: a decoder that trusts it asks for 400 MB."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 20000, 20000, 8, 0, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return content + struct.pack(">I", 4) + b"IDAT" + b"\0" * 8


@pytest.mark.parametrize(("change", "message"), BAD.values(), ids=BAD.keys())
def test_bad_tar_is_refused_and_nothing_is_written(tar, tmp_path, capfd, change, message):
    write_tar(tar, change(entries()))
    before = contents(tmp_path)
    for _ in range(2):
        with pytest.raises(DataError, match=message) as caught:
            load_kkanji()
        assert str(caught.value).startswith(str(tar)) and "\n" not in str(caught.value)
    assert contents(tmp_path) == before
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[: len(content) // 2],
        lambda content: content[:1000],
        lambda content: content[:100],
        lambda content: b"",
        lambda content: b"<!DOCTYPE html><title>404</title>" * 100,
        lambda content: bytes(range(256)) * 20,
    ],
    ids=["half", "in the first image", "in the first header", "empty", "web page", "noise"],
)
def test_what_is_no_whole_tar_is_refused_in_one_line(tar, tmp_path, damage):
    tar.write_bytes(damage(tar.read_bytes()))
    with pytest.raises(DataError, match="truncated") as caught:
        load_kkanji()
    assert str(caught.value).startswith(str(tar)) and "\n" not in str(caught.value)
    assert decoded() == {}


def test_a_half_decoded_array_does_not_stay(tar):
    load_kkanji()
    left = paths.data_folder() / "kkanji" / "kkanji-images.npy.killed.part"
    left.write_bytes(b"half")
    os.utime(left, (0, 0))
    load_kkanji()
    assert set(decoded()) == {"kkanji-images.npy", "kkanji-labels.npy"}


@pytest.mark.parametrize("left", [b"x" * 1000, b"<html>log in", None], ids=["foreign", "web page", "complete"])
def test_what_an_earlier_download_left_costs_no_good_source(tar, server, monkeypatch, left):
    content = tar.read_bytes()
    server.files = {"kkanji.tar": content}
    tar.unlink()
    monkeypatch.setattr("pooch.core.time.sleep", lambda seconds: None)
    monkeypatch.setitem(registry.SOURCES, "kkanji", (server.source("resumes_or_sends_all"),))
    folder = paths.data_folder() / "kkanji"
    folder.mkdir()
    (folder / "kkanji.tar.1.partial").write_bytes(content if left is None else left)
    os.utime(folder / "kkanji.tar.1.partial", (0, 0))
    assert len(load_kkanji()[0]) == len(LABELS)
    assert set(decoded()) == {"kkanji.tar", "kkanji-images.npy", "kkanji-labels.npy"}


def test_a_tar_that_may_not_be_read_is_not_called_damaged(tar, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied", str(tar))

    monkeypatch.setattr(tarfile, "open", refuse)
    with pytest.raises(DataError, match="kkanji.tar cannot be read .Permission denied."):
        load_kkanji()


@pytest.mark.parametrize("name", ["kkanji-images.npy", "kkanji-labels.npy"])
@pytest.mark.parametrize("content", ["half", "shorter", "pickle"])
def test_damaged_cache_is_named_and_made_again_once_deleted(tar, name, content):
    load_kkanji()
    path = paths.data_folder() / "kkanji" / name
    good = path.read_bytes()
    array = np.load(path)
    if content == "half":
        path.write_bytes(good[:-1])
    elif content == "shorter":
        np.save(path, array[:-1])
    else:
        np.save(path, array.astype(object))
    with pytest.raises(DataError, match="delete it, and it is made again from the tar"):
        load_kkanji()
    path.unlink()
    load_kkanji()
    assert path.read_bytes() == good


def test_full_disk_is_named_and_leaves_nothing(tar, tmp_path, monkeypatch):
    """The disk fills with the last bytes of the second file, which is written after the first is complete."""
    real_open, written = open, []

    class Full(io.FileIO):
        def write(self, content):
            written.append(len(content))
            if sum(written) > IMAGES.size + 256:
                raise OSError(28, "No space left on device")
            return super().write(content)

    def small_disk(path, mode="r", *rest):
        return Full(path, mode) if mode == "wb" else real_open(path, mode, *rest)

    monkeypatch.setattr("builtins.open", small_disk)
    with pytest.raises(
        DataError, match="could not write .*kkanji-labels.npy: No space left on device; free some space"
    ):
        load_kkanji()
    assert decoded() == {}


def test_download_is_verified_image_by_image(tar, server, monkeypatch, tmp_path):
    server.files = {"kkanji.tar": tar.read_bytes()}
    tar.unlink()
    monkeypatch.setattr(download, "TIMEOUT", (2, 2))
    sources = [server.source(behaviour) for behaviour in ("cut", "web_page", "cut_without_length")]
    monkeypatch.setitem(registry.SOURCES, "kkanji", tuple(sources))
    with pytest.raises(Unreachable) as caught:
        load_kkanji()
    _, cut, page, cut_without_length, _ = str(caught.value).splitlines()
    assert "before the end of the file" in cut and "a web page" in page and "truncated" in cut_without_length
    assert decoded() == {}
    monkeypatch.setitem(registry.SOURCES, "kkanji", (*sources, server.source("good")))
    assert len(load_kkanji()[0]) == len(LABELS)
    assert set(decoded()) == {"kkanji.tar", "kkanji-images.npy", "kkanji-labels.npy"}


def test_catalogue_is_the_published_one():
    assert dataclasses.asdict(registry.KKANJI) == {
        "name": "kkanji.tar",
        "images": 140424,
        "content": "dca15541c3fb6f3f64f23536cfc53c91f817a8342b73ade6d0c06c85dc2fe735",
        "paths": "a4cbdf94e4e4b3bdc0edbde03525eebedd7b2977fbe27dde59a6641d726adaf1",
    }
