"""Kuzushiji-Kanji: 140,424 images in a tar, decoded once into an array that is memory-mapped from then on."""

import hashlib
import io
import re
import tarfile
from itertools import islice

import numpy as np

from . import registry
from .datasets import announce, find_files, handed_out, load_classmap, quick_mode
from .download import fetch
from .files import progress_bar, reading, replacing
from .paths import DataError, data_folder

ENTRY = re.compile(r"kkanji2/(U\+[0-9A-F]{4,5})/[^/\\]+\.png")
LARGEST = 1 << 16  # bytes of an entry; 64x64 pixels without any compression are 4,096


def load_kkanji(folder=None):
    """Load Kuzushiji-Kanji: 3,832 kanji, between 1 and 1,768 images each (Clanuwat et al. 2018).

    Returns images uint8 [140424, 64, 64], memory-mapped and read-only, and labels uint16 [140424] (see
    `load_classmap`), in the order of the tar's sorted paths; in quick mode a tenth of each class, at least one image of
    it, as an array of its own. The first call finds (or downloads, 310 MB) the official tar, in `folder` where one is
    given, and decodes it into the data folder (575 MB); later calls open that in no time. There is no official split.
    Raises DataError for a damaged or foreign tar or a full disk, Unreachable where no source has it.
    """
    paths = [data_folder() / "kkanji" / name for name in ("kkanji-images.npy", "kkanji-labels.npy")]
    if not all(path.exists() for path in paths):
        decode(locate_tar(folder), *paths)
    shape = registry.KKANJI.shape
    images, labels = open_array(paths[0], shape), np.array(open_array(paths[1], shape[:1]))
    what, mode = f"of {len(load_classmap('kkanji')):,} characters", ""
    if quick_mode():  # or else the memory map would be copied
        rows = handed_out(labels)
        images, labels, mode = np.asarray(images)[rows], labels[rows], " (quick mode: a tenth)"
    announce("kkanji", f"data: Kuzushiji-Kanji, {len(images):,} images {what}{mode}, verified when decoded")
    return images, labels


def open_array(path, shape):
    """The array in an NPY file, memory-mapped; raises DataError where it is damaged or has another shape."""
    with reading(path, "the decoded tar"):
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        if array.shape != shape:
            raise ValueError(f"its shape is {list(array.shape)}, expected {list(shape)}")
        return array


def locate_tar(folder=None):
    """The path of the official tar: in KUZUSHIJI_DATA, in the data folder, or downloaded."""
    name = registry.KKANJI.name
    found = find_files(name, folder=folder)
    return found[0] if found else fetch("kkanji", name, folder or data_folder() / "kkanji", check=verify_tar)


def sorted_entries(tar, path):
    """The PNG entries of an open tar by sorted path. Raises DataError for anything that no official tar has."""
    entries = [entry for entry in islice(tar, 2 * registry.KKANJI.shape[0]) if not entry.isdir()]  # it may have no end
    for entry in entries:  # none may escape its folder, or fill the memory: a sparse one is as large as it says
        if not (entry.isfile() and ENTRY.fullmatch(entry.name)) or entry.size > LARGEST or entry.issparse():
            what = f"{path} has an entry {entry.name!r} of {entry.size:,} bytes"
            raise DataError(f"{what}, expected only small files kkanji2/U+XXXX/NAME.png: it is not the official tar")
    if len(entries) != (expected := registry.KKANJI.shape[0]):
        raise DataError(f"{path} holds {len(entries):,} images, expected {expected:,}: it is truncated or another tar")
    entries.sort(key=lambda entry: entry.name)
    paths = "\n".join(entry.name for entry in entries)
    if hashlib.sha256(paths.encode(errors="surrogateescape")).hexdigest() != registry.KKANJI_PATHS:
        raise DataError(f"{path} holds other paths than the official tar: replace it with the official one")
    return entries


def decoded_images(path):
    """Yield (code point, image uint8 [64, 64]) of every entry of the tar by sorted path, then verify the content.

    Raises DataError for what is damaged, and after the last image where the content is not the official one.
    """
    from PIL import Image

    content, size = hashlib.sha256(), registry.KKANJI.shape[1:]
    with reading(path, "a tar of PNG images"), tarfile.open(path, "r:") as tar:
        entries = sorted_entries(tar, path)
        with progress_bar(len(entries), "decoding Kuzushiji-Kanji", "image") as bar:
            for entry in entries:
                with Image.open(io.BytesIO(tar.extractfile(entry).read()), formats=["PNG"]) as picture:
                    if picture.size != size:
                        raise DataError(f"{path}: {entry.name} is {picture.size}, expected {size}")
                    image = np.array(picture.convert("L"))
                content.update(image)
                bar.update()
                yield ENTRY.fullmatch(entry.name)[1], image
    if content.hexdigest() != registry.KKANJI.content:
        raise DataError(f"{path} holds other images than the official tar: replace it with the official one")


def verify_tar(path):
    """Decode the whole tar and hold it against the official content; raises DataError where it differs."""
    for _ in decoded_images(path):
        pass


def decode(tar_path, images_path, labels_path):
    """Decode the tar into two NPY files; neither takes its name before the content is verified."""
    label_of = {codepoint: label for label, codepoint in enumerate(load_classmap("kkanji")["codepoint"])}
    labels = np.empty(registry.KKANJI.shape[0], "<u2")
    with replacing(images_path) as temporary:
        with open(temporary, "wb") as file:  # written in order, since a memory map on a full disk ends in SIGBUS
            header = {"descr": "|u1", "fortran_order": False, "shape": registry.KKANJI.shape}
            np.lib.format.write_array_header_1_0(file, header)
            for row, (codepoint, image) in enumerate(decoded_images(tar_path)):
                file.write(image.tobytes())
                labels[row] = label_of[codepoint]
        with replacing(labels_path) as labels_temporary, open(labels_temporary, "wb") as file:
            np.save(file, labels)
