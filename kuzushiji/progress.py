"""One way to show progress: a bar in a terminal or a notebook, cleared when done, nothing in a log file."""

import sys


def progress_bar(total, description, unit="it"):
    """A tqdm bar on stdout that clears itself; silent where stdout is neither a terminal nor a notebook.

    `total` is the number of `unit`s; use it as a context manager and call `update(n)`.
    """
    from tqdm import tqdm

    interactive = sys.stdout.isatty() or type(sys.stdout).__module__.startswith("ipykernel")
    return tqdm(
        total=total,
        desc=description,
        unit=unit,
        unit_scale=unit == "B",
        file=sys.stdout,
        leave=False,
        disable=not interactive,
        ncols=88,
    )
