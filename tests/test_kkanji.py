"""Kuzushiji-Kanji: a tar is decoded once, verified, and nothing outside of it is ever touched."""

import dataclasses
import hashlib
import io
import tarfile

import numpy as np
import pytest
from conftest import contents, flip
from PIL import Image

from kuzushiji import DataError, Unreachable, load_classmap, load_kkanji, paths, registry

LABELS = [3831, 0, 5, 0, 3000]  # in no order, and both ends of the class map
IMAGES = np.random.default_rng(0).integers(0, 256, (len(LABELS), 64, 64)).astype(np.uint8)


def png(image):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


def entries():
    """The small tar as a list of (path, PNG bytes, attributes of the entry), laid out like the official one."""
    codepoints = load_classmap("kkanji")["codepoint"]
    return [(f"kkanji2/{codepoints[label]}/{row:03}.png", png(IMAGES[row]), {}) for row, label in enumerate(LABELS)]


NAMES = sorted(name for name, *_ in entries())
ORDER = [int(name[-7:-4]) for name in NAMES]


def write_tar(path, members):
    path.parent.mkdir(exist_ok=True, parents=True)
    with tarfile.open(path, "w") as tar:
        for name, content, attributes in [("kkanji2", b"", {"type": tarfile.DIRTYPE}), *members]:
            entry = tarfile.TarInfo(name)
            for key, value in ({"size": len(content)} | attributes).items():
                setattr(entry, key, value)
            tar.addfile(entry, io.BytesIO(content))
    return path


@pytest.fixture
def tar(isolated, monkeypatch, tmp_path):
    """A small tar in a folder that KUZUSHIJI_DATA names, known to the registry as the official one."""
    known = {"shape": IMAGES.shape, "content": hashlib.sha256(IMAGES[ORDER]).hexdigest()}
    monkeypatch.setattr(registry, "KKANJI", dataclasses.replace(registry.KKANJI, **known))
    monkeypatch.setattr(registry, "KKANJI_PATHS", hashlib.sha256("\n".join(NAMES).encode()).hexdigest())
    monkeypatch.setenv("KUZUSHIJI_DATA", str(tmp_path / "named"))
    return write_tar(tmp_path / "named" / "kkanji.tar", entries())


def decoded():
    return contents(paths.data_folder() / "kkanji")


def test_tar_is_decoded_once_in_the_order_of_its_sorted_paths(tar, monkeypatch, capfd):
    images, labels = load_kkanji()
    assert images.dtype == np.uint8 and np.array_equal(images, IMAGES[ORDER])
    assert labels.dtype == np.uint16 and labels.tolist() == np.array(LABELS)[ORDER].tolist()
    assert isinstance(images, np.memmap) and not images.flags.writeable
    tar.unlink()
    assert np.array_equal(load_kkanji()[0], images) and set(decoded()) == {"kkanji-images.npy", "kkanji-labels.npy"}
    monkeypatch.setenv("KUZUSHIJI_QUICK", "1")
    tenth = load_kkanji()[1]
    assert sorted(tenth) == sorted(set(LABELS)) and tenth.tolist() != sorted(tenth)[::-1]
    assert capfd.readouterr().out.splitlines() == [
        "data: Kuzushiji-Kanji, 5 images of 3,832 characters, verified when decoded",
        "data: Kuzushiji-Kanji, 4 images of 3,832 characters (quick mode: a tenth), verified when decoded",
    ]


def more(name, first=0, **attributes):
    """One more entry, or one in place of the first; with attributes, it has no content."""
    return lambda members: [*members[first:], (name, b"" if attributes else members[0][1], attributes)]


def other_png(content):
    return lambda members: [(members[0][0], content(members[0][1]), {}), *members[1:]]


LINK = {"name": "kkanji2/U+4093/link.png", "linkname": "/etc/passwd"}
TERABYTE = {"GNU.sparse.map": "0,0", "GNU.sparse.size": str(1 << 40)}  # says so, and holds none of it
ESCAPES = "has an entry '.*(escaped|link).png' of [0-9,]+ bytes, expected only small files kkanji2/U.XXXX/NAME.png"
BAD = {
    "escapes": (more("../../escaped.png"), ESCAPES),
    "escapes by backslash": (more("kkanji2/U+4093/..\\escaped.png"), ESCAPES),
    "absolute path": (more("/tmp/escaped.png"), ESCAPES),
    "symbolic link": (more(**LINK, type=tarfile.SYMTYPE), ESCAPES),
    "larger than any": (other_png(lambda _: b"\0" * (1 << 20)), "of 1,048,576 bytes, expected only small files"),
    "sparse": (more("kkanji2/U+4093/a.png", pax_headers=TERABYTE), "of 1,099,511,627,776 bytes, expected only small"),
    "cut in an image": (9000, "truncated"),
    "too few": (lambda members: members[1:], "holds 4 images, expected 5"),
    "another path": (more("kkanji2/U+4093/9.png", 1), "holds other paths than"),
    "damaged PNG": (other_png(lambda png: flip(png, len(png) // 2)), "damaged"),
    "other image": (other_png(lambda _: png(255 - IMAGES[0])), "holds other images than the official tar"),
    "other size": (other_png(lambda _: png(IMAGES[0][:32])), r"U\+29E75/000.png is \(64, 32\), expected \(64, 64\)"),
}


@pytest.mark.parametrize(("change", "message"), BAD.values(), ids=BAD.keys())
def test_bad_tar_is_refused_and_nothing_is_written(tar, tmp_path, capfd, change, message):
    if isinstance(change, int):
        tar.write_bytes(tar.read_bytes()[:change])
    else:
        write_tar(tar, change(entries()))
    before = contents(tmp_path)
    for _ in range(2):
        with pytest.raises(DataError, match=message) as caught:
            load_kkanji()
        assert str(caught.value).startswith(str(tar)) and "\n" not in str(caught.value)
    assert contents(tmp_path) == before and capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["kkanji-images.npy", "kkanji-labels.npy"])
def test_damaged_cache_is_named_and_made_again_once_deleted(tar, name):
    load_kkanji()
    path = paths.data_folder() / "kkanji" / name
    good = path.read_bytes()
    for damage in (lambda: path.write_bytes(good[:-1]), lambda: np.save(path, np.zeros(3, np.uint8))):
        damage()
        with pytest.raises(DataError, match=f"{path} .*delete it"):
            load_kkanji()
    path.unlink()
    load_kkanji()
    assert path.read_bytes() == good


def test_download_is_verified_image_by_image(tar, server, monkeypatch):
    server.files = {"kkanji.tar": tar.read_bytes()}
    tar.unlink()
    server.be("kkanji", "web_page", "cut_without_length")
    with pytest.raises(Unreachable, match=r"web_page/\S+: a web page.*\n.*cut_without_length/\S+: .*truncated"):
        load_kkanji()
    assert decoded() == {}
    server.be("kkanji", "cut_without_length", "good")
    assert len(load_kkanji()[0]) == len(LABELS)
    assert set(decoded()) == {"kkanji.tar", "kkanji-images.npy", "kkanji-labels.npy"}
