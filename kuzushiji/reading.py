"""Reading one character: from any picture to the most likely kana, with probabilities, or "unknown".

The network is notebook 03's, the preparation of the picture and the threshold for "unknown" are notebook 04's.
"""

import json
from dataclasses import dataclass
from functools import cache

import numpy as np

from .data import bundled, load_classmap
from .errors import DataError
from .pictures import SIDE, prepare_with_note


@dataclass(frozen=True)
class Reading:
    """What was read of one picture.

    kana: all ten as (character, romaji, probability), the most likely first; the probabilities hold if the picture is
    one of the ten. rejected: whether the highest of them is below `threshold()`: the picture is probably none of the
    ten, and `kana` should not be used. image: uint8 [28, 28], what the network saw. note: "" or what else is to be
    said of the picture.
    """

    kana: list
    rejected: bool
    image: np.ndarray
    note: str = ""

    def __str__(self):
        first, *others = [f"{character} {romaji} {percent(share)}" for character, romaji, share in self.kana[:3]]
        answer = "unknown" if self.rejected else f"{first}, then {', '.join(others)}"
        return f"{answer} ({self.note})" if self.note else answer


def percent(share):
    """A probability in words that never claim certainty."""
    if share > 0.999:
        return "over 99.9 %"
    return f"{100 * share:.1f} %" if share >= 0.001 else "under 0.1 %"


def read(picture):
    """Read a picture of one character: a path, bytes, open file, Pillow image or array (see `pictures.prepare`).

    Returns a Reading. Raises DataError for what is no picture, is damaged, too large, too small or blank.
    """
    image, note = prepare_with_note(picture)
    return read_prepared([image], [note])[0]


def read_prepared(images, notes=None):
    """Read images uint8 [n, 28, 28] that are prepared already (ink light on 0); returns a list of n Readings."""
    classmap, limit, logits = load_classmap("kmnist"), threshold(), logits_of(images)
    names = list(zip(classmap["char"], classmap["romaji"], strict=True))
    rows = zip(images, notes or [""] * len(images), probabilities(logits), strict=True)
    readings = []
    for image, note, shares in rows:
        ranked = np.argsort(-shares, kind="stable")
        kana = [(*names[label], float(shares[label])) for label in ranked]
        readings.append(Reading(kana, kana[0][2] < limit, np.asarray(image), note))
    return readings


def logits_of(images, batch_size=500):
    """What the shipped network answers to images uint8 [n, 28, 28]: logits float32 [n, 10], in order of the class map.

    Raises ValueError for another shape or dtype.
    """
    images = np.asarray(images)
    if images.dtype != np.uint8 or images.ndim != 3 or images.shape[1:] != (SIDE, SIDE):
        raise ValueError(f"images are {images.dtype} {list(images.shape)}, expected uint8 [n, 28, 28]: prepare them")
    model = network()
    from .cnn import keras

    answers = [np.empty((0, 10), np.float32)]
    for first in range(0, len(images), batch_size):
        batch = images[first : first + batch_size, ..., None] / np.float32(255)
        answers.append(keras.ops.convert_to_numpy(model(batch, training=False)))
    return np.concatenate(answers)


def probabilities(logits):
    """Calibrated probabilities [n, 10] of logits [n, 10]: softmax of the logits over notebook 03's temperature."""
    scaled = logits.astype(np.float64) / stored("kmnist_cnn.json")["temperature"]
    shares = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


def threshold():
    """The probability of the most likely kana below which a picture counts as unknown; notebook 04 chose it."""
    return stored("reading.json")["threshold"]


@cache
def stored(name):
    """A JSON file that the project ships in data/."""
    return json.loads(bundled(name).read_text(encoding="utf-8"))


@cache
def network():
    """The shipped network, loaded once in a process. Raises DataError where Keras or its backend is not installed."""
    try:
        from .cnn import keras
    except ModuleNotFoundError as error:
        raise DataError(
            f"reading needs Keras and one of its backends, and {error.name} is not installed: "
            "pip install keras tensorflow"
        ) from error
    return keras.models.load_model(bundled("kmnist_cnn.keras"), compile=False)
