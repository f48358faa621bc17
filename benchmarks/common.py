"""What the benchmark commands share: options, data, the score, the log of Weights & Biases, the result of a run."""

import argparse
import importlib.util
import json
import os
import platform
import sys
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

from kuzushiji import DataError, Unreachable, load_classmap, load_k49, load_kmnist, registry
from kuzushiji.datasets import SPLITS, find_part, quick_mode
from kuzushiji.files import replacing

# The options of the W&B benchmark (wandb/kmnist) with their defaults; ours have the same names, and more.
WANDB_OPTIONS = {
    "knn_kmnist.py": {
        "-m/--model_name": "",
        "--data_home": "./dataset",
        "-k/--k_neighbors": 4,
        "--weights": "distance",
        "-q/--dry_run": False,
    },
    "cnn_kmnist.py": {
        "-m/--model_name": "",
        "--data_home": "./dataset",
        "-b/--batch_size": 128,
        "--dropout_1": 0.25,
        "--dropout_2": 0.5,
        "-e/--epochs": 10,
        "--fc1_size": 128,
        "--l1_size": 32,
        "--l2_size": 64,
        "--num_classes": 10,
        "-q/--dry_run": False,
        "--quick_run": False,
    },
}
OLD_DATA_HOME = "./dataset"
QUICK = {"train": 6000, "test": 1000}
RELEASES = {"kmnist": "KMNIST, release of 5 February 2019", "k49": "Kuzushiji-49, current release"}


class Parser(argparse.ArgumentParser):
    """A parser that answers a bad option with one line and exit status 2."""

    def __init__(self, prog, description):
        super().__init__(prog=prog, description=description, allow_abbrev=False)

    def error(self, message):
        self.exit(2, f"{self.prog}: {message} (-h lists the options)\n")


def whole(least):
    """A type of option: a whole number that is not less than `least`."""

    def convert(text):
        if not text.lstrip("-").isdigit() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text} is not a whole number of {least} or more")
        return int(text)

    return convert


def rate(text):
    """A type of option: a share of 0 or more and less than 1."""
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a share from 0 to less than 1")
    return value


def new_parser(prog, description):
    """A parser with the options that all commands have."""
    parser = Parser(prog, description)
    add = parser.add_argument
    saved = "the model is saved to NAME.joblib, a network to NAME.keras (default: no name, no file)"
    add("-m", "--model_name", default="", metavar="NAME", help=f"name of the run; {saved}")
    add(
        "--data_home",
        metavar="DIR",
        help=f"folder of the data files (default: {OLD_DATA_HOME} where that folder exists, else they are found "
        "as in the whole series: KUZUSHIJI_DATA, the data folder, a download)",
    )
    add("-q", "--dry_run", action="store_true", help="log to W&B's offline mode, on this machine alone")
    add("--quick_run", action="store_true", help="only the first 6,000 training and 1,000 test images")
    add("--dataset", choices=["kmnist", "k49"], default="kmnist", help="the data set (default: kmnist)")
    add("--seed", type=whole(0), default=0, metavar="N", help="seed of everything random (default: 0)")
    add(
        "--validation_images",
        type=whole(0),
        metavar="N",
        help="training images to keep aside for validation, drawn at random (default: a tenth of them; 0: none)",
    )
    add(
        "--validate_on_test",
        action="store_true",
        help="the old habit: train on all training images and validate on the TEST images",
    )
    add("--json", type=Path, metavar="FILE", help="write configuration, figures, seconds and memory to this file")
    return parser


def command(parser, run, arguments):
    """Run a benchmark; returns the exit status: 0 done, 2 bad options or data (one line on stderr), 130 stopped."""
    options = parser.parse_args(arguments)
    try:
        run(options)
    except DataError as error:
        print(f"{parser.prog}: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"{parser.prog}: stopped; nothing was recorded", file=sys.stderr)
        return 130
    return 0


def run_study(main):
    """Run the main function of a study, and end: status 2 with one line for bad data, 130 where it was stopped."""
    try:
        main()
    except DataError as error:
        print(f"{Path(sys.argv[0]).name}: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print(f"{Path(sys.argv[0]).name}: stopped; finished rows are kept", file=sys.stderr)
        sys.exit(130)


def check_writable(path, option):
    """Raise DataError unless a file can be written at `path`: better now than after the training."""
    path = Path(path)
    if path.is_dir():
        raise DataError(f"{option} {path} is a folder: name a file in it")
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise DataError(f"{option} {path} cannot be written ({error.strerror}): choose a folder that can") from error


def begin(options, suffix):
    """Check that everything asked for can be written, then load the data.

    Returns the path that --model_name saves to (with `suffix`; None without a name) and the Data. Raises DataError.
    """
    name = options.model_name
    path = Path(name if name.endswith(suffix) else name + suffix) if name else None
    if path:
        check_writable(path, "--model_name")
    if options.json:
        check_writable(options.json, "--json")
    return path, load(options)


@dataclass
class Data:
    """Images uint8 [n, 28, 28] and labels uint8 [n] of both splits, and rows of the training set.

    `part` and `validation` are the rows to train on and to validate on; `habit` whether the test images are to be
    validated on instead. `names` are the classes as captions ("れ re").
    """

    dataset: str
    train: tuple
    test: tuple
    part: np.ndarray
    validation: np.ndarray
    habit: bool
    names: list

    @property
    def metric(self):
        return {"kmnist": "accuracy", "k49": "balanced accuracy"}[self.dataset]

    def score(self, labels, predicted):
        """The measure of the data set: accuracy for KMNIST, balanced accuracy for Kuzushiji-49."""
        if self.dataset == "k49":
            return balanced_accuracy(labels, predicted)
        return float((labels == predicted).mean())

    def to_validate(self):
        """Images and labels to validate on, or None."""
        if self.habit:
            return self.test
        return tuple(array[self.validation] for array in self.train) if len(self.validation) else None

    @property
    def validated_on(self):
        if self.habit:
            return "test images (the old habit)"
        return f"{len(self.validation):,} training images kept aside" if len(self.validation) else "nothing"


def balanced_accuracy(labels, predicted):
    """Mean over the classes of the share of each that was read right (classes without a test image left out)."""
    right = np.bincount(labels[labels == predicted], minlength=int(labels.max()) + 1)
    count = np.bincount(labels)
    return float((right[count > 0] / count[count > 0]).mean())


def classes_of(dataset):
    return len(load_classmap(dataset))


def data_home(options):
    """The folder that --data_home names, or ./dataset where that exists, with all files in it; None for neither."""
    given = options.data_home is not None
    folder = Path(options.data_home if given else OLD_DATA_HOME).expanduser()
    if not folder.is_dir():
        if given:
            raise DataError(f"--data_home {folder} is not a folder: correct it, or leave it out to have the data found")
        return None
    missing = [part.name for part in registry.PARTS[options.dataset].values() if find_part(part, folder) is None]
    if missing:
        raise DataError(
            f"{folder} lacks {', '.join(missing)}: name another folder with --data_home, or fill this one with "
            f"`python -m kuzushiji download {options.dataset} --to {folder}`"
        )
    return folder


def load(options):
    """The data set that the options ask for, as Data; never eigenkana, and never quick mode's. Raises DataError."""
    if quick_mode():
        raise DataError(
            "KUZUSHIJI_QUICK=1 hands out a tenth of the images, on which no benchmark is measured: unset it "
            "(--quick_run is these commands' own quick look)"
        )
    folder = data_home(options)
    try:
        if options.dataset == "kmnist":
            splits = [load_kmnist(split, "kmnist", folder) for split in SPLITS]
        else:
            splits = [load_k49(split, folder) for split in SPLITS]
    except Unreachable as error:
        raise DataError(
            f"{options.dataset} is not on this machine and no source answers; a benchmark is never measured on "
            f"eigenkana: name its folder with --data_home (`python -m kuzushiji download {options.dataset}` says more)"
        ) from error
    if options.quick_run:
        splits = [
            tuple(array[: QUICK[split]] for array in arrays) for split, arrays in zip(SPLITS, splits, strict=True)
        ]
    images = len(splits[0][0])
    aside = options.validation_images
    if options.validate_on_test:
        if aside:
            raise DataError("--validate_on_test keeps no training images aside: leave --validation_images out")
        aside = 0
    aside = images // 10 if aside is None else aside
    if aside >= images:
        raise DataError(f"--validation_images {aside:,} leaves none of the {images:,} training images to train on")
    order = np.random.default_rng(0).permutation(images)  # the split of notebook 03, whatever the seed
    classmap = load_classmap(options.dataset)
    names = [f"{char} {romaji}".strip() for char, romaji in zip(classmap["char"], classmap["romaji"], strict=True)]
    return Data(
        options.dataset, *splits, np.sort(order[aside:]), np.sort(order[:aside]), options.validate_on_test, names
    )


def configuration(options, data, model_type, **more):
    """What W&B and the JSON file say of a run: every option but the names of files, and how many images there were."""
    unsaid = ("model_name", "data_home", "json", "dry_run")
    said = {name: value for name, value in vars(options).items() if name not in unsaid}
    counts = {"n_train": len(data.part), "n_validation": len(data.validation), "n_test": len(data.test[0])}
    return {"model_type": model_type, **said, **counts, "validated_on": data.validated_on, **more}


def start_log(options, config):
    """Start a run of W&B, or say why there is none and return None: no benchmark fails for want of a log."""
    if os.environ.get("WANDB_MODE") == "disabled":
        return None
    package = importlib.util.find_spec("wandb")
    if package is None or package.origin is None:  # a folder of earlier runs is called wandb too
        print("W&B: the package wandb is not installed (`pip install .[wandb]` has it); going on without its log")
        return None
    import wandb

    offline = options.dry_run or os.environ.get("WANDB_MODE") in ("offline", "dryrun")
    try:
        if not offline and not wandb.login(verify=False, prompt=False):
            print("W&B: no login on this machine (`wandb login`; -q logs offline); going on without its log")
            return None
        return wandb.init(
            project=os.environ.get("WANDB_PROJECT", "kmnist"),
            name=options.model_name or None,
            config=config,
            mode="offline" if offline else "online",
            settings=wandb.Settings(silent=True, console="off"),
        )
    except wandb.Error as error:
        print(f"W&B: {' '.join(str(error).split())}; going on without its log")
        return None


def log_examples(log, data, predicted):
    """Log the first test image of each class, with what it is and what it was read as."""
    import wandb

    images, labels = data.test
    rows = [int(np.flatnonzero(labels == label)[0]) for label in np.unique(labels)]
    captions = [f"{data.names[labels[row]]}, read as {data.names[predicted[row]]}" for row in rows]
    log.log(
        {"examples": [wandb.Image(255 - images[row], caption=text) for row, text in zip(rows, captions, strict=True)]}
    )


def save_joblib(model, path):
    """Save a scikit-learn model where joblib.load finds it; nothing without a path."""
    if path:
        import joblib

        with replacing(path) as temporary:
            joblib.dump(model, temporary)
        print(f"saved: {path}")


def peak_memory():
    """The most memory that this process has had so far, in MB; None on Windows."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1e6 if platform.system() == "Darwin" else 1e6 / 1024))


def finish(options, data, log, config, predicted, seconds, packages, validation=None, **more):
    """Say what came out, once: print it, log it, write it to --json. `seconds` is {"training": ..., "test": ...}."""
    score = data.score(data.test[1], predicted)
    memory = peak_memory()
    if validation is not None:
        print(f"validation {data.metric}: {100 * validation:.2f} % of the {data.validated_on}")
    quick = ", quick run: no figure to compare" if options.quick_run else ""
    print(f"test {data.metric}: {100 * score:.2f} % of {len(predicted):,} images{quick}")
    said = ", ".join(f"{what} {value:.1f} s" for what, value in seconds.items())
    print(said + (f"; peak memory {memory:,} MB" if memory else ""))
    if log:
        log_examples(log, data, predicted)
        log.summary[f"{options.dataset}_test_acc"] = score
        log.finish()
    if options.json:
        result = {
            "data": RELEASES[options.dataset],
            "configuration": config,
            "metric": f"test {data.metric}",
            "value": round(score, 6),
            "validation": None if validation is None else round(validation, 6),
            "seconds": {what: round(value, 2) for what, value in seconds.items()},
            "peak memory, MB": memory,
            "versions": {name: version(name) for name in packages},
            **more,
        }
        with replacing(options.json) as temporary:
            temporary.write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
