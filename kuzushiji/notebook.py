"""How every notebook begins: which data, which mode, which look."""

import os
import warnings

from .datasets import kmnist_source, quick_mode


def start():
    """Print which data are used, set the look of the figures; returns whether this run is in quick mode."""
    from .figures import use_style

    generated, quick = kmnist_source() != "kmnist", quick_mode()
    if generated:
        named = "The folders in KUZUSHIJI_DATA hold none of its files. " if os.environ.get("KUZUSHIJI_DATA") else ""
        print(f"{named}Text and titles describe KMNIST, not these images; data/README.md tells how to bring its files.")
    if quick:
        print("quick mode: other numbers than in the text; unset KUZUSHIJI_QUICK for the full run")
    # tqdm, which UMAP imports, would rather draw its bars as widgets, and says so on stderr; text bars are meant here.
    warnings.filterwarnings("ignore", message="IProgress not found")
    use_style(generated)
    return quick
