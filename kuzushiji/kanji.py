"""Kuzushiji-Kanji: 140,424 images in a tar, decoded once into an array that is memory-mapped from then on."""

import hashlib
import io
import re
import tarfile
from pathlib import Path

import numpy as np

from . import catalogue
from .data import _announce, data_folder, find_file, load_classmap
from .download import fetch
from .errors import DataError
from .formats import replacing
from .progress import progress_bar

ENTRY = re.compile(r"kkanji2/(U\+[0-9A-F]{4,5})/[^/\\]+\.png")
SIDE = 64


def load_kkanji():
    """Load Kuzushiji-Kanji: 3,832 kanji, between 1 and 1,768 images each (Clanuwat et al. 2018).

    Returns images uint8 [140424, 64, 64], memory-mapped and read-only, and labels uint16 [140424] (see
    `load_classmap`), in the order of the tar's sorted paths. The first call finds (or downloads, 310 MB) the official
    tar and decodes it into the data folder (575 MB); later calls open that in no time. There is no official split.

    Raises DataError for a damaged or foreign tar or a full disk, Unreachable where no source has it.
    """
    images_path, labels_path = (data_folder() / "kkanji" / name for name in ("kkanji-images.npy", "kkanji-labels.npy"))
    if not (images_path.exists() and labels_path.exists()):
        decode(locate_tar(), images_path, labels_path)
    images, labels = open_array(images_path), open_array(labels_path)
    expected = (catalogue.KKANJI.images, SIDE, SIDE)
    if images.shape != expected or labels.shape != expected[:1]:
        raise DataError(
            f"{images_path} holds {list(images.shape)} and {labels_path.name} {list(labels.shape)}, expected images "
            f"{list(expected)} and as many labels: delete both, and they are made again from the tar"
        )
    classes = len(load_classmap("kkanji"))
    _announce(f"data: Kuzushiji-Kanji, {len(images):,} images of {classes:,} characters, verified when decoded")
    return images, np.array(labels)


def open_array(path):
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise DataError(f"{path} is damaged ({error}): delete it, and it is made again from the tar") from error


def locate_tar():
    """The path of the official tar: in KUZUSHIJI_DATA, in the data folder, or downloaded."""
    name = catalogue.KKANJI.name
    return find_file(name) or fetch("kkanji", name, data_folder() / "kkanji", verify_tar)


def sorted_entries(tar, path):
    """The PNG entries of an open tar by sorted path, held against the official list.

    Raises DataError for an entry that no official tar has, one that would escape its folder above all.
    """
    entries = []
    for entry in tar:
        if entry.isdir():
            continue
        if not (entry.isfile() and ENTRY.fullmatch(entry.name)):
            raise DataError(
                f"{path} has an entry {entry.name!r}, expected only files kkanji2/U+XXXX/NAME.png: "
                "it is not the official tar, and nothing of it was read"
            )
        entries.append(entry)
    entries.sort(key=lambda entry: entry.name)
    if len(entries) != catalogue.KKANJI.images:
        raise DataError(
            f"{path} holds {len(entries):,} images, expected {catalogue.KKANJI.images:,}: "
            "it is truncated or another tar"
        )
    paths = "\n".join(entry.name for entry in entries)
    if hashlib.sha256(paths.encode(errors="surrogateescape")).hexdigest() != catalogue.KKANJI.paths:
        raise DataError(f"{path} holds other paths than the official tar: replace it with the official one")
    return entries


def decoded_images(path):
    """Yield (code point, image uint8 [64, 64]) of every entry of the tar by sorted path, then verify the content.

    Raises DataError for a damaged tar or image, and after the last image where the content is not the official one.
    """
    from PIL import Image

    content = hashlib.sha256()
    try:
        with tarfile.open(path, "r:") as tar:
            entries = sorted_entries(tar, path)
            with progress_bar(len(entries), "decoding Kuzushiji-Kanji", "image") as bar:
                for entry in entries:
                    with Image.open(io.BytesIO(tar.extractfile(entry).read()), formats=["PNG"]) as picture:
                        if picture.size != (SIDE, SIDE):
                            raise DataError(f"{path}: {entry.name} is {picture.size}, expected {(SIDE, SIDE)}")
                        image = np.array(picture.convert("L"))
                    content.update(image)
                    bar.update()
                    yield ENTRY.fullmatch(entry.name)[1], image
    except (tarfile.TarError, EOFError, SyntaxError, ValueError, OSError, Image.DecompressionBombError) as error:
        raise DataError(f"{path} is truncated or damaged ({error}): delete it and fetch the file again") from error
    if content.hexdigest() != catalogue.KKANJI.content:
        raise DataError(f"{path} holds other images than the official tar: replace it with the official one")


def verify_tar(path):
    """Decode the whole tar and hold it against the official content; raises DataError where it differs."""
    for _ in decoded_images(path):
        pass


def decode(tar_path, images_path, labels_path):
    """Decode the tar into two NPY files; neither takes its name before the content is verified."""
    label_of = {codepoint: label for label, codepoint in enumerate(load_classmap("kkanji")["codepoint"])}
    labels = np.empty(catalogue.KKANJI.images, np.uint16)
    shape = (catalogue.KKANJI.images, SIDE, SIDE)
    with replacing(Path(images_path)) as temporary, replacing(Path(labels_path)) as labels_temporary:
        with open(temporary, "wb") as file:  # written in order, since a memory map on a full disk ends in SIGBUS
            write_npy_header(file, "|u1", shape)
            for row, (codepoint, image) in enumerate(decoded_images(tar_path)):
                file.write(image.tobytes())
                labels[row] = label_of[codepoint]
        with open(labels_temporary, "wb") as file:
            write_npy_header(file, "<u2", labels.shape)
            file.write(labels.astype("<u2").tobytes())


def write_npy_header(file, dtype, shape):
    """Begin an NPY file whose bytes follow by file.write, which names a full disk where `np.save` does not."""
    np.lib.format.write_array_header_1_0(file, {"descr": dtype, "fortran_order": False, "shape": shape})
