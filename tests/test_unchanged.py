"""What may not change while the house is rebuilt: loaded arrays, generated images, prepared pictures, logits.

`unchanged.npz` was made by the functions below from the code of commit e14c276, before the rebuilding began.
"""

import hashlib
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kuzushiji import eigenkana, load_kmnist, reading
from kuzushiji.prepare import prepare

STORED = Path(__file__).with_name("unchanged.npz")
DIGESTS = {  # SHA-256 of the bytes of the arrays, as published in data/README.md
    ("train", 0): "a739bf427aa2dfc5c56d12f608684bc6db28276246c1b912b0416ba34349a7ca",
    ("train", 1): "691c5342313eaef4a0b4d33645442ae1b98f13bd2066e67b551fdd4972ef71ea",
    ("test", 0): "dc10e73c6e83fb3fb3586eafece217ab6602e7825fa7d49399359bde3fc66f07",
    ("test", 1): "77d83a49ca5434c5da77399edc7143065cb3a7b0834e2898ea3094e8c2b21a3c",
}


def generated():
    """1,000 eigenkana of seed 0: images uint8 [1000, 28, 28] and labels uint8 [1000]."""
    return eigenkana.sample(eigenkana.load_model(), 1000, seed=0)


def degraded():
    """200 bad pictures of the first generated characters, twenty of each kind, as arrays uint8 of many shapes."""
    images = stored("generated images")[:200]
    random = np.random.default_rng(0)
    for number, image in enumerate(images):
        side = int(random.integers(60, 220))
        page = Image.fromarray(255 - image).resize((side, side), Image.Resampling.BICUBIC)
        kind, scan = number % 10, np.array(page)
        light = np.linspace(0.4, 1, side)
        if kind == 1:  # light ink on dark paper
            scan = 255 - scan
        elif kind == 2:  # small, somewhere on a sheet
            sheet = np.full((300, 260), 255, np.uint8)
            top, left = random.integers(0, 300 - side), random.integers(0, 260 - side)
            sheet[top : top + side, left : left + side] = scan
            scan = sheet
        elif kind == 3:  # brown ink on yellowish paper
            scan = np.uint8(scan[..., None] / 255 * (np.array([225, 205, 160]) - [80, 45, 30]) + [80, 45, 30])
        elif kind == 4:  # light from the left or right
            scan = np.uint8(scan * (light if number % 4 else light[::-1]))
        elif kind == 5:
            scan = np.clip(scan + random.normal(0, 30, scan.shape), 0, 255).astype(np.uint8)
        elif kind == 6:
            scan = np.array(page.rotate(8, Image.Resampling.BICUBIC, expand=True, fillcolor=255))
        elif kind == 7:
            file = io.BytesIO()
            page.save(file, "JPEG", quality=20)
            scan = np.array(Image.open(file))
        elif kind == 8:  # specks of dirt
            scan[random.integers(0, side, 12), random.integers(0, side, 12)] = 60
        elif kind == 9:  # black ink on transparent paper
            scan = np.dstack([np.zeros((side, side, 3), np.uint8), 255 - scan])
        yield scan


def prepared():
    return np.stack([prepare(picture) for picture in degraded()])


def answers():
    return reading.logits_of(load_kmnist("test", source="kmnist")[0][:1000])


def stored(name):
    with np.load(STORED) as archive:
        return archive[name]


@pytest.mark.parametrize("split", ["train", "test"])
def test_loaded_arrays_have_the_published_digests(kmnist, split):
    for part, array in enumerate(load_kmnist(split, source="kmnist")):
        assert hashlib.sha256(array).hexdigest() == DIGESTS[split, part]


def test_eigenkana_are_the_same_within_a_grey_level():
    images, labels = generated()
    assert np.array_equal(labels, stored("generated labels"))
    assert np.abs(images.astype(int) - stored("generated images")).max() <= 1


def test_degraded_pictures_are_prepared_alike_within_a_grey_level():
    assert np.abs(prepared().astype(int) - stored("prepared")).max() <= 1


def test_the_network_answers_alike(kmnist):
    assert np.abs(answers() - stored("logits")).max() < 1e-4
