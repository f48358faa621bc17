"""Train the final network: on 54,000 images, where 6,000 others check it, then on all 60,000 with three seeds.

    python benchmarks/final.py

Runs what benchmarks/results.json lacks of it; interrupted, it goes on after the last finished epoch. The first training
writes data/validation_logits.npz and data/kmnist_cnn_54000.keras, seed 0 of the others data/kmnist_cnn.keras, and both
data/kmnist_cnn.json. (The recorded trainings had a NumPy augmentation of the same law as the layer; their rows say so.)
"""

import json
from importlib.metadata import version

import common
import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from kuzushiji import studies
from kuzushiji.files import replacing
from kuzushiji.paths import CHECKOUT, bundled

STUDY, COMMAND = "final", "python benchmarks/final.py"
DATA, PACKAGES = CHECKOUT / "data", ["keras", "tensorflow", "numpy"]
AUGMENTATION = {"augmentation": "kuzushiji.augment.WritingVariations"}


def parameters(images):
    return {"epochs": 11, "batch_size": 128, "images": images, "precision": "mixed_bfloat16"}


RUNS = [("final, on 54,000", parameters(54000), 0)]
RUNS += [("final", parameters(60000), seed) for seed in (0, 1, 2)]


def split(n_images, share=0.1):
    """Rows of the training and of the validation part, drawn at random with seed 0."""
    order = np.random.default_rng(0).permutation(n_images)
    aside = int(share * n_images)
    return np.sort(order[aside:]), np.sort(order[:aside])


def surprise(logits, labels):
    """Mean negative log likelihood of the labels, in nats."""
    return -log_softmax(logits, axis=1)[np.arange(len(labels)), labels].mean()


def fit_temperature(logits, labels):
    """The number to divide logits by so that the labels surprise least."""

    def cost(temperature):
        return surprise(logits / temperature, labels)

    return float(minimize_scalar(cost, bounds=(0.1, 10), method="bounded").x)


def train(method, settings, seed):
    """Train one network, record it, and write what is shipped of it."""
    import trainings
    from trainings import keras

    from kuzushiji import load_kmnist
    from kuzushiji.augment import WritingVariations
    from kuzushiji.networks import residual_network

    images, labels = load_kmnist("train")
    rows, aside = split(len(images)) if settings["images"] < len(images) else (slice(None), None)
    keras.utils.set_random_seed(seed)
    network = trainings.in_16_bits(residual_network)
    model = keras.Sequential([WritingVariations(), network])
    model.build((None, 28, 28, 1))
    data = trainings.Epochs(images[rows], labels[rows], seed, settings["batch_size"])
    trainings.compile_residual(model, settings["epochs"] * len(data))

    def measure():
        return {"validation accuracy": trainings.accuracy(network, images[aside], labels[aside])}

    name, validate = f"final-{settings['images']}-{seed}", None if aside is None else measure
    report = trainings.said(f"{method}, seed {seed}")
    history = trainings.fit(model, data, settings["epochs"], name, validate, report)
    found = {"test accuracy": trainings.accuracy(network, *load_kmnist("test"))}
    shipped = residual_network()  # in 32 bits, without the optimiser's memory
    shipped.set_weights(network.get_weights())
    if aside is not None:
        logits = trainings.logits_of(shipped, images[aside])
        found |= {"temperature": fit_temperature(logits, labels[aside])} | measure()
        with replacing(DATA / "validation_logits.npz") as temporary, open(temporary, "wb") as file:
            np.savez_compressed(file, logits=logits, labels=labels[aside], rows=aside.astype(np.uint16))
        trainings.save_for_all_releases(shipped, DATA / "kmnist_cnn_54000.keras")
    elif seed == 0:  # not the best one
        trainings.save_for_all_releases(shipped, DATA / "kmnist_cnn.keras")
    new = [
        trainings.row_of(method, settings, seed, metric, value, history, **AUGMENTATION)
        for metric, value in found.items()
    ]
    studies.record(STUDY, COMMAND, new, PACKAGES)
    trainings.forget(name)


def write_facts():
    """Write data/kmnist_cnn.json, what is to be known of the weights; the temperature is fitted anew."""
    with np.load(bundled("validation_logits.npz")) as stored:
        temperature = fit_temperature(stored["logits"], stored["labels"])
    by_seed = {row["seed"]: row["value"] for row in studies.rows(STUDY) if row["method"] == "final"}
    facts = {
        "network": "kuzushiji.networks.residual_network, seed 0, trained on all 60,000 training images",
        "data": "KMNIST, release of 5 February 2019",
        "input": "float32 [n, 28, 28, 1], 0 (paper) to 1 (ink)",
        "output": "logits [n, 10] in the order of kmnist_classmap.csv; divide by temperature, then softmax",
        "temperature": round(temperature, 4),
        "temperature from": "data/validation_logits.npz",
        "test accuracy by seed": [by_seed[seed] for seed in sorted(by_seed)],
        "versions": {name: version(name) for name in PACKAGES},
    }
    with replacing(DATA / "kmnist_cnn.json") as temporary:
        temporary.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def main():
    missing = studies.missing(STUDY, RUNS)
    for run in missing:
        train(*run)
    if missing:
        write_facts()


if __name__ == "__main__":
    common.run_study(main)
