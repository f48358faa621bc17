"""The measured figures of the series in one file, benchmarks/results.json: written by the maintainers' run alone."""

import json
import os
from importlib.metadata import version

from .datasets import kmnist_source
from .files import replacing
from .paths import CHECKOUT, DataError, bundled

RESULTS = CHECKOUT / "benchmarks" / "results.json"


def record(source, rows, packages=()):
    """Replace the rows of `source` (a notebook or script) in benchmarks/results.json; does nothing in a reader's run.

    Each row is a dictionary with method, parameters, metric, values (one for each seed), seeds and seconds (of one
    run); the data release and the versions of `packages` are added. Raises DataError on anything but the real KMNIST.
    """
    if os.environ.get("KUZUSHIJI_MAINTAIN") != "1":
        return
    if kmnist_source() != "kmnist":
        raise DataError("figures measured on eigenkana are never recorded: run this on the real KMNIST")
    shared = {
        "source": source,
        "data": "KMNIST, release of 5 February 2019",
        "versions": {name: version(name) for name in packages},
    }
    kept = [row for row in recorded() if row["source"] != source]
    rows = sorted(
        kept + [{**shared, **row} for row in rows], key=lambda row: (row["source"], row["method"], row["metric"])
    )
    with replacing(RESULTS) as temporary:
        temporary.write_text(json.dumps(rows, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def recorded(source=None):
    """The recorded rows, of one `source` or of all: a list of dictionaries (see `record`); empty where none are."""
    path = RESULTS if RESULTS.exists() else bundled("results.json")  # in an installed copy they lie with the package
    rows = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    return [row for row in rows if source in (None, row["source"])]
