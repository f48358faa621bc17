"""What the scripts share: how they end, what a study does; of the commands their options, data, log and result."""

import argparse
import hashlib
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np

from kuzushiji import DataError, load_classmap, load_k49, load_kmnist, studies
from kuzushiji.datasets import SPLITS, quick_mode
from kuzushiji.files import replacing, writing
from kuzushiji.paths import CHECKOUT
from kuzushiji.registry import CURRENT_RELEASE

BUILD = CHECKOUT / "build"  # for what is not tracked
OLD_DATA_HOME = "./dataset"  # of the W&B scripts
RELEASES = {"kmnist": CURRENT_RELEASE, "k49": "Kuzushiji-49, current release"}
METRICS = {"kmnist": "accuracy", "k49": "balanced accuracy"}


def run(main):
    """Call the main function of a script, and end: status 2 and one line for bad data, 130 where it was stopped."""
    try:
        main()
    except DataError as error:
        status, why = 2, " ".join(str(error).split())
    except KeyboardInterrupt:
        status, why = 130, "stopped; finished rows are kept"
    else:
        return
    print(f"{Path(sys.argv[0]).name}: {why}", file=sys.stderr)
    sys.exit(status)


def write_json(path, content):
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def flat(images):
    """Images uint8 [n, 28, 28] as float32 [n, 784], still 0 to 255."""
    return images.reshape(len(images), -1).astype(np.float32)


def run_study(study, runs, measure, packages, command=None):
    """Measure those of `runs`, (method, parameters, seed), that results.json lacks; record each when it is finished.

    `measure(method, parameters, seed)` returns rows as `studies.record` wants them; these three need not be in them.
    What it imports first is not imported where all is finished. Returns the runs that were measured.
    """
    missing = studies.missing(study, runs)
    for method, parameters, seed in missing:
        shared = {"method": method, "parameters": parameters, "seed": seed}
        rows = [shared | row for row in measure(method, parameters, seed)]
        studies.record(study, command or f"python benchmarks/{study}.py", rows, packages)
        shutil.rmtree(state_folder(method, parameters, seed), ignore_errors=True)
        for row in rows:
            print(f"{row['method']}, seed {seed}: {row['metric']} {row['value']:g}", flush=True)
    print(f"{study}: {len(runs) - len(missing)} of {len(runs)} were recorded before, {len(missing)} measured now")
    return missing


def state_folder(*run):
    """Where a training of a study, (method, parameters, seed), keeps its state until its rows are recorded."""
    return BUILD / "trainings" / hashlib.sha256(json.dumps(run, sort_keys=True).encode()).hexdigest()[:12]


def rows_of(values, seconds):
    """Rows for `run_study` from {metric: value}, to four decimals; `seconds` None where they say nothing."""
    seconds = None if seconds is None else round(seconds, 1)
    return [{"metric": name, "value": round(float(value), 4), "seconds": seconds} for name, value in values.items()]


def whole_number(least):
    """A type of option: a whole number that is not less than `least`."""

    def number(text):
        if int(text) < least:
            raise argparse.ArgumentTypeError(f"{text} is not a whole number of {least} or more")
        return int(text)

    return number


def new_parser(description):
    """A parser with the options that all commands have."""
    parser = argparse.ArgumentParser(description=description, allow_abbrev=False)
    add = parser.add_argument
    saved = "the model is saved to NAME.joblib, a network to NAME.keras (default: no name, no file)"
    add("-m", "--model_name", default="", metavar="NAME", help=f"name of the run; {saved}")
    found = "they are found as in the whole series: KUZUSHIJI_DATA, the data folder, a download"
    where = f"folder of the data files (default: {OLD_DATA_HOME} where that folder exists, else {found})"
    add("--data_home", metavar="DIR", help=where)
    add("-q", "--dry_run", action="store_true", help="log to W&B's offline mode, on this machine alone")
    add("--quick_run", action="store_true", help="only the first 6,000 training and 1,000 test images")
    add("--dataset", choices=["kmnist", "k49"], default="kmnist", help="the data set (default: %(default)s)")
    add("--seed", type=whole_number(0), default=0, help="seed of everything random (default: %(default)s)")
    aside = "training images to keep aside for validation, drawn at random (default: a tenth of them; 0: none)"
    habit = "the old habit: train on all training images and validate on the TEST images"
    validation = parser.add_mutually_exclusive_group()
    validation.add_argument("--validation_images", type=whole_number(0), metavar="N", help=aside)
    validation.add_argument("--validate_on_test", action="store_true", help=habit)
    add("--json", type=Path, metavar="FILE", help="write configuration, figures, seconds and memory to this file")
    return parser


class Data:
    """The data set that the options ask for; never eigenkana, and never quick mode's. Raises DataError.

    `train` and `test` are pairs of images uint8 [n, 28, 28] and labels uint8 [n]. So are `part`, to train on, and
    `validation`, which is empty or `test` itself where the options say so; `validated_on` says which it is, in words.
    """

    def __init__(self, options):
        if quick_mode():
            raise DataError("KUZUSHIJI_QUICK=1 hands out a tenth of the images: unset it (and try --quick_run)")
        self.dataset, self.metric = options.dataset, METRICS[options.dataset]
        folder = options.data_home or (OLD_DATA_HOME if Path(OLD_DATA_HOME).is_dir() else None)
        folder = folder and Path(folder).expanduser()
        if options.dataset == "k49":
            self.train, self.test = (load_k49(split, folder) for split in SPLITS)
        else:
            self.train, self.test = (load_kmnist(split, "kmnist", folder) for split in SPLITS)
        if options.quick_run:
            self.train = tuple(array[:6000] for array in self.train)
            self.test = tuple(array[:1000] for array in self.test)
        images, aside = len(self.train[0]), 0 if options.validate_on_test else options.validation_images
        aside = images // 10 if aside is None else aside
        if aside >= images:
            raise DataError(f"--validation_images {aside:,} leaves none of the {images:,} training images to train on")
        order = np.random.default_rng(0).permutation(images)  # the split of notebook 03, whatever the seed
        self.part = tuple(array[np.sort(order[aside:])] for array in self.train)
        self.validation = tuple(array[np.sort(order[:aside])] for array in self.train)
        self.validated_on = f"{aside:,} training images kept aside" if aside else "nothing"
        if options.validate_on_test:
            self.validation, self.validated_on = self.test, "test images (the old habit)"

    def score(self, labels, predicted):
        """The measure of the data set: accuracy, or the mean accuracy of the classes that occur among `labels`."""
        from sklearn.metrics import accuracy_score, balanced_accuracy_score

        score = balanced_accuracy_score if self.metric == "balanced accuracy" else accuracy_score
        return float(score(labels, predicted))


class Run:
    """One run of a command: its options, Data and log; `finish` says what came out. Raises DataError.

    `path` is where --model_name has the model saved, with `suffix`; None without a name. `more` is said of the run in
    the log and in the JSON file, beside every option but the names of files.
    """

    def __init__(self, options, model_type, suffix, **more):
        name = options.model_name
        self.path = Path(name if name.endswith(suffix) else name + suffix) if name else None
        for path in filter(None, (self.path, options.json)):  # better now than after the training
            with writing(path):
                path.parent.mkdir(parents=True, exist_ok=True)
            with writing(path), tempfile.TemporaryFile(dir=path.parent):
                pass
        self.options, self.data = options, Data(options)
        unsaid = ("model_name", "data_home", "json", "dry_run")
        self.config = {"model_type": model_type, "validated_on": self.data.validated_on, **more}
        self.config |= {name: value for name, value in vars(options).items() if name not in unsaid}
        self.config |= {"n_train": len(self.data.part[0]), "n_test": len(self.data.test[0])}
        self.config["n_validation"] = len(self.data.train[0]) - len(self.data.part[0])
        self.wandb = start_wandb(options, self.config)

    def log(self, row):
        if self.wandb:
            self.wandb.log(row)

    def finish(self, predicted, seconds, packages, validation=None, **more):
        """Print, log and write to --json what came out; `seconds` are those of "training", "test" and the like."""
        data, options = self.data, self.options
        score, memory = data.score(data.test[1], predicted), peak_memory()
        if validation is not None:
            print(f"validation {data.metric}: {100 * validation:.2f} % of the {data.validated_on}")
        quick = ", quick run: no figure to compare" if options.quick_run else ""
        print(f"test {data.metric}: {100 * score:.2f} % of {len(predicted):,} images{quick}")
        print(", ".join(f"{what} {value:.1f} s" for what, value in seconds.items()))
        if self.wandb:
            self.wandb.log({"examples": examples(data, predicted)})
            self.wandb.summary[f"{data.dataset}_test_acc"] = score
            self.wandb.finish()
        if options.json:
            result = {
                "data": RELEASES[data.dataset],
                "configuration": self.config,
                "metric": f"test {data.metric}",
                "value": round(score, 6),
                "validation": None if validation is None else round(validation, 6),
                "seconds": {what: round(value, 2) for what, value in seconds.items()},
                "peak memory, MB": memory,
                "versions": {name: version(name) for name in packages},
            }
            write_json(options.json, result | more)

    def fit_and_finish(self, fit, read, validation, seconds=None, **more):
        """The same for a scikit-learn model, fitted by `fit()`, and read with by `read(model)`, both timed; saved."""
        started = time.perf_counter()
        model = fit()
        fitted = time.perf_counter()
        predicted = read(model)
        seconds = (seconds or {}) | {"training": fitted - started, "test": time.perf_counter() - fitted}
        if self.path:
            import joblib

            with replacing(self.path) as temporary:
                joblib.dump(model, temporary)
            print(f"saved: {self.path}")
        self.finish(predicted, seconds, ["scikit-learn", "numpy"], validation, **more)


def start_wandb(options, config):
    """Start a run of W&B, or say why there is none and return None: no benchmark fails for want of a log."""
    mode = os.environ.get("WANDB_MODE")
    if mode == "disabled":
        return None
    offline = options.dry_run or mode in ("offline", "dryrun")
    try:
        from wandb import Error, Settings, init, login  # a folder of earlier runs, called wandb too, has none of these

        if not offline and not login(verify=False, prompt=False):
            raise Error("no login on this machine (`wandb login`; -q logs offline)")
        return init(
            project=os.environ.get("WANDB_PROJECT", "kmnist"),
            name=options.model_name or None,
            config=config,
            mode="offline" if offline else "online",
            settings=Settings(silent=True, console="off"),
        )
    except ImportError:
        why = "the package wandb is not installed (`pip install wandb` has it)"
    except Error as error:
        why = " ".join(str(error).split())
    print(f"W&B: {why}; going on without its log")
    return None


def examples(data, predicted):
    """The first test image of each class for W&B, with what it is and what it was read as."""
    from wandb import Image

    classmap, (images, labels) = load_classmap(data.dataset), data.test
    names = (classmap["char"] + " " + classmap["romaji"]).str.strip()
    rows = np.unique(labels, return_index=True)[1]
    return [Image(255 - images[n], caption=f"{names[labels[n]]}, read as {names[predicted[n]]}") for n in rows]


def peak_memory():
    """The most memory that this process has had so far, in MB; None on Windows."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1e6 if platform.system() == "Darwin" else 1e6 / 1024))
