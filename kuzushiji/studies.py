"""The records of the studies: every long measurement of the series, in one file, benchmarks/results.json.

A study is a script in benchmarks/. One row is one number, with all that it takes to repeat it.
"""

import json
import os
import platform
from datetime import date
from importlib.metadata import version
from pathlib import Path

from .datasets import kmnist_source, quick_mode
from .files import replacing
from .paths import CHECKOUT, DataError, bundled
from .registry import CURRENT_RELEASE

RESULTS = CHECKOUT / "benchmarks" / "results.json"
KEY = ("study", "method", "metric", "parameters", "seed")  # no two rows agree in all of these


def recorded(study):
    """The rows of a study as a pandas DataFrame, and one printed line: machine, date, seeds, and how to repeat it.

    Columns: method, parameters (a dictionary), metric, seed, value, seconds (one run; NaN where it was not timed),
    machine, date, command, data, versions; and history (a list with a dictionary for each epoch) and others where a
    study has them. A record is KMNIST's, whatever data this run has. Raises KeyError for a study that has no record.
    """
    import pandas as pd

    found = rows(study)
    if not found:
        known = ", ".join(sorted({row["study"] for row in rows()}))
        raise KeyError(f"no study {study!r} is recorded, expected one of {known}")
    table = pd.DataFrame(found)
    machines, dates, commands = (" / ".join(table[name].unique()) for name in ("machine", "date", "command"))
    seeds = ", ".join(map(str, sorted(table["seed"].unique())))
    print(f"record of the study {study!r} on KMNIST, seeds {seeds}; machine: {machines}; date: {dates}; {commands}")
    return table


def rows(study=None):
    """The recorded rows, of one study or of all: a list of dictionaries; empty where there are none."""
    path = RESULTS if RESULTS.exists() else bundled("results.json")  # in an installed copy they lie with the package
    found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    return [row for row in found if study in (None, row["study"])]


def record(study, command, new, packages=()):
    """Write rows of a study, each in place of the one that it repeats.

    Each of `new` is a dictionary with method, parameters, metric, seed, value and seconds (or None); the machine, the
    date, the release of the data and the versions of `packages` are added. Raises DataError on anything but the whole
    real KMNIST.
    """
    check_data()
    shared = {
        "study": study, "command": command, "machine": machine(), "date": date.today().isoformat(),
        "data": CURRENT_RELEASE, "versions": {name: version(name) for name in packages},
    }  # fmt: skip
    new = [{**shared, **row} for row in new]
    repeated = [identity(row) for row in new]
    kept = [row for row in rows() if identity(row) not in repeated]
    lines = [json.dumps(row, ensure_ascii=False) for row in sorted(kept + new, key=identity)]
    with replacing(RESULTS) as temporary:
        temporary.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")


def identity(row):
    """What tells a row from all others, as text."""
    return json.dumps([row[name] for name in KEY], ensure_ascii=False, sort_keys=True)


def missing(study, runs):
    """Those of `runs`, (method, parameters, seed), that are not recorded; where there are any, the data are checked."""
    finished = [(row["method"], row["parameters"], row["seed"]) for row in rows(study)]
    left = [run for run in runs if run not in finished]
    if left:
        check_data()
    return left


def check_data():
    """Raise DataError unless the whole real KMNIST is at hand: nothing else is ever recorded."""
    if quick_mode() or kmnist_source() != "kmnist":
        raise DataError("a tenth of the images or eigenkana are never recorded: unset KUZUSHIJI_QUICK, bring KMNIST")


def machine():
    """This machine in a few words: processor, cores that this process may use, system."""
    cpuinfo = Path("/proc/cpuinfo")
    names = [line for line in cpuinfo.read_text().splitlines() if "model name" in line] if cpuinfo.exists() else []
    name = names[0].split(":")[1].strip() if names else platform.processor() or platform.machine()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{name}, {cores} cores, {platform.system()}"
