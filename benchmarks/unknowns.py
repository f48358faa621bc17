"""Choose the threshold for "unknown", and measure what it lets through: printed kana, digits and Kuzushiji-Kanji.

    python benchmarks/unknowns.py

Writes data/reading.json where the threshold has changed, and measures what benchmarks/results.json lacks: about a
minute, once Kuzushiji-Kanji (310 MB, found or downloaded) is decoded, so that an interrupted run begins anew. Notebook
04 shows the same functions, and measures all but the kanji itself.
"""

import json
from importlib.metadata import version

import common
import numpy as np
from degradations import weights_of
from matplotlib.font_manager import findfont
from PIL import Image, ImageDraw, ImageFont
from scipy.special import logsumexp, softmax
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score

from kuzushiji import augment, figures, prepare, reading, studies
from kuzushiji.datasets import load_classmap, load_kmnist, load_specimens
from kuzushiji.files import replacing
from kuzushiji.kkanji import load_kkanji
from kuzushiji.networks import keras
from kuzushiji.paths import CHECKOUT, bundled

STUDY, COMMAND = "unknowns", "python benchmarks/unknowns.py"
KEPT = 0.99  # of the known characters
OTHERS = "あいうえかくけこさしせそたちてとにぬねのひふへほみむめもゆよらりるろわゐゑん"
LEAST = 5  # images of a kanji, or no share of them is worth a row
LAST = "all other kanji"  # the method that is recorded last


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


def chosen_threshold(temperature, path=CHECKOUT / "data" / "reading.json"):
    """The probability that KEPT of the validation images reach, to four digits; written to `path` where it is new."""
    with np.load(bundled("validation_logits.npz")) as validation:
        surest = softmax(validation["logits"].astype(float) / temperature, axis=1).max(axis=1)
    chosen = {
        "score": "highest calibrated probability",
        "threshold": round(float(np.quantile(surest, 1 - KEPT)), 4),
        "kept": KEPT,
        "chosen on": f"the {len(surest):,} validation images of data/validation_logits.npz",
        "temperature": temperature,
    }
    written = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if any(written.get(name) != value for name, value in chosen.items()):
        chosen["versions"] = {name: version(name) for name in ("numpy", "scipy")}
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(chosen, indent=1) + "\n", encoding="utf-8")
    return chosen["threshold"]


def parents():
    """The parents that certain specimens of KMNIST have, as {kanji: label of the kana}, in order of the labels."""
    table = load_specimens("kmnist")[1].query("certain").drop_duplicates("parent").sort_values(["label", "row"])
    return dict(zip(table["parent"], table["label"], strict=True))


def usable(images, rows):
    """The rows whose image has ink: one or two of Kuzushiji-Kanji are all black."""
    return rows[images[rows].any(axis=(1, 2))]


def metrics_of(found, known, threshold):
    """Metrics of a collection from its scores: the accepted share, and the AUROC of each score against the known."""
    metrics = {"images": len(found["energy"]), "accepted": (found["maximum probability"] >= threshold).mean()}
    for score in found if found is not known else ():
        metrics[f"AUROC, {score}"] = auroc(known[score], found[score])
        metrics[f"standard error of AUROC, {score}"] = standard_error(known[score], found[score])
    return metrics


def of_parent(images, label, threshold):
    """Metrics of images of a kanji: the share that is accepted, and accepted and read as the kana of `label`."""
    logits = reading.logits_of(images)
    accepted = reading.probabilities(logits).max(axis=1) >= threshold
    read_so = accepted & (logits.argmax(axis=1) == label)
    return {"images": len(images), "accepted": accepted.mean(), "read as its kana": read_so.mean()}


def measured(threshold, temperature):
    """Yield each method with its metrics; LAST comes last."""
    network = reading.network()
    model = keras.Model(network.input, [network.layers[-2].output, network.output])
    bank = on_unit_sphere(features_and_logits(load_kmnist("train")[0][::10], model)[0])
    known = scores(load_kmnist("test")[0], model, bank, temperature)
    figures.use_style()  # which registers the font
    font = ImageFont.truetype(findfont(figures.JAPANESE_FONT), 100)
    kanji, kanji_labels = load_kkanji()
    kanji_labels = load_classmap("kkanji")["char"].to_numpy()[kanji_labels]
    sampled = usable(kanji, np.arange(0, len(kanji), 28))
    collections = {
        "printed kana, other": variants(OTHERS, font, 20, np.random.default_rng(0)),
        "digits": np.stack([prepare.prepare(digit / 16) for digit in load_digits().images]),
        "Kuzushiji-Kanji": np.stack([prepare.prepare(image) for image in kanji[sampled]]),
    }
    yield "KMNIST, test", metrics_of(known, known, threshold)
    for name, images in collections.items():
        found = scores(images, model, bank, temperature)
        yield name, metrics_of(found, known, threshold)
    label_of, kana = parents(), load_classmap("kmnist")["char"]
    for parent, label in label_of.items():
        rows = usable(kanji, np.flatnonzero(kanji_labels == parent)[:100])
        if len(rows) >= LEAST:
            images = np.stack([prepare.prepare(image) for image in kanji[rows]])
            yield f"{parent}, parent of {kana[label]}", of_parent(images, label, threshold)
    others = found["maximum probability"][~np.isin(kanji_labels[sampled], list(label_of))]
    yield LAST, {"images": len(others), "accepted": (others >= threshold).mean()}


def main():
    temperature = reading.stored("kmnist_cnn.json")["temperature"]
    threshold = chosen_threshold(temperature)
    settings = {"weights": weights_of(reading.network()), "temperature": temperature, "threshold": threshold}
    if not studies.missing(STUDY, [(LAST, settings, 0)]):
        return
    for method, metrics in measured(threshold, temperature):
        run = {"method": method, "parameters": settings, "seed": 0, "seconds": None}
        rows = [run | {"metric": metric, "value": round(float(value), 4)} for metric, value in metrics.items()]
        studies.record(STUDY, COMMAND, rows, ["keras", "tensorflow", "numpy", "pillow", "scipy", "scikit-learn"])
        print(f"{method}: " + ", ".join(f"{row['metric']} {row['value']:g}" for row in rows), flush=True)


if __name__ == "__main__":
    common.run_study(main)
