"""How every notebook begins: which data, which mode, which look."""

from .datasets import kmnist_source, quick_mode


def start():
    """Print which data are used, set the look of the figures; returns whether this run is in quick mode."""
    from .figures import use_style

    generated, quick = kmnist_source() != "kmnist", quick_mode()
    if generated:
        print("Text and titles describe KMNIST, not these images; data/README.md tells how to bring its files.")
    if quick:
        print("quick mode: other numbers than in the text; unset KUZUSHIJI_QUICK for the full run")
    use_style(generated)
    return quick
