"""Helpers of the Kuzushiji tutorial series: the data, the font and the plots, and nothing a reader came to learn."""

from importlib import import_module

# Loaded at first use, so that `import kuzushiji` costs nothing.
_HOME = {
    "load_kmnist": "data",
    "load_k49": "data",
    "load_classmap": "data",
    "load_kkanji": "kanji",
    "data_folder": "data",
    "build_folder": "data",
    "load_hentaigana": "data",
    "DataError": "errors",
    "Unreachable": "errors",
    "read": "reading",
    "start": "session",
    "DrawingPad": "pad",
    "show": "plots",
    "image_grid": "plots",
    "plot_embedding": "plots",
    "draw_images_at": "plots",
    "PALETTE": "plots",
    "ACCENT": "plots",
    "QUIET": "plots",
    "INK": "plots",
}
__all__ = list(_HOME)


def __getattr__(name):
    if name in _HOME:
        return getattr(import_module(f".{_HOME[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *__all__])
