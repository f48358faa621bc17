"""Run what is missing of everything that benchmarks/results.json holds: `make benchmarks`, maintainers only.

First the commands whose figures stand in README's table, then the studies, each a script that skips what it has
finished. To repeat a measurement, take its rows out of results.json.
"""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import common

from kuzushiji import DataError, studies

BENCHMARKS = Path(__file__).resolve().parent
COMMANDS = {
    "1 nearest neighbour": "knn_kmnist.py -k 1",
    "4 nearest neighbours": "knn_kmnist.py",
    "PCA, 60 components, 4 nearest neighbours": "knn_kmnist.py --pca 60",
    "PCA, 50 components, SVM with RBF kernel": "svm_kmnist.py",
}
STUDIES = ("maps", "neighbours", "baseline", "final", "sprint", "degradations", "unknowns")


def call(script, *options):
    """Run a script of this folder in a process of its own; raises DataError where it fails."""
    command = [sys.executable, str(BENCHMARKS / script), *options]
    status = subprocess.call(command, env=os.environ | {"WANDB_MODE": "disabled", "KERAS_BACKEND": "tensorflow"})
    if status == 130:
        raise KeyboardInterrupt
    if status:
        raise DataError(f"{shlex.join(command)} ended with status {status}; finished rows are kept")


def measure(method, command):
    """Run one command and record its row."""
    print(f"{method}: {command}", flush=True)
    file = common.BUILD / "benchmark.json"
    file.parent.mkdir(exist_ok=True)
    call(*shlex.split(command), "--json", str(file))
    result = json.loads(file.read_text(encoding="utf-8"))
    chosen = {"chosen": result["chosen"]} if "chosen" in result else {}
    row = {"method": method, "parameters": {"command": command} | chosen, "seed": 0}
    row |= {name: result[name] for name in ("metric", "value", "validation", "peak memory, MB")}
    row |= {"seconds": result["seconds"]["training"], "test seconds": result["seconds"]["test"]}
    studies.record("benchmarks", "make benchmarks", [row], result["versions"])


def main():
    studies.check_data()
    finished = {(row["method"], row["parameters"]["command"]) for row in studies.rows("benchmarks")}
    for run in COMMANDS.items():
        if run not in finished:
            measure(*run)
    for study in STUDIES:
        call(f"{study}.py")


if __name__ == "__main__":
    common.run(main)
