"""Run the suite of benchmarks on Kuzushiji-MNIST and record it: `make benchmarks`, maintainers only.

Every row is one command of this folder, run once for each seed. What is finished stands in benchmarks/results.json and
is not run again (take the row out of that file to repeat it); what notebook 03 has recorded is not run at all. At the
end README's tables and img/benchmarks.png are drawn from the file.
"""

import json
import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "benchmarks")]

from kuzushiji import DataError, load_kmnist, results  # noqa: E402
from kuzushiji.paths import build_folder  # noqa: E402

SOURCE = "benchmarks"
NOTEBOOK = "03_cnn_from_scratch"
IMAGES = 60_000


@dataclass(frozen=True)
class Row:
    """One line of the table: a command and the seeds it is run with.

    `short` is its label in the figure, `minutes` about what it takes on two CPU cores, `published` what report.py's
    PUBLISHED calls the same method, `notebook` what notebook 03 calls the same training.
    """

    name: str
    short: str
    command: str
    minutes: float
    seeds: tuple = (0,)
    published: str | None = None
    notebook: str | None = None


CNN = "cnn_kmnist.py --validation_images 0 --recipe "
ROWS = (
    Row("1 nearest neighbour", "1-NN", "knn_kmnist.py -k 1", 1),
    Row("4 nearest neighbours", "4-NN", "knn_kmnist.py", 1, published="4-nearest-neighbour baseline"),
    Row("PCA, 60 components, 4 nearest neighbours", "PCA + 4-NN", "knn_kmnist.py --pca 60", 1, published="PCA + 4-kNN"),
    Row("PCA, 50 components, SVM with RBF kernel", "PCA + SVM", "svm_kmnist.py", 6),
    Row("simple CNN", "simple CNN", CNN + "simple", 8, (0, 1, 2), "Keras simple CNN", "baseline"),
    Row("residual CNN of notebook 03", "residual CNN", CNN + "residual", 16, (0, 1, 2), notebook="final"),
)


def from_notebook(row):
    """What notebook 03 recorded of this training, or None."""
    for found in results.recorded(NOTEBOOK) if row.notebook else ():
        if (found["method"], found["metric"]) == (row.notebook, "test accuracy"):
            return found
    return None


def own(row):
    """What the suite itself recorded of this command, or None."""
    for found in results.recorded(SOURCE):
        if (found["method"], found["parameters"]["command"]) == (row.name, row.command):
            return found
    return None


def missing_seeds(row):
    """The seeds that have neither been recorded by notebook 03 nor been run."""
    if from_notebook(row):
        return []
    found = own(row)
    return [seed for seed in row.seeds if not found or seed not in found["seeds"]]


def check_notebook():
    """Raise DataError where notebook 03 trained with other settings than the command of the same row."""
    import cnn_kmnist

    for row in ROWS:
        found = from_notebook(row)
        if found:
            options = cnn_kmnist.new_parser().parse_args(shlex.split(row.command)[1:])
            cnn_kmnist.settle(options)
            ours = cnn_kmnist.settings(options, IMAGES)
            if found["parameters"] != ours:
                raise DataError(f'notebook 03 recorded "{row.notebook}" with {found["parameters"]}, not with {ours}')


def measure(row, seed, folder):
    """Run a row's command in a process of its own; returns its JSON, or raises DataError where it failed."""
    file = folder / "result.json"
    file.unlink(missing_ok=True)
    script, *options = shlex.split(row.command)
    command = [sys.executable, str(ROOT / "benchmarks" / script), *options, "--seed", str(seed), "--json", str(file)]
    status = subprocess.call(command, env={**os.environ, "WANDB_MODE": "disabled"})
    if status:
        raise DataError(f"`{row.command} --seed {seed}` ended with status {status}; finished rows are kept")
    return json.loads(file.read_text(encoding="utf-8"))


def add(row, seed, result):
    """Put one seed's result into the row's entry of benchmarks/results.json."""
    entry = own(row) or {
        "method": row.name,
        "parameters": {"command": row.command},
        "metric": result["metric"],
        "versions": result["versions"],
        **{name: [] for name in ("values", "seeds", "training seconds", "test seconds", "peak memory, MB")},
    }
    if "chosen" in result:
        entry["parameters"]["chosen"] = result["chosen"]
    if result["validation"] is not None:
        entry.setdefault("validation", []).append(result["validation"])
    entry["values"].append(result["value"])
    entry["seeds"].append(seed)
    entry["training seconds"].append(result["seconds"]["training"])
    entry["test seconds"].append(result["seconds"]["test"])
    entry["peak memory, MB"].append(result["peak memory, MB"])
    entry["seconds"] = round(sum(entry["training seconds"]) / len(entry["seeds"]), 2)
    others = [found for found in results.recorded(SOURCE) if found["method"] != row.name]
    results.record(SOURCE, [*others, entry])


def run(rows=ROWS):
    """Run what is missing of the rows, one after the other."""
    load_kmnist("test", source="kmnist")
    check_notebook()
    os.environ["KUZUSHIJI_MAINTAIN"] = "1"
    folder = build_folder() / "benchmarks"
    folder.mkdir(exist_ok=True)
    left = sum(row.minutes * len(missing_seeds(row)) for row in rows)
    for number, row in enumerate(rows, start=1):
        seeds = missing_seeds(row)
        if not seeds:
            where = "recorded by notebook 03" if from_notebook(row) else "finished before"
            print(f"[{number}/{len(rows)}] {row.name}: {where}", flush=True)
        for seed in seeds:
            print(f"[{number}/{len(rows)}] {row.name}, seed {seed} (about {left:.0f} minutes to go)", flush=True)
            add(row, seed, measure(row, seed, folder))
            left -= row.minutes


def main():
    try:
        run()
    except DataError as error:
        print(f"suite.py: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("suite.py: stopped; finished rows are kept", file=sys.stderr)
        return 130
    import render_results

    render_results.main()
    print("README.md and img/benchmarks.png are drawn from benchmarks/results.json.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
