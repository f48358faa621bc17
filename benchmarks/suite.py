"""Run what is missing of everything that benchmarks/results.json holds: `make benchmarks`, maintainers only.

First the commands whose figures stand in README's table, then the studies, each a script of this folder that skips what
it has finished. To repeat a measurement, take its rows out of results.json. What an interruption left unfinished goes
on with the next run.
"""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

from kuzushiji import DataError, build_folder, studies

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
    command = [str(BENCHMARKS / script), *map(str, options)]
    status = subprocess.call([sys.executable, *command], env={**os.environ, "WANDB_MODE": "disabled"})
    if status == 130:
        raise KeyboardInterrupt
    if status:
        raise DataError(f"{shlex.join(command)} ended with status {status}; finished rows are kept")


def measure(method, command):
    """Run one command and record its row."""
    file = build_folder() / "benchmark.json"
    file.unlink(missing_ok=True)
    call(*shlex.split(command), "--json", file)
    result = json.loads(file.read_text(encoding="utf-8"))
    chosen = {"chosen": result["chosen"]} if "chosen" in result else {}
    row = {
        "method": method, "parameters": {"command": command} | chosen, "metric": result["metric"], "seed": 0,
        "value": result["value"], "seconds": result["seconds"]["training"], "test seconds": result["seconds"]["test"],
        "peak memory, MB": result["peak memory, MB"], "validation": result["validation"],
    }  # fmt: skip
    studies.record("benchmarks", "make benchmarks", [row], result["versions"])


def run():
    """Run what is missing, one after the other."""
    studies.check_data()
    finished = {(row["method"], row["parameters"]["command"]) for row in studies.rows("benchmarks")}
    for method, command in COMMANDS.items():
        if (method, command) in finished:
            print(f"{method}: finished before", flush=True)
        else:
            print(f"{method}: {command}", flush=True)
            measure(method, command)
    for study in STUDIES:
        print(f"study {study}", flush=True)
        call(f"{study}.py")


def main():
    try:
        run()
    except DataError as error:
        print(f"suite.py: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("suite.py: stopped; finished rows are kept", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
