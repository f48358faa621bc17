"""Finding, verifying and loading the data sets: the functions the notebooks begin with."""

import hashlib
import os
from functools import cache
from pathlib import Path

import numpy as np

from . import catalogue, formats
from .download import digests, fetch, is_old_release, verify_file
from .errors import DataError, Unreachable

PACKAGE = Path(__file__).parent
CHECKOUT = PACKAGE.parent
SPLITS = ("train", "test")


def bundled(name):
    """Path of a file that the project ships in data/ (a class map, eigenkana.npz), in a checkout or installed."""
    in_checkout = CHECKOUT / "data" / name
    return in_checkout if in_checkout.exists() else PACKAGE / "bundled" / name


def data_folder():
    """Where downloads and caches go: KUZUSHIJI_CACHE, else data/ of a checkout, else the user's cache folder."""
    if os.environ.get("KUZUSHIJI_CACHE"):
        return Path(os.environ["KUZUSHIJI_CACHE"]).expanduser()
    if (CHECKOUT / "pyproject.toml").exists() and (CHECKOUT / "data" / "kmnist_classmap.csv").exists():
        return CHECKOUT / "data"
    import pooch

    return Path(pooch.os_cache("kuzushiji"))


def build_folder():
    """Where notebooks write what is not tracked: build/ of a checkout, else build/ in the working directory."""
    folder = (CHECKOUT if (CHECKOUT / "pyproject.toml").exists() else Path.cwd()) / "build"
    folder.mkdir(exist_ok=True)
    return folder


def named_folders():
    """The folders in KUZUSHIJI_DATA. Raises DataError for one that does not exist."""
    folders = [Path(entry).expanduser() for entry in os.environ.get("KUZUSHIJI_DATA", "").split(os.pathsep) if entry]
    for folder in folders:
        if not folder.is_dir():
            raise DataError(
                f"KUZUSHIJI_DATA names {folder}, which is not a folder: correct it, or unset it to download the data"
            )
    return folders


def find_file(*names):
    """The first file called one of `names` (earlier names first) in KUZUSHIJI_DATA's folders, then the data folder.

    Sub-folders are searched too. Returns None where there is none.
    """
    for folder in (*named_folders(), data_folder()):
        found = {}
        for root, subfolders, files in os.walk(folder):
            subfolders.sort()
            for name in set(names).intersection(files):
                found.setdefault(name, Path(root) / name)
        for name in names:
            if name in found:
                return found[name]
    return None


def find_part(part):
    """The path of one official file in NPZ, gzipped IDX or IDX format, or None."""
    return find_file(part.name, *((part.idx + ".gz", part.idx) if part.idx else ()))


def read_part(path, part):
    """Read one file in whichever format it has and hold it against the official content.

    Returns uint8, shape `part.shape`. Raises DataError that says what was found instead.
    """
    path = Path(path)
    is_npz = path.suffix == ".npz"
    try:
        array = formats.read_npz(path) if is_npz else formats.read_idx(path)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}): correct that, or remove the file") from error
    if is_npz and is_old_release(part.name, digests(path)) or looks_like_old_release(array, part):
        raise DataError(
            f"{path} is the OLD release of the data set (before 5 February 2019), whose images differ; "
            "figures measured on it cannot be compared: fetch the current release"
        )
    if array.dtype != np.uint8 or array.shape != part.shape:
        raise DataError(
            f"{path} holds {array.dtype} {list(array.shape)}, expected {part.name.removesuffix('.npz')}: "
            f"uint8 {list(part.shape)}; replace it with the official file"
        )
    if part.content is None:
        try:
            verify_file(path, part)
        except DataError as error:
            raise DataError(f"{path} is not the official file: {error}") from error
    elif (content := hashlib.sha256(array).hexdigest()) != part.content:
        hint = "" if is_npz else " (the IDX files of MNIST and Fashion-MNIST have the same names)"
        raise DataError(
            f"{path} has the right shape but other content{hint}: SHA-256 of its bytes is {content[:12]}…, "
            f"expected {part.content[:12]}…; replace it with the official file"
        )
    return array


def looks_like_old_release(array, part):
    """The old release's test images, in whatever format: number 9677 is all black there and nowhere black now."""
    return (
        part is catalogue.KMNIST["test", "images"]
        and array.shape == part.shape
        and not array[catalogue.OLD_RELEASE_BLACK_IMAGE].any()
    )


def locate(dataset):
    """The paths of all four files of "kmnist" or "k49", downloaded where they are not found.

    Returns a dictionary keyed by (split, "images" or "labels"). Raises Unreachable where no file was found and no
    source answered, DataError where only some could be had.
    """
    parts = catalogue.PARTS[dataset]
    paths = {key: find_part(part) for key, part in parts.items()}
    found = [path for path in paths.values() if path]
    for key, part in parts.items():
        if paths[key] is None:
            try:
                paths[key] = fetch(
                    dataset, part.name, data_folder() / dataset, lambda path, part=part: verify_file(path, part)
                )
            except Unreachable as error:
                if found:
                    missing = ", ".join(parts[key].name for key, path in paths.items() if path is None)
                    raise DataError(
                        f"only {len(found)} of the 4 files of {dataset} were found ({found[0]}), not {missing}. {error}"
                    ) from error
                raise
            found.append(paths[key])
    return paths


def read_split(dataset, split, paths):
    """Read and verify images and labels of one split; raises DataError where they disagree in length."""
    parts = catalogue.PARTS[dataset]
    images, labels = (read_part(paths[split, kind], parts[split, kind]) for kind in ("images", "labels"))
    if len(images) != len(labels):
        raise DataError(f"{len(images):,} images but {len(labels):,} labels in the {split} split of {dataset}")
    return images, labels


def verified_paths(dataset):
    """All four paths of verified files, or None and the Unreachable that says why not; decided once in a process."""
    return _verified_paths(dataset, os.environ.get("KUZUSHIJI_DATA"), os.getcwd())


@cache
def _verified_paths(dataset, named_folders, working_directory):
    try:
        paths = locate(dataset)
    except Unreachable as error:
        return None, error
    for split in SPLITS:
        read_split(dataset, split, paths)
    return paths, None


@cache
def _announce(line):
    print(line, flush=True)


def kmnist_source(source="auto"):
    """Decide, once in a process, whether KMNIST itself or eigenkana are used; print the line that says so.

    Returns "kmnist" or "eigenkana". `source` and errors as in `load_kmnist`.
    """
    if source not in ("auto", "kmnist", "eigenkana"):
        raise ValueError(f'source is {source!r}, expected "auto", "kmnist" or "eigenkana"')
    if source == "eigenkana":
        _announce("data: eigenkana, 60,000 + 10,000 generated images (as asked)")
        return "eigenkana"
    paths, unreachable = verified_paths("kmnist")
    if paths:
        _announce("data: KMNIST, 60,000 train + 10,000 test images, verified")
        return "kmnist"
    if source == "kmnist":
        raise unreachable
    _announce("data: eigenkana, 60,000 + 10,000 generated images (KMNIST was not reachable)")
    return "eigenkana"


def load_kmnist(split, source="auto"):
    """Load Kuzushiji-MNIST: ten kana, cut from old books by CODH (Clanuwat et al. 2018).

    Parameters: `split` is "train" or "test". `source` "auto" takes KMNIST from the folders in KUZUSHIJI_DATA, the
    data folder or the network, and generated eigenkana only where none of these has it; "kmnist" refuses eigenkana;
    "eigenkana" asks for them.

    Returns images uint8 [n, 28, 28] (0 paper, 255 ink) and labels uint8 [n] (see `load_classmap`), n = 60,000 or
    10,000. Prints one line, once in a process, that says which data these are.

    Raises ValueError for another split, DataError for a bad file or folder, Unreachable (a DataError) where
    `source="kmnist"` and no source has it, with every source tried.
    """
    check_split(split)
    if kmnist_source(source) == "kmnist":
        return read_split("kmnist", split, verified_paths("kmnist")[0])
    from .eigenkana import load_model, sample

    return sample(load_model(), {"train": 60000, "test": 10000}[split], seed=SPLITS.index(split))


def load_k49(split):
    """Load Kuzushiji-49: 48 hiragana and one iteration mark, unbalanced (Clanuwat et al. 2018).

    Returns images uint8 [n, 28, 28] and labels uint8 [n] (0..48, see `load_classmap`), n = 232,365 ("train") or
    38,547 ("test"). Raises ValueError, DataError and Unreachable as `load_kmnist` with `source="kmnist"` does.
    """
    check_split(split)
    paths, unreachable = verified_paths("k49")
    if unreachable:
        raise unreachable
    _announce("data: K49, 232,365 train + 38,547 test images, verified")
    return read_split("k49", split, paths)


def check_split(split):
    if split not in SPLITS:
        raise ValueError(f'split is {split!r}, expected "train" or "test"')


def load_classmap(name):
    """The classes of "kmnist" (10), "k49" (49) or "kkanji" (3,832) as a pandas DataFrame, indexed by label.

    Columns codepoint ("U+304A") and char as in the official files (kkanji: in order of code point); for kana also
    romaji, parent (the kanji that the modern form was written from, its 字母 jibo) and other_parents (those of the
    hentaigana in Unicode, separated by spaces). The iteration mark ゝ has no sound or parent of its own: empty strings.

    Raises ValueError for another name.
    """
    import pandas as pd

    if name not in ("kmnist", "k49", "kkanji"):
        raise ValueError(f'class map {name!r} is not known, expected "kmnist", "k49" or "kkanji"')
    return pd.read_csv(bundled(f"{name}_classmap.csv"), index_col="index", keep_default_na=False)


def load_hentaigana():
    """Which parent kanji certain images of KMNIST's training set were written from, read by eye one by one.

    Returns a pandas DataFrame indexed by row of the training set: parent (a kanji, as in `load_classmap`) and certain
    (bool). 254 images, up to 10 of each shape; notebook 01 shows the certain ones.
    """
    import pandas as pd

    return pd.read_csv(bundled("hentaigana.csv"), index_col="index").assign(
        certain=lambda table: table.certain == "yes"
    )
