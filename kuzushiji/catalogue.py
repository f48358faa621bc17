"""What the official files are called, how to recognise them, and where they can be fetched.

Sizes, MD5, SHA-256 and git blob ids are those of the current release (after 5 February 2019). Content digests are
SHA-256 over the decoded uint8 array in C order, so that a converted file can be verified too.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    """One official file: images or labels of one split.

    `shape` is that of the decoded array; `idx` its name in the IDX format (None where there is no such file);
    `content` the SHA-256 of the decoded bytes (None where it is not known, and `md5` of the file decides).
    """

    name: str
    shape: tuple
    size: int
    md5: str
    sha256: str | None = None
    blob: str | None = None
    content: str | None = None
    idx: str | None = None


KMNIST = {
    ("train", "images"): Part(
        "kmnist-train-imgs.npz",
        (60000, 28, 28),
        18384171,
        "a183fbc01ed9a345513b145673d3d0bb",
        "11d69e17c8fd294905864aef177fd10c2185e5a3655f4da03d72ea5a64c17a72",
        "fe673a63e71c7bac038bd4e9f1df76a55ac4af57",
        "a739bf427aa2dfc5c56d12f608684bc6db28276246c1b912b0416ba34349a7ca",
        "train-images-idx3-ubyte",
    ),
    ("train", "labels"): Part(
        "kmnist-train-labels.npz",
        (60000,),
        29700,
        "b0e1d240e8afec72b50437fc3bc5908a",
        "a325c877035602cb9b9ba54f4194a2a1b5f718026a463db5b5e0cdc124c03720",
        "9b159b00c434c3b28ba189da50315a1a0a9faec1",
        "691c5342313eaef4a0b4d33645442ae1b98f13bd2066e67b551fdd4972ef71ea",
        "train-labels-idx1-ubyte",
    ),
    ("test", "images"): Part(
        "kmnist-test-imgs.npz",
        (10000, 28, 28),
        3079479,
        "dace6de62ca8b90843cc45366337d02e",
        "692d824896bec8f3c357ebf7a0fe904ed67ac632ce953d0b58f7fbef7bb27d87",
        "fb17b89c65e44c5e7056a39728d52eb595b79304",
        "dc10e73c6e83fb3fb3586eafece217ab6602e7825fa7d49399359bde3fc66f07",
        "t10k-images-idx3-ubyte",
    ),
    ("test", "labels"): Part(
        "kmnist-test-labels.npz",
        (10000,),
        5304,
        "3ae489a79983d0fe386152684e3b5412",
        "660f13a4705431ea2a6391c41ecbe384cd0d932c595a101ec4f3b8989e785046",
        "a5ae742fdbe8bb5c69ad6c244900a8824a9cf1b6",
        "77d83a49ca5434c5da77399edc7143065cb3a7b0834e2898ea3094e8c2b21a3c",
        "t10k-labels-idx1-ubyte",
    ),
}

K49 = {
    ("train", "images"): Part(
        "k49-train-imgs.npz",
        (232365, 28, 28),
        66117696,
        "7ac088b20481cf51dcd01ceaab89d821",
        blob="bd33f33daffbb114faa34a0c1d3d745f4d5acbd3",
    ),
    ("train", "labels"): Part(
        "k49-train-labels.npz",
        (232365,),
        164485,
        "44a8e1b893f81e63ff38d73cad420f7a",
        "fbfef4750ce9aa70b6072f0bca7daa9e80e2d79b379d5ae923265a63396260e4",
        "439da989fecf9e9aedad2dff1dd1891c76e58f8d",
        "54224c7302805b58011704635ec05fca3457eaa8c60272048a5a3dceaef7e9b7",
    ),
    ("test", "images"): Part(
        "k49-test-imgs.npz",
        (38547, 28, 28),
        10971201,
        "d352e201d846ce6b94f42c990966f374",
        blob="3ae933fc8e9fec64432d16b2392014a597c9694d",
    ),
    ("test", "labels"): Part(
        "k49-test-labels.npz",
        (38547,),
        27450,
        "4da6f7a62e67a832d5eb1bd85c5ee448",
        "299be30ea32c2cc69318f5a5a579ffbffb0a6a1ccff134fb0ca834cd525ad6af",
        "8617176a4f958c741dcc8a495a2c16a414137b72",
        "f71ca3113b70b848f3d3ac97b7692a43fc344ae676a3c216d76a473ff069fb4e",
    ),
}

PARTS = {"kmnist": KMNIST, "k49": K49}


@dataclass(frozen=True)
class Kanji:
    """The Kuzushiji-Kanji tar. Its own checksum is not published, so its decoded content is what is verified."""

    name: str = "kkanji.tar"
    images: int = 140424
    content: str = "dca15541c3fb6f3f64f23536cfc53c91f817a8342b73ade6d0c06c85dc2fe735"
    paths: str = "a4cbdf94e4e4b3bdc0edbde03525eebedd7b2977fbe27dde59a6641d726adaf1"


KKANJI = Kanji()

# The first release, replaced on 5 February 2019: other test images (number 9677 is all black), same labels.
OLD_RELEASE_MD5 = {"kmnist-test-imgs.npz": "c8fe4d39f842711ac6cc8c1b4be5ee21"}
OLD_RELEASE_BLOB = {"kmnist-train-imgs.npz": "b596e8ab8732786c3b0fdb2ca51d2066d4e75955"}
OLD_RELEASE_BLACK_IMAGE = 9677

# {dataset} is the folder on the official host. The git mirrors are pinned by commit and byte-identical.
OFFICIAL = (
    "https://codh.rois.ac.jp/kmnist/dataset/{dataset}/{name}",
    "http://codh.rois.ac.jp/kmnist/dataset/{dataset}/{name}",
)
_GIT = "https://raw.githubusercontent.com/"
_ROMCHYK = _GIT + "Romchyk-S/KMNIST/ecd80b67f75335a59ff9f556520f896012fa7ff2/{dataset}/{name}"
_BOLAURENT = _GIT + "bolaurent/kmnist/7b2568f9830d1f7884ff644fdbf305bfe50a99fd/data/{name}"
_LEOPOLDMAILLARD = _GIT + "leopoldmaillard/CapsNet_kmnist/db93d39dcf58c331fdf5a3d3ebd1d4f27f33c41e/data/{name}"
SOURCES = {
    "kmnist": (*OFFICIAL, _ROMCHYK, _BOLAURENT, _LEOPOLDMAILLARD),
    "k49": (*OFFICIAL, _ROMCHYK, _BOLAURENT),
    "kkanji": OFFICIAL,
}


def urls(dataset, name):
    """The addresses, best first, at which the file `name` of `dataset` can be fetched."""
    return [source.format(dataset=dataset, name=name) for source in SOURCES[dataset]]


def file_names(dataset):
    """The official names of all files of `dataset`."""
    return [part.name for part in PARTS[dataset].values()] if dataset in PARTS else [KKANJI.name]
