"""Reading one character: from any picture to the most likely kana, with probabilities, or "unknown".

The network is notebook 03's, the preparation of the picture and the threshold for "unknown" are notebook 04's.
"""

import json
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from .datasets import load_classmap
from .paths import DataError, bundled


@dataclass(frozen=True)
class Reading:
    """What was read of one picture; two readings are equal where kana and rejected are."""

    kana: list  # all ten as (character, romaji, probability if the picture is one of the ten), most likely first
    rejected: bool  # the first probability is below `threshold()`: probably none of the ten, and kana is of no use
    image: np.ndarray = field(compare=False)  # uint8 [28, 28], what the network saw

    def __str__(self):
        first, *others = [f"{character} {romaji} {percent(share)}" for character, romaji, share in self.kana[:3]]
        return "unknown" if self.rejected else f"{first}, then {', '.join(others)}"


def percent(share):
    """A probability in words that never claim certainty."""
    if share > 0.999:
        return "over 99.9 %"
    return f"{100 * share:.1f} %" if share >= 0.001 else "under 0.1 %"


def read(picture):
    """Read a picture of one character: a path, bytes, Pillow image or array (see `prepare.prepare`).

    Returns a Reading. Raises DataError for what is no picture, is damaged, too large, too small or blank.
    """
    from .prepare import prepare  # with Pillow and SciPy, which take their time

    return read_prepared([prepare(picture)])[0]


def read_prepared(images):
    """Read images uint8 [n, 28, 28] that are prepared already (ink light on 0); returns a list of n Readings."""
    names, limit, readings = load_classmap("kmnist")[["char", "romaji"]].to_numpy(), threshold(), []
    for image, shares in zip(images, probabilities(logits_of(images)), strict=True):
        kana = [(*names[label], float(shares[label])) for label in np.argsort(-shares, kind="stable")]
        readings.append(Reading(kana, kana[0][2] < limit, np.asarray(image)))
    return readings


def logits_of(images, batch_size=500):
    """Logits float32 [n, 10], in class map order, of images uint8 [n, 28, 28]. ValueError for another shape, dtype."""
    images = np.asarray(images)
    if images.dtype != np.uint8 or images.shape[1:] != (28, 28):
        raise ValueError(f"images are {images.dtype} {list(images.shape)}, expected uint8 [n, 28, 28]: prepare them")
    model = network()
    import keras

    answers = [np.empty((0, 10), np.float32)]
    for first in range(0, len(images), batch_size):
        batch = images[first : first + batch_size, ..., None] / np.float32(255)
        answers.append(keras.ops.convert_to_numpy(model(batch, training=False)))
    return np.concatenate(answers)


def probabilities(logits):
    """Calibrated probabilities [n, 10] of logits [n, 10]: softmax of the logits over notebook 03's temperature."""
    from scipy.special import softmax

    return softmax(logits.astype(np.float64) / stored("kmnist_cnn.json")["temperature"], axis=1)


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
        from .networks import keras
    except ModuleNotFoundError as error:
        raise DataError(f"reading needs {error.name}, which is not installed: pip install keras tensorflow") from error
    return keras.models.load_model(bundled("kmnist_cnn.keras"), compile=False)
