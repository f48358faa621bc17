"""What the studies of networks share: the recipes, and a training that goes on where it was interrupted."""

import inspect
import json
import tempfile
import time
import zipfile

import common
import numpy as np
import pandas as pd

from kuzushiji import DataError, load_kmnist
from kuzushiji.augment import WritingVariations
from kuzushiji.files import replacing
from kuzushiji.networks import CLASSES, SHAPE, keras, layers, residual_network


def baseline_model(learning_rate=1.0, classes=CLASSES, filters=(32, 64), dense=128, dropouts=(0.25, 0.5)):
    """The "Keras simple CNN" of KMNIST's authors (benchmarks/kuzushiji_mnist_cnn.py of rois-codh/kmnist), compiled.

    Input float32 [n, 28, 28, 1] in 0..1, output probabilities [n, classes]; 1,199,882 parameters with ten classes and
    the published `filters` of its convolutions, units of its dense layer and rates of its dropouts. The learning rate
    is Adadelta's default when it was published.
    """
    model = keras.Sequential(
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
    model.compile(keras.optimizers.Adadelta(learning_rate), "categorical_crossentropy", metrics=["accuracy"])
    return model


def sprint_model(steps):
    """The residual network with half as many channels, 117,210 parameters, compiled for `steps` batches."""
    return compiled(residual_network((16, 32, 64)), steps)


def residual_model(steps, classes=CLASSES):
    """The final network in 16 bits, the last layer after its variations; compiled for `steps` batches."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    network = residual_network(classes=classes)
    keras.config.set_dtype_policy(before)
    model = keras.Sequential([WritingVariations(), network])
    model.build((None, *SHAPE))
    return compiled(model, steps)


def one_cycle(steps, peak=4e-3):
    """A learning rate that rises in a line, then falls along a cosine (Smith 2018)."""
    rise = steps // 4
    return keras.optimizers.schedules.CosineDecay(
        peak / 20, max(1, steps - rise), alpha=1e-3, warmup_target=peak, warmup_steps=rise
    )


def compiled(model, steps):
    """The network with logits [n, classes], compiled for `steps` batches: AdamW, one cycle, label smoothing 0.1."""
    model.compile(
        keras.optimizers.AdamW(one_cycle(steps), weight_decay=0.02),
        keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1),
        metrics=["accuracy"],
        # Convolutions on a CPU run faster without XLA, which Keras would choose; JAX cannot do without it.
        jit_compile=False if keras.backend.backend() == "tensorflow" else "auto",
    )
    return model


class Epochs(keras.utils.PyDataset):
    """The training images in batches, in an order that depends on `seed` and the number of the epoch alone.

    `images` uint8 [n, 28, 28] and `labels` [n]; a batch is float32 [b, 28, 28, 1] in 0..1 and one-hot [b, classes].
    """

    def __init__(self, images, labels, seed, batch_size=128, classes=CLASSES):
        super().__init__()
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
    """Sets what is random from the number of the epoch, so that a resumed training goes on as it would; and reports.

    Given up are the masks of dropout: Keras does not save their state, and they begin again.
    """

    def __init__(self, epochs, measure, log):
        super().__init__()
        self.epochs, self.measure, self.log = epochs, measure, log

    def on_epoch_begin(self, epoch, logs=None):
        self.started = time.perf_counter()
        self.epochs.begin(epoch)
        for layer in self.model.layers:
            if isinstance(layer, WritingVariations):
                layer.seeds.state.assign([self.epochs.seed, epoch])

    def on_epoch_end(self, epoch, logs=None):
        logs["learning_rate"] = float(self.model.optimizer.learning_rate)
        logs["seconds"] = time.perf_counter() - self.started
        logs.update(self.measure())
        print(f"epoch {epoch + 1}: " + ", ".join(f"{name} {value:.4g}" for name, value in logs.items()), flush=True)
        self.log({"epoch": epoch + 1, **logs})


def fit(model, data, epochs, folder=None, measure=dict, log=dict):
    """Train a compiled `model` on `data` (Epochs); returns the history, a list with a dictionary for each epoch.

    The state after each epoch is kept in `folder`, if one is given, and a training goes on from there. Each dictionary
    has loss, accuracy, learning_rate at its end, seconds, and what `measure()` returns, a dictionary. One is printed at
    once, and `log` is called with it and the number of the epoch.
    """
    callbacks = [EachEpoch(data, measure, log)]
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
        model.optimizer.build(model.trainable_variables)  # whose state is in the backup too
        options = {"delete_checkpoint": False, "double_checkpoint": True}  # so that one of the two is always whole
        backup = keras.callbacks.BackupAndRestore(folder / "backup", **options)
        callbacks += [keras.callbacks.CSVLogger(folder / "history.csv", append=True), backup]
    history = pd.DataFrame(model.fit(data, epochs=epochs, shuffle=False, verbose=0, callbacks=callbacks).history)
    if folder:
        written = pd.read_csv(folder / "history.csv").drop_duplicates("epoch", keep="last")  # stopped before its backup
        history = written.drop(columns="epoch").dropna(axis=1)  # it leaves places for Keras's own validation
    return history.round(5).to_dict("records")


def trained(method, parameters, seed, make, rows=slice(None), aside=None):
    """Train a network for a study on `rows` of the training images, or go on with it, and read the test images.

    `make(steps)` returns the compiled model for so many batches; where rows are kept `aside`, it reads these after
    each epoch. Returns the model, and the rows for `common.run_study`: the first, the test accuracy, has the history.
    """
    wanted = parameters.get("backend", "tensorflow")
    if (found := keras.backend.backend()) != wanted:
        raise DataError(f"this study is recorded on {wanted}, and Keras runs on {found}: set KERAS_BACKEND={wanted}")
    images, labels = load_kmnist("train")
    data = Epochs(images[rows], labels[rows], seed, parameters["batch_size"])
    keras.utils.set_random_seed(seed)
    model = make(parameters["epochs"] * len(data))

    def validate():
        return {} if aside is None else {"validation accuracy": accuracy(model, images[aside], labels[aside])}

    print(f"{method}, seed {seed}")
    history = fit(model, data, parameters["epochs"], common.state_folder(method, parameters, seed), validate)
    found = {"test accuracy": accuracy(model, *load_kmnist("test"))} | validate()
    seconds = round(sum(epoch["seconds"] for epoch in history), 1)
    new = [{"metric": metric, "value": value, "seconds": seconds} for metric, value in found.items()]
    new[0]["history"] = history
    return model, new


def outputs_of(model, images):
    """Outputs float32 [n, classes] of a network for images uint8 [n, 28, 28]."""
    return model.predict(images[..., None] / np.float32(255), batch_size=500, verbose=0)


def accuracy(model, images, labels):
    """Share of images read right, images uint8 [n, 28, 28]."""
    return float((outputs_of(model, images).argmax(axis=1) == labels).mean())


def save(model, path):
    """Save a network of Keras's own layers so that `keras.models.load_model` of Keras 3.10 or later reads it.

    Keras writes every setting of a layer, and an older release refuses a file with settings that came after it. What
    stands at its default says nothing, so it is left out. Initialisers are left out too: the weights are there. What
    stands at `path` stays until the new file is complete; raises DataError where that fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        model.save(f"{folder}/model.keras")
        with zipfile.ZipFile(f"{folder}/model.keras") as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
    config, metadata = json.loads(parts["config.json"]), json.loads(parts["metadata.json"])
    known = {layer.name: inspect.signature(type(layer).__init__).parameters for layer in model.layers}
    for written in config["config"]["layers"]:
        defaults = known.get(written["config"]["name"], {})
        written["config"] = {
            name: value
            for name, value in written["config"].items()
            if not name.endswith("_initializer") and (name not in defaults or defaults[name].default != value)
        }
    metadata.pop("date_saved", None)
    parts |= {"config.json": json.dumps(config), "metadata.json": json.dumps(metadata)}
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, content in parts.items():
            archive.writestr(zipfile.ZipInfo(name), content)  # without a date: equal networks, equal files
    print(f"saved: {path}")
