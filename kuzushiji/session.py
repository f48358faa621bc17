"""How every notebook begins: which data, which mode, which look."""

import os
from dataclasses import dataclass

from .data import kmnist_source


@dataclass(frozen=True)
class Run:
    """What a notebook needs to know about its own run.

    data: "kmnist" or "eigenkana". quick: fewer images and epochs (KUZUSHIJI_QUICK=1). retrain: compute long work
    instead of loading its stored record (KUZUSHIJI_RETRAIN=1).
    """

    data: str
    quick: bool
    retrain: bool


def start():
    """Set the look of the figures, print which data are used (and quick mode, where it is on); returns a Run."""
    run = Run(kmnist_source(), os.environ.get("KUZUSHIJI_QUICK") == "1", os.environ.get("KUZUSHIJI_RETRAIN") == "1")
    if run.quick:
        print("quick mode: fewer images and rounded figures; unset KUZUSHIJI_QUICK for the full run")
    from .plots import use_style

    use_style()
    return run
