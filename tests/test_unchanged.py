"""What may not change while the house is rebuilt: `unchanged.npz` holds what the code of commit e14c276 made.

"prepared", of other pictures then, was made anew by a73cfc8, which prepared those others as e14c276 did.
"""

from pathlib import Path

import numpy as np
import pytest
from degradations import degradations

from kuzushiji import eigenkana, load_kmnist, reading
from kuzushiji.prepare import prepare


@pytest.fixture(scope="module")
def stored():
    with np.load(Path(__file__).with_name("unchanged.npz")) as archive:
        return dict(archive)


def test_eigenkana_are_the_same_within_a_grey_level(stored):
    images, labels = eigenkana.sample(eigenkana.load_model(), 1000, seed=0)
    assert np.array_equal(labels, stored["generated labels"])
    assert np.abs(images.astype(int) - stored["generated images"]).max() <= 1


def test_degraded_pictures_are_prepared_alike_within_a_grey_level(stored):
    kinds = list(degradations.values())
    for number, image in enumerate(stored["generated images"][:200]):
        picture = kinds[number % len(kinds)](image, np.random.default_rng(number))
        assert np.abs(prepare(picture).astype(int) - stored["prepared"][number]).max() <= 1


def test_the_network_answers_alike(kmnist, stored):
    logits = reading.logits_of(load_kmnist("test", source="kmnist")[0][:1000])
    assert np.abs(logits - stored["logits"]).max() < 1e-4
