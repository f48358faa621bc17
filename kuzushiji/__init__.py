"""Helpers of the Kuzushiji tutorial series: the data, the font and the plots, and nothing a reader came to learn."""

import sys
from importlib import import_module
from typing import TYPE_CHECKING

from .paths import DataError, Unreachable, data_folder

try:
    from .datasets import load_classmap, load_foreign_land, load_k49, load_kmnist, load_readings, load_specimens
    from .kkanji import load_kkanji
    from .notebook import start
    from .reading import read
    from .studies import recorded
except ModuleNotFoundError as error:
    if sys.argv[:1] != ["-m"]:
        raise
    # `python -m kuzushiji` imports this file first
    print(f"kuzushiji: this Python has no {error.name}; the series' own is .venv/bin/python", file=sys.stderr)
    sys.exit(2)

if TYPE_CHECKING:  # for editors
    from .figures import ACCENT, INK, PALETTE, QUIET, draw_images_at, image_grid, plot_embedding, show  # noqa: F401
    from .pad import DrawingPad  # noqa: F401

# matplotlib and anywidget take seconds to import, and not everybody has anywidget: no star import brings the pad.
_FIGURES = ("show", "image_grid", "plot_embedding", "draw_images_at", "PALETTE", "ACCENT", "QUIET", "INK")
_LATER = dict.fromkeys(_FIGURES, "figures") | {"DrawingPad": "pad"}

__all__ = [
    "DataError", "Unreachable", "data_folder", "load_classmap", "load_foreign_land", "load_k49", "load_kkanji",
    "load_kmnist", "load_readings", "load_specimens", "read", "recorded", "start", *_FIGURES,
]  # fmt: skip


def __getattr__(name):
    if name in _LATER:
        return getattr(import_module(f".{_LATER[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *_LATER})
