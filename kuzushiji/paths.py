"""Where things are: the checkout, the files that the project ships, the folders for data; and the errors about data."""

import errno
import os
from pathlib import Path

PACKAGE = Path(__file__).parent
CHECKOUT = PACKAGE.parent


class DataError(Exception):
    """Something about the data is wrong; the message says what was found, what was expected and what to do."""


class Unreachable(DataError):
    """No source had the data; the message lists every source tried and why each failed."""

    setting = ""  # which setting of this machine is at fault, "" where it is the network itself


def in_checkout():
    """Whether this is a checkout of the project, and not an installed copy."""
    return (CHECKOUT / "pyproject.toml").exists() and (CHECKOUT / "data" / "kmnist_classmap.csv").exists()


def bundled(name):
    """Path of a file that the project ships in data/ (a class map, eigenkana.npz), in a checkout or installed."""
    path = CHECKOUT / "data" / name
    return path if path.exists() else PACKAGE / "bundled" / name


def data_folder():
    """Where downloads go: KUZUSHIJI_CACHE, else data/ of a checkout, else the user's cache folder. Raises DataError."""
    if named := os.environ.get("KUZUSHIJI_CACHE"):
        return expanded(named, f"KUZUSHIJI_CACHE names {named}")
    if in_checkout():
        return CHECKOUT / "data"
    import pooch

    return expanded("kuzushiji", "KUZUSHIJI_CACHE is not set, so downloads would go to your home", pooch.os_cache)


def named_folders(folder=None):
    """The folders in KUZUSHIJI_DATA, or `folder` alone where one is given. Raises DataError for what is no folder."""
    entries = os.environ.get("KUZUSHIJI_DATA", "").split(os.pathsep) if folder is None else [folder]
    what = "KUZUSHIJI_DATA names" if folder is None else "the folder given is"
    folders = [expanded(entry, f"{what} {entry}") for entry in entries if entry]
    for path in folders:
        try:
            found = "" if path.is_dir() else "is not a folder"
        except OSError as error:
            found = f"may not be read ({error.strerror})"
        if found:
            raise DataError(f"{what} {path}, which {found}: correct it, or leave it out to download the data")
    return folders


def expanded(path, what, place=Path):
    """`place(path)` with ~ replaced by a home folder; a DataError that begins with `what` where there is none."""
    try:
        return Path(place(path)).expanduser()
    except RuntimeError as error:
        raise DataError(f"{what}, but this system knows no such home folder: set it to a full path") from error


def build_folder():
    """Where notebooks write what is not tracked: build/ of a checkout, else of the working directory. DataError."""
    folder = (CHECKOUT if in_checkout() else Path.cwd()) / "build"
    try:
        folder.mkdir(exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        what = f"{folder} cannot be written ({error.strerror})"
        raise DataError(f"{what}: allow writing there, or copy the series") from error
    return folder
