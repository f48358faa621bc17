"""Take notebook 03's recipe apart: one ingredient left out of it at a time, and one added to the published baseline.

Each method differs from its reference, "final" or "baseline", in one setting. All train four epochs on 54,000 images,
with three seeds; 6,000 other training images and the test images are read, and nothing is chosen by either. In 32 bits,
since few processors multiply in 16. Seed 0 of all methods comes first, and the variations by part come last.
"""

import common
import trainings
from final import split

from kuzushiji import load_kmnist
from kuzushiji.augment import WritingVariations
from kuzushiji.networks import CLASSES, SHAPE, keras, layers

# Rates are the mean over the training: a cycle of that mean rises to twice as much. Adadelta's is the published one.
ADAMW = {"name": "AdamW", "rate": 0.002, "weight_decay": 0.02}
ADAM = {"name": "Adam", "rate": 0.002}
ADADELTA = {"name": "Adadelta", "rate": 1.0}
TRAINING = {"epochs": 4, "batch_size": 128, "images": 54000, "precision": "float32"}
FINAL = TRAINING | {
    "network": "final",
    "convolutions": 2,  # in each of the two residual blocks
    "normalisation": True,
    "residual": True,
    "pooling": "max",  # of 2x2 pixels
    "head": "global max",  # before the last dense layers
    "augmentation": {},  # amounts that are not the layer's own; None for no variations at all
    "smoothing": 0.1,
    "optimizer": ADAMW,
    "schedule": "one cycle",
}
BASELINE = TRAINING | {
    "network": "baseline",
    "convolutions": 1,  # with each of the two numbers of filters
    "normalisation": False,
    "residual": False,
    "pooling": "max",
    "head": "flatten",
    "augmentation": None,
    "smoothing": 0.0,
    "optimizer": ADADELTA,
    "schedule": "constant",
}
LEFT_OUT = {
    "depth": {"convolutions": 1},  # half of each block: two of the three convolutions of a stage are left
    "normalisation": {"normalisation": False},
    "residual connections": {"residual": False},
    "augmentation": {"augmentation": None},
    "label smoothing": {"smoothing": 0.0},
    "one cycle": {"schedule": "constant"},
    "AdamW": {"optimizer": ADADELTA},
    "weight decay": {"optimizer": ADAM},
    "global pooling": {"head": "flatten"},
    "max pooling": {"pooling": "average"},
}
ADDED = {
    "depth": {"convolutions": 2},
    "normalisation": {"normalisation": True},
    "residual connections": {"residual": True},
    "augmentation": {"augmentation": {}},
    "label smoothing": {"smoothing": 0.1},
    "one cycle": {"schedule": "one cycle"},
    "AdamW": {"optimizer": ADAMW},
    "global pooling": {"head": "global max"},
    "average pooling": {"pooling": "average"},
}
PARTS = ("shift", "rotate", "shear", "scale", "elastic", "stroke", "missing")
METHODS = {"final": FINAL, "baseline": BASELINE}
METHODS |= {f"final without {name}": FINAL | change for name, change in LEFT_OUT.items()}
METHODS |= {f"baseline with {name}": BASELINE | change for name, change in ADDED.items()}
METHODS["final without global max"] = FINAL | {"head": "global average"}
METHODS |= {f"final without augmentation: {part}": FINAL | {"augmentation": {part: 0}} for part in PARTS}
RUNS = [(method, recipe, seed) for seed in (0, 1, 2) for method, recipe in METHODS.items()]

POOLINGS = {"max": layers.MaxPooling2D, "average": layers.AveragePooling2D}
HEADS = {
    "global max": layers.GlobalMaxPooling2D,
    "global average": layers.GlobalAveragePooling2D,
    "flatten": layers.Flatten,
}


def convolution(recipe, hidden, filters, padding="same", pool=1, activate=True):
    """3x3 convolution, pooling, normalisation, ReLU: [n, h, w, c] to [n, h / pool, w / pool, filters], less unpadded.

    Without normalisation a bias stands for the shift that it learns.
    """
    hidden = layers.Conv2D(filters, 3, padding=padding, use_bias=not recipe["normalisation"])(hidden)
    hidden = POOLINGS[recipe["pooling"]](pool)(hidden) if pool > 1 else hidden
    hidden = layers.BatchNormalization()(hidden) if recipe["normalisation"] else hidden
    return layers.ReLU()(hidden) if activate else hidden


def final_network(recipe):
    """`networks.residual_network` by a recipe: float32 [n, 28, 28, 1] in 0..1 to logits [n, 10]. Not compiled."""
    inputs = keras.Input(SHAPE)
    hidden = convolution(recipe, inputs, 32, pool=2)
    for filters in (48, 128):
        hidden = POOLINGS[recipe["pooling"]](2)(hidden) if filters == 128 else hidden
        change = hidden = convolution(recipe, hidden, filters)
        for left in reversed(range(recipe["convolutions"])):
            change = convolution(recipe, change, filters, activate=left > 0)
        hidden = layers.ReLU()(layers.Add()([hidden, change]) if recipe["residual"] else change)
    hidden = HEADS[recipe["head"]]()(hidden)
    return keras.Model(inputs, layers.Dense(CLASSES)(hidden), name="final")


def baseline_network(recipe):
    """`trainings.baseline_model` by a recipe: float32 [n, 28, 28, 1] in 0..1 to probabilities [n, 10]. Not compiled.

    More convolutions are padded, so that the dense layers stay what they are. A residual connection goes around all
    convolutions, the two of a block of the final network: the image, cropped to their map, is added to each channel.
    """
    change = inputs = keras.Input(SHAPE)
    plan = [(filters, padding) for filters in (32, 64) for padding in ("valid", "same")[: recipe["convolutions"]]]
    for filters, padding in plan:
        change = convolution(recipe, change, filters, padding, activate=(filters, padding) != plan[-1])
    hidden = layers.ReLU()(layers.Add()([layers.Cropping2D(2)(inputs), change]) if recipe["residual"] else change)
    hidden = layers.Dropout(0.25)(POOLINGS[recipe["pooling"]](2)(hidden))
    hidden = layers.Dense(128, activation="relu")(HEADS[recipe["head"]]()(hidden))
    hidden = layers.Dropout(0.5)(hidden)
    return keras.Model(inputs, layers.Dense(CLASSES, activation="softmax")(hidden), name="baseline")


def model_of(recipe, steps):
    """The network of a recipe after its variations, compiled for `steps` batches."""
    final = recipe["network"] == "final"
    model = final_network(recipe) if final else baseline_network(recipe)
    if recipe["augmentation"] is not None:
        model = keras.Sequential([WritingVariations(**recipe["augmentation"]), model])
        model.build((None, *SHAPE))
    options = dict(recipe["optimizer"])
    kind, rate = getattr(keras.optimizers, options.pop("name")), options.pop("rate")
    rate = trainings.one_cycle(steps, peak=2 * rate) if recipe["schedule"] == "one cycle" else rate
    loss = keras.losses.CategoricalCrossentropy(from_logits=final, label_smoothing=recipe["smoothing"])
    model.compile(kind(rate, **options), loss, metrics=["accuracy"], jit_compile=False)  # as trainings.compiled has it
    return model


def measure(method, recipe, seed):
    """Train one network; its rows have the number of its weights besides."""
    keras.backend.clear_session()  # one process for all of them: the networks before it would stay in memory
    rows, aside = split(len(load_kmnist("train")[0]))
    model, new = trainings.trained(method, recipe, seed, lambda steps: model_of(recipe, steps), rows, aside)
    return [row | {"weights": model.count_params()} for row in new]


def main():
    common.run_study("ablation", RUNS, measure, ["keras", "tensorflow", "numpy"])


if __name__ == "__main__":
    common.run(main)
