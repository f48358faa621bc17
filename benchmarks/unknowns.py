"""Choose the threshold for "unknown", and measure what it lets through: printed kana, digits and Kuzushiji-Kanji.

Writes data/reading.json where the threshold has changed. An interrupted run begins anew: it takes about a minute, once
Kuzushiji-Kanji is decoded. Notebook 04 shows the same functions, and measures all but the kanji itself.
"""

from importlib.metadata import version

import common
import numpy as np
from degradations import weights_of
from matplotlib.font_manager import findfont
from PIL import Image, ImageDraw, ImageFont
from scipy.special import logsumexp, softmax
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score

from kuzushiji import augment, figures, prepare, reading
from kuzushiji.datasets import load_classmap, load_kmnist, load_specimens
from kuzushiji.kkanji import load_kkanji
from kuzushiji.networks import keras
from kuzushiji.paths import CHECKOUT, bundled

OTHERS = "あいうえかくけこさしせそたちてとにぬねのひふへほみむめもゆよらりるろわゐゑん"
LEAST = 5  # images of a kanji, or no share of them is worth a row
LAST = "all other kanji"  # the method by which a finished study is known: all are recorded together


def printed(character, font):
    """A character of a printed font: uint8 [140, 140], dark ink on white paper."""
    page = Image.new("L", (140, 140), 255)
    ImageDraw.Draw(page).text((70, 70), character, font=font, anchor="mm", fill=0)
    return np.array(page)


def variants(characters, font, count, random):
    """Printed characters, prepared, in `count` variants each: uint8 [n, 28, 28]."""
    drawn = [prepare.prepare(printed(character, font)) for character in characters]
    images = np.stack(drawn).repeat(count, axis=0)[..., None] / np.float32(255)
    rotate, shear, high, wide = random.uniform(-1, 1, (4, len(images)))
    bend = random.normal(0, 0.4, (len(images), 2, 5, 5)).astype(np.float32)
    by = augment.affine(8 * rotate, 0.05 * shear, 1 + 0.05 * high, 1 + 0.05 * wide)
    moved = augment.warped(images, by + augment.elastic(bend))
    return np.rint(255 * keras.ops.convert_to_numpy(moved)[..., 0]).astype(np.uint8)


def features_and_logits(images, model):
    """Features [n, 128] and logits [n, 10] of images uint8 [n, 28, 28]."""
    pixels = images[..., None] / np.float32(255)
    return model.predict(pixels, batch_size=500, verbose=0)


def on_unit_sphere(features):
    """Features [n, 128], each divided by its length."""
    return features / np.linalg.norm(features, axis=1, keepdims=True)


def scores(images, model, bank, temperature):
    """The three scores of images uint8 [n, 28, 28], higher for the more familiar."""
    features, logits = features_and_logits(images, model)
    calibrated = logits.astype(float) / temperature
    similarity = on_unit_sphere(features) @ bank.T
    return {
        "maximum probability": softmax(calibrated, axis=1).max(axis=1),
        "energy": temperature * logsumexp(calibrated, axis=1),
        "distance": np.partition(similarity, -5)[:, -5:].mean(axis=1),
    }


def auroc(known, unknown):
    """The chance that a known image scores higher than an unknown one."""
    labels = np.concatenate([np.ones(len(known)), np.zeros(len(unknown))])
    return roc_auc_score(labels, np.concatenate([known, unknown]))


def standard_error(known, unknown):
    """Of the AUROC: from how differently single images fare against the other side."""
    below = np.searchsorted(np.sort(known), unknown) / len(known)
    above = np.searchsorted(np.sort(unknown), known) / len(unknown)
    return np.sqrt(below.var() / len(unknown) + above.var() / len(known))


def chosen_threshold(temperature):
    """The probability that a share of the validation images reach, to four digits; written where it is new."""
    stored = reading.stored("reading.json")
    with np.load(bundled("validation_logits.npz")) as validation:
        surest = reading.probabilities(validation["logits"]).max(axis=1)
    threshold = round(float(np.quantile(surest, 1 - stored["kept"])), 4)
    if (threshold, temperature) != (stored["threshold"], stored["temperature"]):
        versions = {name: version(name) for name in ("numpy", "scipy")}
        chosen = {"threshold": threshold, "temperature": temperature, "versions": versions}
        common.write_json(CHECKOUT / "data" / "reading.json", stored | chosen)
    return threshold


def metrics_of(found, known, threshold):
    """Metrics of a collection from its scores: the accepted share, and the AUROC of each score against the known."""
    metrics = {"images": len(found["energy"]), "accepted": (found["maximum probability"] >= threshold).mean()}
    for score in found if found is not known else ():
        metrics[f"AUROC, {score}"] = auroc(known[score], found[score])
        metrics[f"standard error of AUROC, {score}"] = standard_error(known[score], found[score])
    return metrics


def of_parent(images, label, threshold):
    """Metrics of images of a kanji: the share that is accepted, and accepted and read as the kana of `label`."""
    shares = reading.probabilities(reading.logits_of(images))
    accepted = shares.max(axis=1) >= threshold
    read_so = accepted & (shares.argmax(axis=1) == label)
    return {"images": len(images), "accepted": accepted.mean(), "read as its kana": read_so.mean()}


def measured(threshold, temperature):
    """{method: metrics}; LAST is among them."""
    network = reading.network()
    model = keras.Model(network.input, [network.layers[-2].output, network.output])
    bank = on_unit_sphere(features_and_logits(load_kmnist("train")[0][::10], model)[0])
    known = scores(load_kmnist("test")[0], model, bank, temperature)
    figures.use_style()  # which registers the font
    font = ImageFont.truetype(findfont(figures.JAPANESE_FONT), 100)
    kanji, kanji_labels = load_kkanji()
    kanji_labels = load_classmap("kkanji")["char"].to_numpy()[kanji_labels]
    inked = kanji.any(axis=(1, 2))  # one or two are all black
    sampled = np.flatnonzero(inked & (np.arange(len(kanji)) % 28 == 0))
    collections = {
        "printed kana, other": variants(OTHERS, font, 20, np.random.default_rng(0)),
        "digits": np.stack([prepare.prepare(digit / 16) for digit in load_digits().images]),
        "Kuzushiji-Kanji": np.stack([prepare.prepare(image) for image in kanji[sampled]]),
    }
    metrics = {"KMNIST, test": metrics_of(known, known, threshold)}
    for name, images in collections.items():
        found = scores(images, model, bank, temperature)
        metrics[name] = metrics_of(found, known, threshold)
    specimens, kana = load_specimens("kmnist")[1].query("certain"), load_classmap("kmnist")["char"]
    specimens = specimens.drop_duplicates("parent").sort_values(["label", "row"])
    for parent, label in zip(specimens["parent"], specimens["label"], strict=True):
        rows = np.flatnonzero(kanji_labels == parent)[:100]
        images = [prepare.prepare(image) for image in kanji[rows[inked[rows]]]]
        if len(images) >= LEAST:
            metrics[f"{parent}, parent of {kana[label]}"] = of_parent(np.stack(images), label, threshold)
    others = found["maximum probability"][~np.isin(kanji_labels[sampled], specimens["parent"])]
    metrics[LAST] = {"images": len(others), "accepted": (others >= threshold).mean()}
    return metrics


def main():
    temperature = reading.stored("kmnist_cnn.json")["temperature"]
    threshold = chosen_threshold(temperature)
    settings = {"weights": weights_of(reading.network()), "temperature": temperature, "threshold": threshold}

    def measure(*run):
        methods = measured(threshold, temperature).items()
        return [row | {"method": name} for name, metrics in methods for row in common.rows_of(metrics, None)]

    packages = ["keras", "tensorflow", "numpy", "pillow", "scipy", "scikit-learn"]
    common.run_study("unknowns", [(LAST, settings, 0)], measure, packages)


if __name__ == "__main__":
    common.run(main)
