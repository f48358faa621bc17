"""Two networks for Kuzushiji-MNIST, the published baseline and a small residual network; how the second is trained
and saved.

Notebook 03 builds both from their parts, and checks that they are these.
"""

import inspect
import json
import zipfile

from .session import native_messages_hidden

with native_messages_hidden():
    import keras
    from keras import layers

    keras.ops.zeros(1)  # the first use is what looks for devices

if keras.backend.backend() == "tensorflow":
    import tensorflow

    tensorflow.get_logger().setLevel("ERROR")  # it warns when several small networks are used in turn

SHAPE = (28, 28, 1)
CLASSES = 10


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


def residual_network(widths=(32, 48, 128), classes=CLASSES):
    """A small residual network: a stem, two stages with one residual block each, global max pooling.

    Residual blocks as in He and others 2016 ("Deep residual learning for image recognition"), batch normalisation
    after every convolution. Stem and stages have `widths` channels, on 28x28, 14x14 and 7x7 pixels. Input float32 [n,
    28, 28, 1] in 0..1, output logits [n, classes] in the order of the class map. Not compiled.
    """
    inputs = keras.Input(SHAPE)
    hidden = convolution(inputs, widths[0], pool=2)
    hidden = residual_block(convolution(hidden, widths[1]))
    hidden = layers.MaxPooling2D(2)(hidden)
    hidden = residual_block(convolution(hidden, widths[2]))
    hidden = layers.GlobalMaxPooling2D()(hidden)
    logits = layers.Dense(classes, dtype="float32")(hidden)  # in 32 bits also where the rest is in 16
    return keras.Model(inputs, logits, name="residual")


FINAL_EPOCHS = 11  # as many as take less than a quarter of an hour on two CPU cores
SPRINT_EPOCHS = 2


def sprint_network():
    """The residual network for a short training, with half as many channels: 117,210 parameters."""
    return residual_network((16, 32, 64))


def convolution(hidden, filters, pool=1, activate=True):
    """3x3 convolution, max pooling, batch normalisation, ReLU: [n, h, w, c] to [n, h / pool, w / pool, filters].

    Pooling comes first because the steps after it then have a quarter of the work.
    """
    hidden = layers.Conv2D(filters, 3, padding="same", use_bias=False)(hidden)
    hidden = layers.MaxPooling2D(pool)(hidden) if pool > 1 else hidden
    hidden = layers.BatchNormalization()(hidden)
    return layers.ReLU()(hidden) if activate else hidden


def residual_block(hidden):
    """Two convolutions whose result is added to their input, [n, h, w, c] to the same shape."""
    filters = hidden.shape[-1]
    change = convolution(convolution(hidden, filters), filters, activate=False)
    return layers.ReLU()(layers.Add()([hidden, change]))


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
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(zipfile.ZipInfo(name), content)  # without a date: equal networks, equal files
