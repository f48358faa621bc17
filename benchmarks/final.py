"""Train the final network: on 54,000 images, where 6,000 others check it, then on all 60,000 with three seeds.

The first training writes data/validation_logits.npz and data/kmnist_cnn_54000.keras, seed 0 of the others
data/kmnist_cnn.keras, and both data/kmnist_cnn.json. (The recorded trainings had a NumPy augmentation of the same law
as the layer; their rows say so.)
"""

from importlib.metadata import version

import common
import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from kuzushiji import load_kmnist, reading, studies
from kuzushiji.files import replacing
from kuzushiji.paths import CHECKOUT, bundled

DATA, PACKAGES = CHECKOUT / "data", ["keras", "tensorflow", "numpy"]
RECIPE = {"epochs": 11, "batch_size": 128, "images": 60000, "precision": "mixed_bfloat16"}
RUNS = [("final, on 54,000", RECIPE | {"images": 54000}, 0), *(("final", RECIPE, seed) for seed in (0, 1, 2))]


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


def measure(method, settings, seed):
    """Train one network, and write what is shipped of it."""
    import trainings

    images, labels = load_kmnist("train")
    rows, aside = split(len(images)) if settings["images"] < len(images) else (slice(None), None)
    model, new = trainings.trained(method, settings, seed, trainings.residual_model, rows, aside)
    shipped = trainings.residual_network()  # in 32 bits, without the optimiser's memory
    shipped.set_weights(model.layers[-1].get_weights())
    if aside is not None:
        logits = trainings.outputs_of(shipped, images[aside])
        temperature = fit_temperature(logits, labels[aside])
        new.append({"metric": "temperature", "value": temperature, "seconds": new[0]["seconds"]})
        with replacing(DATA / "validation_logits.npz") as temporary, open(temporary, "wb") as file:
            np.savez_compressed(file, logits=logits, labels=labels[aside], rows=aside.astype(np.uint16))
        trainings.save(shipped, DATA / "kmnist_cnn_54000.keras")
    elif seed == 0:  # not the best one
        trainings.save(shipped, DATA / "kmnist_cnn.keras")
    return [row | {"augmentation": "kuzushiji.augment.WritingVariations"} for row in new]


def write_facts():
    """Write in data/kmnist_cnn.json what is new of the weights; the temperature is fitted anew."""
    with np.load(bundled("validation_logits.npz")) as stored:
        temperature = fit_temperature(stored["logits"], stored["labels"])
    by_seed = {row["seed"]: row["value"] for row in studies.rows("final") if row["method"] == "final"}
    facts = {
        "temperature": round(temperature, 4),
        "test accuracy by seed": [by_seed[seed] for seed in sorted(by_seed)],
        "versions": {name: version(name) for name in PACKAGES},
    }
    stored = reading.stored("kmnist_cnn.json")
    if any(stored[name] != facts[name] for name in ("temperature", "test accuracy by seed")):
        common.write_json(DATA / "kmnist_cnn.json", stored | facts)


def main():
    common.run_study("final", RUNS, measure, PACKAGES)
    write_facts()


if __name__ == "__main__":
    common.run(main)
