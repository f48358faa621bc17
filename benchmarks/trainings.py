"""What the studies of networks share: the recipes, and a training that goes on where it was interrupted."""

import inspect
import json
import shutil
import time
import zipfile

import numpy as np
import pandas as pd

from kuzushiji import DataError
from kuzushiji.augment import WritingVariations
from kuzushiji.networks import CLASSES, SHAPE, keras, layers, residual_network
from kuzushiji.paths import build_folder

PRECISION = "mixed_bfloat16"  # of the final network


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


def sprint_network():
    """The residual network for a short training, with half as many channels: 117,210 parameters."""
    return residual_network((16, 32, 64))


def in_16_bits(make, *arguments, **options):
    """What `make` returns, built under the dtype policy PRECISION."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(PRECISION)
    model = make(*arguments, **options)
    keras.config.set_dtype_policy(before)
    return model


def one_cycle(steps, peak=4e-3):
    """A learning rate that rises in a line, then falls along a cosine (Smith 2018)."""
    rise = steps // 4
    return keras.optimizers.schedules.CosineDecay(
        peak / 20,
        max(1, steps - rise),
        alpha=1e-3,
        warmup_target=peak,
        warmup_steps=rise,
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


class Epochs(keras.utils.PyDataset):
    """The training images in batches, in an order that depends on `seed` and the number of the epoch alone.

    `images` uint8 [n, 28, 28] and `labels` [n]; a batch is float32 [b, 28, 28, 1] in 0..1 and one-hot [b, classes].
    """

    def __init__(self, images, labels, seed, batch_size=128, classes=CLASSES):
        super().__init__()
        if not 0 < len(images) == len(labels):
            what = f"{len(images)} images and {len(labels)} labels"
            raise ValueError(f"{what}: expected as many labels as images, and some")
        self.images, self.targets = images, np.eye(classes, dtype=np.float32)[labels]
        self.seed, self.batch_size = seed, batch_size
        self.begin(0)

    def begin(self, epoch):
        self.order = np.random.default_rng([self.seed, epoch]).permutation(len(self.images))

    def __len__(self):
        return -(-len(self.images) // self.batch_size)

    def __getitem__(self, batch):
        rows = self.order[batch * self.batch_size : (batch + 1) * self.batch_size]
        return self.images[rows, ..., None] / np.float32(255), self.targets[rows]


class EachEpoch(keras.callbacks.Callback):
    """Sets what is random from the number of the epoch when it begins, and adds to its figures when it ends.

    So a training that is taken up again goes on with new variants, in the order it would have had. Given up are the
    masks of dropout: Keras does not save their state, and they begin again.
    """

    def __init__(self, epochs, measure=None):
        super().__init__()
        self.epochs, self.measure = epochs, measure

    def on_epoch_begin(self, epoch, logs=None):
        self.started = time.perf_counter()
        self.epochs.begin(epoch)
        for layer in self.model.layers:
            if isinstance(layer, WritingVariations):
                layer.seeds.state.assign([self.epochs.seed, epoch])

    def on_epoch_end(self, epoch, logs=None):
        logs["learning_rate"] = float(self.model.optimizer.learning_rate)
        logs["seconds"] = time.perf_counter() - self.started
        if self.measure:
            logs.update(self.measure())


def fit(model, data, epochs, name=None, measure=None, report=None):
    """Train a compiled `model` on `data` (Epochs); returns the history, a list with a dictionary for each epoch.

    With a `name`, the state after each epoch is kept in build/trainings/NAME, and a training of that name goes on from
    there. Each dictionary has loss, accuracy, learning_rate at its end, seconds, and what `measure()` returns, a
    dictionary; `report(dictionary)` is called with each at once. Raises DataError where NAME is another training.
    """
    callbacks = [EachEpoch(data, measure)]
    if name:
        folder = build_folder() / "trainings" / name
        check_same_training(model, data, epochs, folder)
        model.optimizer.build(model.trainable_variables)  # whose state is in the backup too
        backup = keras.callbacks.BackupAndRestore(folder / "backup", delete_checkpoint=False)
        callbacks += [keras.callbacks.CSVLogger(folder / "history.csv", append=True), backup]
    if report:
        callbacks.append(keras.callbacks.LambdaCallback(on_epoch_end=lambda _, logs: report(dict(logs))))
    logs = model.fit(data, epochs=epochs, shuffle=False, verbose=0, callbacks=callbacks).history
    if not name:
        return [dict(zip(logs, values, strict=True)) for values in zip(*logs.values(), strict=True)]
    table = pd.read_csv(folder / "history.csv").drop_duplicates("epoch", keep="last")  # stopped before its backup
    return table.drop(columns="epoch").dropna(axis=1).to_dict("records")  # it leaves places for Keras's own validation


def check_same_training(model, data, epochs, folder):
    """Raise DataError where `folder` holds the state of a training with another network, recipe, seed or images."""
    optimizer = {key: value for key, value in model.optimizer.get_config().items() if key != "name"}  # it counts up
    loss = model.loss if isinstance(model.loss, str) else model.loss.get_config()
    told = [optimizer, loss, data.seed, data.batch_size, len(data.images), epochs, model.count_params()]
    told, path = json.dumps(told, default=str, sort_keys=True), folder / "training.json"
    if path.exists() and path.read_text(encoding="utf-8") != told:
        raise DataError(f"build/trainings/{folder.name} holds another training: delete that folder, or finish that one")
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(told, encoding="utf-8")


def forget(name):
    """Remove the state of a training whose rows are recorded: taken out of the file, they are measured anew."""
    shutil.rmtree(build_folder() / "trainings" / name, ignore_errors=True)


def logits_of(model, images):
    """Outputs float32 [n, classes] of a network for images uint8 [n, 28, 28]."""
    return model.predict(images[..., None] / np.float32(255), batch_size=500, verbose=0)


def accuracy(model, images, labels):
    """Share of images read right, images uint8 [n, 28, 28]."""
    return float((logits_of(model, images).argmax(axis=1) == labels).mean())


def said(name):
    """A `report` that prints one line for each epoch."""

    def report(row):
        line = f"{name}: {row['seconds']:.0f} s, training {100 * row['accuracy']:.2f} %"
        validation = row.get("validation accuracy")
        print(line + (f", validation {100 * validation:.2f} %" if validation else ""), flush=True)

    return report


def row_of(method, parameters, seed, metric, value, history, **more):
    """A row for `kuzushiji.studies.record`, with the history of the training."""
    seconds = round(sum(epoch["seconds"] for epoch in history), 1)
    row = {"method": method, "parameters": parameters, "seed": seed, "metric": metric, "value": value}
    rounded = [{measure: round(number, 5) for measure, number in epoch.items()} for epoch in history]
    return {**row, "seconds": seconds, **more} | ({"history": rounded} if metric == "test accuracy" else {})


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
