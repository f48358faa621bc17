"""Where things are: the checkout, the files that the project ships, the folders for data; and the errors about data."""

import os
from pathlib import Path

PACKAGE = Path(__file__).parent
CHECKOUT = PACKAGE.parent


class DataError(Exception):
    """Something about the data is wrong; the message says what was found, what was expected and what to do."""


class Unreachable(DataError):
    """No source had the data; the message lists every source tried and why each failed."""


def in_checkout():
    """Whether this is a checkout of the project, and not an installed copy."""
    return (CHECKOUT / "pyproject.toml").exists() and (CHECKOUT / "data" / "kmnist_classmap.csv").exists()


def bundled(name):
    """Path of a file that the project ships in data/ (a class map, eigenkana.npz), in a checkout or installed."""
    path = CHECKOUT / "data" / name
    return path if path.exists() else PACKAGE / "bundled" / name


def data_folder():
    """Where downloads go: KUZUSHIJI_CACHE, else data/ of a checkout, else the user's cache folder. Raises DataError."""
    named = os.environ.get("KUZUSHIJI_CACHE")
    if not named and in_checkout():
        return CHECKOUT / "data"
    import pooch

    try:
        return Path(named or pooch.os_cache("kuzushiji")).expanduser()
    except RuntimeError as error:
        what = f"downloads would go to {named or 'your cache folder'}, but this system knows no such home folder"
        raise DataError(f"{what}: set KUZUSHIJI_CACHE to the full path of a folder") from error


def named_folders(folder=None):
    """The folders in KUZUSHIJI_DATA, or `folder` alone where one is given. Raises DataError for what is no folder."""
    entries = os.environ.get("KUZUSHIJI_DATA", "").split(os.pathsep) if folder is None else [folder]
    what = "KUZUSHIJI_DATA names" if folder is None else "the folder given is"
    folders = [Path(os.path.expanduser(entry)) for entry in entries if entry]
    for path in folders:
        if not os.path.isdir(path):
            found = "is no folder, or in one that may not be read"
            raise DataError(f"{what} {path}, which {found}: correct it, or leave it out to download the data")
    return folders
