"""How every notebook begins: which data, which mode, which look."""

import os
import warnings
from dataclasses import dataclass

from .datasets import kmnist_source


@dataclass(frozen=True)
class Run:
    """A notebook's run; KUZUSHIJI_QUICK, _RETRAIN and _MAINTAIN, set to 1, switch on the last three."""

    data: str  # "kmnist" or "eigenkana"
    quick: bool  # takes fewer images and epochs
    retrain: bool  # trains anew what is recorded
    maintain: bool  # writes tracked files


def start():
    """Print which data are used (and quick mode, where it is on), set the look of the figures; returns a Run."""
    from .figures import use_style

    modes = {mode: os.environ.get(f"KUZUSHIJI_{mode.upper()}") == "1" for mode in ("quick", "retrain", "maintain")}
    run = Run(kmnist_source(), **modes)
    if run.data != "kmnist":
        named = "The folders in KUZUSHIJI_DATA hold none of its files. " if os.environ.get("KUZUSHIJI_DATA") else ""
        print(f"{named}Text and titles describe KMNIST, not these images; data/README.md tells how to bring its files.")
    if run.quick:
        print("quick mode: fewer images, so other numbers than in the text; unset KUZUSHIJI_QUICK for the full run")
    # tqdm, which UMAP imports, would rather draw its bars as widgets, and says so on stderr; text bars are meant here.
    warnings.filterwarnings("ignore", message="IProgress not found")
    use_style(generated=run.data != "kmnist")
    return run
