"""How every notebook begins: which data, which mode, which look."""

import os
import warnings
from contextlib import contextmanager
from dataclasses import dataclass

from .data import kmnist_source


@dataclass(frozen=True)
class Run:
    """What a notebook needs to know about its own run.

    data: "kmnist" or "eigenkana". quick: fewer images and epochs (KUZUSHIJI_QUICK=1). retrain: compute long work
    instead of loading its stored record (KUZUSHIJI_RETRAIN=1). maintain: the run that writes tracked files (`make
    notebooks`).
    """

    data: str
    quick: bool
    retrain: bool
    maintain: bool


def start():
    """Set the look of the figures, print which data are used (and quick mode, where it is on); returns a Run."""
    quick, retrain, maintain = (os.environ.get(f"KUZUSHIJI_{mode}") == "1" for mode in ("QUICK", "RETRAIN", "MAINTAIN"))
    run = Run(kmnist_source(), quick, retrain, maintain)
    if run.data != "kmnist":
        named = "The folders in KUZUSHIJI_DATA hold none of its files. " if os.environ.get("KUZUSHIJI_DATA") else ""
        print(f"{named}Text and titles describe KMNIST, not these images; data/README.md tells how to bring its files.")
    if run.quick:
        print("quick mode: fewer images, so other numbers than in the text; unset KUZUSHIJI_QUICK for the full run")
    # tqdm, which UMAP imports, would rather draw its bars as widgets, and says so on stderr; text bars are meant here.
    warnings.filterwarnings("ignore", message="IProgress not found")
    from .plots import use_style

    use_style()
    return run


@contextmanager
def native_messages_hidden():
    """Hide what native libraries write to file descriptor 2, where Python's own messages do not go through.

    TensorFlow reports there, past its own log level, that it found no GPU. Exceptions are raised as ever.
    """
    try:
        kept = os.dup(2)
    except OSError:  # closed: nothing can be written there
        yield
        return
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)
