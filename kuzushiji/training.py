"""Trainings that can be interrupted, and that are not run again once they are finished."""

import inspect
import json
import time
import warnings
import zipfile
import zlib

import numpy as np

from .files import progress_bar, replacing
from .networks import CLASSES, SHAPE, keras, layers, residual_network
from .paths import build_folder
from .results import recorded


def baseline_network(classes=CLASSES, filters=(32, 64), dense=128, dropouts=(0.25, 0.5)):
    """The "Keras simple CNN" of the authors of KMNIST (benchmarks/kuzushiji_mnist_cnn.py of rois-codh/kmnist).

    Input float32 [n, 28, 28, 1] in 0..1, output probabilities [n, classes]; 1,199,882 parameters with ten classes and
    the published `filters` of its convolutions, units of its dense layer and rates of its dropouts. Not compiled.
    """
    return keras.Sequential(
        [
            keras.Input(SHAPE),
            layers.Conv2D(filters[0], 3, activation="relu"),
            layers.Conv2D(filters[1], 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Dropout(dropouts[0]),
            layers.Flatten(),
            layers.Dense(dense, activation="relu"),
            layers.Dropout(dropouts[1]),
            layers.Dense(classes, activation="softmax", dtype="float32"),
        ],
        name="baseline",
    )


FINAL_EPOCHS = 11  # as many as take less than a quarter of an hour on two CPU cores
SPRINT_EPOCHS = 2


def sprint_network():
    """The residual network for a short training, with half as many channels: 117,210 parameters."""
    return residual_network((16, 32, 64))


def one_cycle(steps, peak=4e-3):
    """A learning rate that rises in a straight line to `peak` for a quarter of `steps`, then falls along a cosine.

    After L. Smith 2018 ("A disciplined approach to neural network hyper-parameters"), without its change of momentum.
    """
    rise = steps // 4
    return keras.optimizers.schedules.CosineDecay(
        peak / 20, max(1, steps - rise), alpha=1e-3, warmup_target=peak, warmup_steps=rise
    )


def compile_residual(model, steps):
    """Compile a network with logits [n, 10] for `steps` batches of training: AdamW, one cycle, label smoothing 0.1."""
    model.compile(
        keras.optimizers.AdamW(one_cycle(steps), weight_decay=0.02),
        keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1),
        metrics=["accuracy"],
        # Convolutions on a CPU run faster without XLA, which Keras would choose; JAX cannot do without it.
        jit_compile=False if keras.backend.backend() == "tensorflow" else "auto",
    )


def save_for_all_releases(model, path):
    """Save a network of Keras's own layers so that `keras.models.load_model` of Keras 3.10 or later reads it.

    Keras writes every setting of a layer, and an older release refuses a file with settings that came after it. What
    stands at its default says nothing, so it is left out. Initialisers are left out too: the weights are there.
    """
    model.save(path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(parts["config.json"])
    for layer, written in zip(model.layers, config["config"]["layers"], strict=True):
        parameters = inspect.signature(type(layer).__init__).parameters
        written["config"] = {
            name: value
            for name, value in written["config"].items()
            if not name.endswith("_initializer") and (name not in parameters or parameters[name].default != value)
        }
    parts["config.json"] = json.dumps(config).encode()
    metadata = json.loads(parts["metadata.json"])
    metadata.pop("date_saved", None)
    parts["metadata.json"] = json.dumps(metadata).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(zipfile.ZipInfo(name), content)  # without a date: equal networks, equal files


class Batches:
    """Shuffled mini-batches of training images, a new variant of each image in every epoch.

    `images` uint8 [n, 28, 28] and `labels` [n]; `change`, if given, makes the variants: a function of float32 [b, 28,
    28] in 0..1 and a numpy Generator. What an epoch holds depends on `seed` and its number alone, so it is the same on
    every backend, and in a training that was interrupted. `len` counts the batches of an epoch.
    """

    def __init__(self, images, labels, seed, batch_size=128, change=None, classes=CLASSES):
        if not 0 < len(images) == len(labels):
            raise ValueError(
                f"{len(images)} images and {len(labels)} labels: expected as many labels as images, and some"
            )
        self.images, self.targets = images, np.eye(classes, dtype=np.float32)[labels]
        self.seed, self.batch_size, self.change = seed, batch_size, change

    def __len__(self):
        return -(-len(self.images) // self.batch_size)

    def epoch(self, number):
        """The images of an epoch (from 0), shuffled: inputs float32 [n, 28, 28, 1] in 0..1, targets one-hot.

        All at once, because arrays keep a small network busier than batches that are made one by one.
        """
        order = np.random.default_rng([self.seed, number]).permutation(len(self.images))
        inputs = np.empty(self.images.shape, np.float32)
        for batch, start in enumerate(range(0, len(order), self.batch_size)):
            rows = order[start : start + self.batch_size]
            variants = self.images[rows] / np.float32(255)
            if self.change:
                variants = self.change(variants, np.random.default_rng([self.seed, number, batch]))
            inputs[start : start + len(rows)] = variants
        return inputs[..., None], self.targets[order]


def fit(model, batches, epochs, name, after_epoch=None, keep=True, report=None):
    """Train a compiled `model` on `batches` for `epochs`; returns the history, a list with a dictionary for each epoch.

    After each epoch a checkpoint (weights, optimiser, history) goes to build/trainings/`name`; called again, the
    training goes on from there, and a finished one is loaded (with `keep` False nothing is stored or loaded).
    Interrupted or not, it runs through the same batches and the same dropout masks. Each dictionary has loss, accuracy,
    learning_rate at the end of the epoch, seconds (making the variants included) and what `after_epoch(model)` returns,
    a dictionary of further measurements; `report` is called with each as soon as it is complete.

    Raises ValueError where the checkpoint belongs to another training: another network, optimiser, loss, seed, images
    or change of them, or more epochs.
    """
    folder = build_folder() / "trainings" / name.replace(" ", "-")
    history = resume(model, batches, epochs, folder) if keep else []
    with progress_bar(epochs, name, unit="epoch") as bar:
        bar.update(len(history))
        for epoch in range(len(history), epochs):
            started = time.perf_counter()
            inputs, targets = batches.epoch(epoch)
            masks = DropoutMasks([batches.seed, epoch])
            options = {"batch_size": batches.batch_size, "shuffle": False, "verbose": 0, "callbacks": [masks]}
            logs = model.fit(inputs, targets, **options).history
            seconds = time.perf_counter() - started
            row = {measure: float(values[0]) for measure, values in logs.items()}
            row |= {"learning_rate": float(model.optimizer.learning_rate), "seconds": seconds}
            history.append(row | (after_epoch(model) if after_epoch else {}))
            if keep:
                save(model, batches, folder, history)
            if report:
                report(history[-1])
            bar.update(1)
    return history


class DropoutMasks(keras.callbacks.Callback):
    """Sets the random state of dropout, which Keras does not save, when an epoch begins.

    Each dropout layer has its own, except on PyTorch, where Keras takes the masks from PyTorch's global generator.
    """

    def __init__(self, state):
        super().__init__()
        self.state = state

    def on_epoch_begin(self, epoch, logs=None):
        for layer in self.model.layers:
            if hasattr(layer, "seed_generator"):
                layer.seed_generator.state.assign(self.state)
        if keras.backend.backend() == "torch":
            import torch

            torch.manual_seed(1000 * self.state[0] + self.state[1])


def identity(model, batches):
    """What must not change between the parts of one training, its network aside, as JSON text."""
    change = getattr(batches.change, "__name__", None)
    content = zlib.crc32(batches.targets, zlib.crc32(np.ascontiguousarray(batches.images)))
    order = {
        "images": len(batches.images),
        "content": content,
        "batch size": batches.batch_size,
        "seed": batches.seed,
        "change": change,
    }
    settings = {key: value for key, value in model.optimizer.get_config().items() if key != "name"}  # it counts up
    loss = model.loss if isinstance(model.loss, str) else model.loss.get_config()
    return json.dumps([order, settings, loss], sort_keys=True, default=str)


def save(model, batches, folder, history):
    """Checkpoint: the weights first, then the history, which is what says that the weights count."""
    folder.mkdir(parents=True, exist_ok=True)
    model.save_weights(folder / f"epoch-{len(history)}.weights.h5")
    with replacing(folder / "history.json") as temporary:
        checkpoint = {"identity": identity(model, batches), "history": history}
        temporary.write_text(json.dumps(checkpoint, indent=1), encoding="utf-8")
    (folder / f"epoch-{len(history) - 1}.weights.h5").unlink(missing_ok=True)


def resume(model, batches, epochs, folder):
    """Load the checkpoint in `folder` into a compiled model; returns its history, [] where there is none."""
    if not (folder / "history.json").exists():
        return []
    checkpoint = json.loads((folder / "history.json").read_text(encoding="utf-8"))
    history, cause = checkpoint["history"], None
    fits = checkpoint["identity"] == identity(model, batches) and len(history) <= epochs
    if fits:
        model.optimizer.build(model.trainable_variables)
        try:
            with warnings.catch_warnings():  # Keras merely warns of layers that it finds no weights for
                warnings.simplefilter("error", UserWarning)
                model.load_weights(folder / f"epoch-{len(history)}.weights.h5")
        except (ValueError, OSError, UserWarning) as error:
            fits, cause = False, error
    if not fits:
        raise ValueError(
            f"the checkpoint in build/trainings/{folder.name} belongs to another training ({len(history)} epochs of "
            "other settings or another network); delete that folder, or give this training another name"
        ) from cause
    return history


def recall(source, method, parameters, seed):
    """What benchmarks/results.json holds of a training: {metric: value, "seconds": ..., "history": ...}, or None.

    It counts only where `parameters` are the recorded ones: a training with other settings has no record.
    """
    found = {}
    for row in recorded(source):
        if row["method"] == method and row["parameters"] == parameters and seed in row["seeds"]:
            position = row["seeds"].index(seed)
            found[row["metric"]] = row["values"][position]
            found |= {name: row[name][position] for name in ("history", "training seconds") if name in row}
    return found or None


def experiment(run, source, method, parameters, seed, train):
    """One training of a series: recalled from benchmarks/results.json (see `recall`), or made by `train(seed)`.

    Quick runs and KUZUSHIJI_RETRAIN=1 always train. Records are KMNIST's: a run on other data says so where it shows
    one. Returns a dictionary of measurements.
    """
    recalled = None if run.quick or run.retrain else recall(source, method, parameters, seed)
    if recalled and run.data != "kmnist":
        print(f"{method}, seed {seed}: recalled from the record, which is KMNIST's")
    return recalled or train(seed)
