"""What the official files are called, how to recognise them, and where they can be fetched (see data/README.md)."""

import csv
from dataclasses import dataclass

from .paths import bundled


@dataclass(frozen=True)
class Part:
    """One official file of the current release (after 5 February 2019): images, labels, or the tar of kanji."""

    name: str
    shape: tuple  # of the decoded array
    idx: str  # its name in the IDX format, "" where there is no such file
    digest: str | None  # of the file, as pooch writes it; None where nobody published it
    content: str  # SHA-256 of the decoded uint8 bytes in C order, for converted files too; "" where nobody published it


# The content of the tar is that of its images in the order of their sorted paths, which are verified as lines of text.
KKANJI_CONTENT = "dca15541c3fb6f3f64f23536cfc53c91f817a8342b73ade6d0c06c85dc2fe735"
KKANJI_PATHS = "a4cbdf94e4e4b3bdc0edbde03525eebedd7b2977fbe27dde59a6641d726adaf1"
KKANJI = Part("kkanji.tar", (140424, 64, 64), "", None, KKANJI_CONTENT)
PARTS = {"kmnist": {}, "k49": {}}  # of each data set {(split, "images" or "labels"): Part}
for row in csv.DictReader(bundled("registry.csv").read_text(encoding="utf-8").splitlines()):
    shape = tuple(map(int, row["shape"].split("x")))
    part = Part(row["name"], shape, row["idx"], row["digest"], row["content"])
    PARTS[row["dataset"]][row["split"], row["kind"]] = part

# The first release, replaced on 5 February 2019: other test images (number 9677 is all black), same labels.
OLD_RELEASE = {
    "kmnist-test-imgs.npz": "md5:c8fe4d39f842711ac6cc8c1b4be5ee21",
    "kmnist-train-imgs.npz": "blob:b596e8ab8732786c3b0fdb2ca51d2066d4e75955",
}
OLD_RELEASE_BLACK_IMAGE = 9677
CURRENT_RELEASE = "KMNIST, release of 5 February 2019"

# {dataset} is the folder on the official host. The git mirrors are pinned by commit and byte-identical.
OFFICIAL = tuple(f"{scheme}://codh.rois.ac.jp/kmnist/dataset/{{dataset}}/{{name}}" for scheme in ("https", "http"))
GIT = "https://raw.githubusercontent.com/"
ROMCHYK = GIT + "Romchyk-S/KMNIST/ecd80b67f75335a59ff9f556520f896012fa7ff2/{dataset}/{name}"
BOLAURENT = GIT + "bolaurent/kmnist/7b2568f9830d1f7884ff644fdbf305bfe50a99fd/data/{name}"
LEOPOLDMAILLARD = GIT + "leopoldmaillard/CapsNet_kmnist/db93d39dcf58c331fdf5a3d3ebd1d4f27f33c41e/data/{name}"
SOURCES = {
    "kmnist": (*OFFICIAL, ROMCHYK, BOLAURENT, LEOPOLDMAILLARD),
    "k49": (*OFFICIAL, ROMCHYK, BOLAURENT),
    "kkanji": OFFICIAL,
}


def urls(dataset, name):
    """The addresses, best first, at which the file `name` of `dataset` can be fetched."""
    return [source.format(dataset=dataset, name=name) for source in SOURCES[dataset]]
