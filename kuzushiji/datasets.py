"""The data sets: found in a folder or downloaded, verified once, and returned as arrays; and the tables about them."""

import hashlib
import os
from pathlib import Path

import numpy as np

from . import files, registry
from .download import fetch, is_old_release
from .eigenkana import generated
from .paths import DataError, Unreachable, bundled, data_folder, named_folders

SPLITS = ("train", "test")
_loaded = {}  # what `obtain` has read and verified in this process
_said = {}  # the last line that `announce` has printed of each data set


def find_files(*names, folder=None):
    """The files called one of `names` (earlier names first) in each named folder, then in the data folder: a list.

    Sub-folders and symbolic links are followed; `folder` takes the place of all those folders. Raises DataError for a
    named folder that is none, and where nothing was found and a folder could not be searched.
    """
    found, closed, seen = [], [], set()
    for top in named_folders(folder) + ([data_folder()] if folder is None else []):
        here, above = [], {str(folder) for folder in Path(os.path.realpath(top)).parents}
        for root, subfolders, entries in os.walk(top, onerror=closed.append, followlinks=True):
            if (real := os.path.realpath(root)) in seen or real in above:  # a link that leads back
                subfolders.clear()
                continue
            seen.add(real)
            subfolders.sort()
            here += [Path(root) / name for name in entries if name in names]
        found += sorted(here, key=lambda path: names.index(path.name))
    closed = [error for error in closed if not isinstance(error, FileNotFoundError)]
    if closed and not found:
        what = f"{closed[0].filename} could not be searched for {names[0]} ({closed[0].strerror})"
        raise DataError(f"{what}: give yourself the permission to read it, or name another folder")
    return found


def find_part(part, folder=None):
    """The path and the array of one official file, the first whose content fits; None where there is no such file.

    NPZ comes before gzipped IDX before IDX. Raises DataError where files of that name are there and none fits.
    """
    idx = [part.idx, part.idx.replace("-idx", ".idx")] if part.idx else []
    errors = []
    for path in find_files(part.name, *(name + ".gz" for name in idx), *idx, folder=folder):
        try:
            return path, read_part(path, part)
        except DataError as error:
            errors.append(error)
    if errors:
        raise DataError("; ".join(map(str, errors)))
    return None


def read_part(path, part):
    """Read an official file in whichever format it has; raises DataError where its content is another."""
    is_npz, advice = path.suffix == ".npz", "put the official file into a folder that is searched (data/README.md)"
    array = files.read_npz(path) if is_npz else files.read_idx(path)
    found, expected = hashlib.sha256(array).hexdigest(), part.content
    if not expected:
        found, expected = files.digest_of(path, part.digest.split(":")[0]), part.digest
    is_test = part is registry.PARTS["kmnist"]["test", "images"] and array.shape == part.shape
    is_old = is_npz and is_old_release(path, part.name)
    if is_old or is_test and not array[registry.OLD_RELEASE_BLACK_IMAGE].any():
        what = "is the OLD release of the data set (before 5 February 2019), whose images differ"
        advice = "figures measured on it cannot be compared: fetch the current release"
    elif array.dtype != np.uint8 or array.shape != part.shape:
        name = part.name.removesuffix(".npz")
        what = f"holds {array.dtype} {list(array.shape)}, expected {name}: uint8 {list(part.shape)}"
    elif found != expected:
        hint = "" if is_npz else " (the IDX files of MNIST and Fashion-MNIST have the same names)"
        what = f"has the right shape but other content{hint}: its digest is {found[:16]}…, expected {expected[:16]}…"
    else:
        return array
    raise DataError(f"{path} {what}; {advice}")


def obtain(dataset, folder=None):
    """All four files of "kmnist" or "k49" as {(split, "images" or "labels"): (path, array)}, downloaded where missing.

    A file is read and verified once in a process. Raises Unreachable where no file was found and no source answered
    (which is not remembered: the next call asks again), DataError where only some could be had.
    """
    place = (dataset, folder, os.environ.get("KUZUSHIJI_DATA"), os.environ.get("KUZUSHIJI_CACHE"), os.getcwd())
    if place in _loaded:
        return _loaded[place]
    parts = registry.PARTS[dataset]
    found = {key: find_part(part, folder) for key, part in parts.items()}
    missing = {key: part for key, part in parts.items() if not found[key]}
    try:
        for key, part in missing.items():
            path = fetch(dataset, part.name, folder or data_folder() / dataset, part.digest)
            found[key] = path, read_part(path, part)
    except Unreachable as error:
        here = [value[0] for value in found.values() if value]
        if not here:
            raise
        names = ", ".join(part.name for key, part in missing.items() if not found[key])
        only = f"only {len(here)} of the 4 files of {dataset} were found ({here[0]}), not {names}"
        raise DataError(f"{only}. {error}") from error
    _loaded[place] = found
    return found


def announce(dataset, line):
    """Print which data these are, where that was not what was printed last."""
    if _said.get(dataset) != line:
        _said[dataset] = line
        print(line, flush=True)


def quick_mode():
    """Whether the loaders hand out a tenth of the images, for trying out: KUZUSHIJI_QUICK is 1."""
    return os.environ.get("KUZUSHIJI_QUICK") == "1"


def handed_out(labels, keep=()):
    """The rows that a loader hands out of images with these `labels` [n], in ascending order: an array of integers.

    All of them; in quick mode a tenth of each class, rounded up and always the same, with the rows in `keep` among it.
    """
    rows = np.arange(len(labels))
    if not quick_mode():
        return rows
    drawn = np.random.default_rng(0).permutation(rows)
    drawn = drawn[np.lexsort((~np.isin(drawn, keep), labels[drawn]))]  # by class; in each what is kept, then as drawn
    classes = labels[drawn]
    rank, size = rows - np.searchsorted(classes, classes), np.bincount(classes)[classes]
    return np.sort(drawn[(10 * rank < size) | np.isin(drawn, keep)])


def kmnist_source(source="auto", folder=None):
    """Decide whether KMNIST itself ("kmnist") or "eigenkana" are used, and print the line that says so.

    `source`, `folder` and errors as in `load_kmnist`.
    """
    if source not in ("auto", "kmnist", "eigenkana"):
        raise ValueError(f'source is {source!r}, expected "auto", "kmnist" or "eigenkana"')
    why = "as asked"
    train, test, mode = ("6,000", "1,000", "quick mode: a tenth") if quick_mode() else ("60,000", "10,000", "")
    if source != "eigenkana":
        try:
            obtain("kmnist", folder)
            announce("kmnist", f"data: KMNIST, {train} train + {test} test images{mode and f' ({mode})'}, verified")
            return "kmnist"
        except Unreachable:
            if source == "kmnist":
                raise
            why = "KMNIST was not reachable"
    announce("kmnist", f"data: eigenkana, {train} + {test} generated images ({mode and mode + '; '}{why})")
    return "eigenkana"


def load_kmnist(split, source="auto", folder=None):
    """Load Kuzushiji-MNIST: ten kana, cut from old books by CODH (Clanuwat et al. 2018).

    Returns images uint8 [n, 28, 28] (0 paper, 255 ink) and labels uint8 [n] (see `load_classmap`), n = 60,000 where
    `split` is "train", 10,000 where it is "test". Prints one line, once in a process, that says which data these are.
    In quick mode (KUZUSHIJI_QUICK=1) n is 6,000 and 1,000: a tenth of each class, the images of `load_specimens` and
    `load_readings` among them.

    `source` "auto" takes KMNIST from the folders in KUZUSHIJI_DATA, the data folder or the network, and generated
    eigenkana only where none of these has it; "kmnist" refuses eigenkana; "eigenkana" asks for them. `folder` is
    searched, and downloaded into, in place of all those folders. Raises ValueError for another split, DataError for a
    bad file or folder, Unreachable (a DataError) where `source="kmnist"` and no source has it.
    """
    chosen = kmnist_source(source, folder)
    images, labels = whole(chosen, split, folder)
    rows = kmnist_rows(chosen, split, labels)
    return images[rows], labels[rows]


def kmnist_rows(source, split, labels):
    """The rows of "kmnist" or "eigenkana" that `load_kmnist` hands out; quick mode has all those that were read."""
    if not quick_mode():  # where nothing is left out, no table is read
        return np.arange(len(labels))
    read = reading_table(source)
    specimens = specimen_table(source).index if split == "train" else []
    return handed_out(labels, [*read.loc[read["split"] == split, "row"], *specimens])


def load_k49(split, folder=None):
    """Load Kuzushiji-49: 48 hiragana and one iteration mark, unbalanced (Clanuwat et al. 2018).

    Returns images uint8 [n, 28, 28] and labels uint8 [n] (0..48, see `load_classmap`), n = 232,365 ("train") or
    38,547 ("test"); in quick mode 23,245 and 3,860. `folder` and errors as of `load_kmnist` with `source="kmnist"`.
    """
    images, labels = whole("k49", split, folder)
    rows = handed_out(labels)
    train, test, mode = ("23,245", "3,860", " (quick mode: a tenth)") if quick_mode() else ("232,365", "38,547", "")
    announce("k49", f"data: K49, {train} train + {test} test images{mode}, verified")
    return images[rows], labels[rows]


def whole(dataset, split, folder):
    """All images and labels of a split of "kmnist", "k49" or "eigenkana", whatever the mode; not to be changed."""
    if split not in SPLITS:
        raise ValueError(f'split is {split!r}, expected "train" or "test"')
    if dataset == "eigenkana":
        return generated(split)[:2]
    found = obtain(dataset, folder)
    return tuple(found[split, kind][1] for kind in ("images", "labels"))


def load_classmap(name):
    """The classes of "kmnist" (10), "k49" (49) or "kkanji" (3,832) as a pandas DataFrame, indexed by label.

    Columns codepoint ("U+304A") and char as in the official files (kkanji: in order of code point); for kana also
    romaji, parent (the kanji that the modern form was written from, its 字母 jibo) and other_parents (those of the
    hentaigana in Unicode, separated by spaces). The iteration mark ゝ has none of these: empty strings. ValueError for
    another name.
    """
    import pandas as pd

    if name not in ("kmnist", "k49", "kkanji"):
        raise ValueError(f'class map {name!r} is not known, expected "kmnist", "k49" or "kkanji"')
    return pd.read_csv(bundled(f"{name}_classmap.csv"), index_col="index", keep_default_na=False)


def load_specimens(source="auto", folder=None):
    """Images of KMNIST's training set whose parent kanji was read by eye, one by one.

    Returns images uint8 [n, 28, 28] and a pandas DataFrame with a line for each: row (its place in what
    `load_kmnist("train")` returns), label, parent (a kanji, as in `load_classmap`) and certain (bool). Of KMNIST these
    are 254, up to 10 of each shape; of eigenkana the first 10 generated from each parent, though not all parents
    occur. Parameters and errors as of `load_kmnist`.
    """
    chosen = kmnist_source(source, folder)
    images, labels = whole(chosen, "train", folder)
    table = specimen_table(chosen)
    rows = table.index.to_numpy()
    table = table.assign(row=np.searchsorted(kmnist_rows(chosen, "train", labels), rows), label=labels[rows])
    return images[rows], table.reset_index(drop=True)[["row", "label", "parent", "certain"]]


def specimen_table(source):
    """The specimens of "kmnist" or "eigenkana" as a table of parent and certain, by row of the whole training set."""
    import pandas as pd

    if source == "kmnist":
        table = pd.read_csv(bundled("hentaigana.csv"), index_col="index")
        return table.assign(certain=table["certain"] == "yes")
    _, labels, parents = generated("train")
    table = pd.DataFrame({"parent": parents, "certain": True})
    return table.groupby([labels, "parent"]).head(10)


def load_readings(source="auto", folder=None):
    """A random sample of 100 images of each kana and split whose parent kanji was read twice.

    Returns a pandas DataFrame with a line for each of the 2,000: split ("train" or "test"), row (the place in what
    `load_kmnist(split)` returns), label, parent, and the two readings `first` and `second`, which was made without the
    first. A reading is a kanji of the class map, "other" or "unreadable"; where the two differ, parent is "uncertain".
    Of eigenkana these are the first 100 of each kana and split, with the parents of their shapes. Parameters and errors
    as of `load_kmnist`.
    """
    chosen = kmnist_source(source, folder)
    table = reading_table(chosen)
    for split in SPLITS:
        labels, here = whole(chosen, split, folder)[1], table["split"] == split
        rows = table.loc[here, "row"].to_numpy()
        table.loc[here, "label"] = labels[rows]
        table.loc[here, "row"] = np.searchsorted(kmnist_rows(chosen, split, labels), rows)
    return table.astype({"label": int})[["split", "row", "label", "parent", "first", "second"]]


def reading_table(source):
    """The readings of "kmnist" or "eigenkana" as a table of split, row of the whole split, parent, first and second."""
    import pandas as pd

    if source == "kmnist":
        return pd.read_csv(bundled("readings.csv"))
    tables = []
    for split in SPLITS:
        _, labels, parents = generated(split)
        table = pd.DataFrame({"split": split, "row": np.arange(len(labels)), "parent": parents})
        tables.append(table.groupby(labels).head(100))
    table = pd.concat(tables, ignore_index=True)
    return table.assign(first=table["parent"], second=table["parent"])


def load_foreign_land(source="auto", folder=None):
    """The test images that lie among another kana on notebook 02's map: a pandas DataFrame, test_row and host (label).

    `test_row` is the place in what `load_kmnist("test")` returns. Empty on eigenkana, of which nobody drew that map;
    quick mode has those of its tenth. Parameters and errors as of `load_kmnist`.
    """
    import pandas as pd

    table, chosen = pd.read_csv(bundled("foreign_land.csv")), kmnist_source(source, folder)
    if chosen == "eigenkana":
        return table.head(0)
    rows = kmnist_rows(chosen, "test", whole(chosen, "test", folder)[1])
    table = table[table["test_row"].isin(rows)].reset_index(drop=True)
    return table.assign(test_row=np.searchsorted(rows, table["test_row"]))
