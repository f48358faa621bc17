"""Augmentation: each change does what it says to an image made for it."""

import numpy as np
import pytest

from kuzushiji.numpy_augment import augment, bilinear, missing_ink, shift, smooth_noise, stroke_weight, warp

NONE = {"rotate": 0, "shear": 0, "scale": 0, "elastic": 0}


@pytest.fixture
def cross():
    """Three images of an off-centre cross with a serif at its upper right end, so that every symmetry is broken."""
    image = np.zeros((28, 28), np.float32)
    image[6:22, 12:15] = 1
    image[9:11, 7:20] = 1
    image[6:9, 18:20] = 1
    return image[None].repeat(3, 0)


def rng(seed=0):
    return np.random.default_rng(seed)


def middle(image):
    y, x = np.mgrid[0:28, 0:28]
    return (y * image).sum() / image.sum(), (x * image).sum() / image.sum()


def slant(image):
    """Covariance of row and column over the ink, divided by the variance of the rows."""
    y, x = np.mgrid[0:28, 0:28]
    row, column = middle(image)
    return ((y - row) * (x - column) * image).sum() / ((y - row) ** 2 * image).sum()


def test_bilinear_reads_between_pixels_and_background_outside():
    image = np.zeros((1, 28, 28), np.float32)
    image[0, 0, 0], image[0, 0, 1], image[0, 1, 0] = 1, 3, 5
    at = [(0, 0, 1), (0, 0.5, 2), (0.5, 0, 3), (0, 1, 3), (-5, 0, 0), (40, 3, 0), (-0.5, 0, 0.5)]
    rows, columns, expected = (np.array(values, np.float32) for values in zip(*at, strict=True))
    grid = [np.resize(values, (1, 28, 28)) for values in (rows, columns)]
    assert np.allclose(bilinear(image, *grid).reshape(-1)[: len(at)], expected)


def test_no_amounts_leave_the_image_as_it_is(cross):
    assert np.allclose(warp(cross, rng(), **NONE), cross, atol=1e-5)


def test_shift_moves_the_ink_by_no_more_than_it_says(cross):
    moved = shift(cross.repeat(100, 0), rng(), 3)
    distances = np.array([np.subtract(middle(image), middle(cross[0])) for image in moved])
    assert np.allclose(distances, distances.round(), atol=1e-5), "whole pixels"
    assert distances.min(axis=0).round().tolist() == [-3, -3] and distances.max(axis=0).round().tolist() == [3, 3]


@pytest.fixture
def bar():
    """A hundred images of an upright bar."""
    image = np.zeros((100, 28, 28), np.float32)
    image[:, 4:24, 13:15] = 1
    return image


def test_rotation_is_a_rotation_and_no_more_than_it_says(bar):
    turned = warp(bar, rng(), **NONE | {"rotate": 10})
    angles = np.degrees(np.arctan([slant(image) for image in turned]))
    assert 8 < angles.max() < 10.5 and -10.5 < angles.min() < -8
    assert np.allclose(turned.sum(axis=(1, 2)), bar[0].sum(), rtol=0.03)


def test_shear_and_scale_change_what_they_name(bar):
    sheared = warp(bar, rng(), **NONE | {"shear": 0.2})
    changes = np.array([slant(image) for image in sheared])
    assert 0.15 < changes.max() < 0.21 and -0.21 < changes.min() < -0.15
    scaled = warp(bar, rng(), **NONE | {"scale": 0.2})
    ink = scaled.sum(axis=(1, 2)) / bar[0].sum()
    assert ink.max() > 1.2 and ink.min() < 0.85


def test_elastic_bends_differently_in_every_image(cross):
    bent = warp(cross, rng(), **NONE | {"elastic": 1.5})
    assert np.abs(bent - cross).max() > 0.3
    assert np.abs(bent[0] - bent[1]).max() > 0.3


def test_smooth_noise_is_smooth():
    noise = smooth_noise(500, rng())
    assert noise.shape == (500, 28, 28) and abs(noise.mean()) < 0.05 and 0.5 < noise.std() < 1
    assert np.abs(np.diff(noise, axis=1)).max() < 1.5


def test_stroke_weight_thickens_and_thins_and_keeps_the_range(cross):
    changed = stroke_weight(cross.repeat(40, 0), rng(), strength=0.9)
    ink = changed.sum(axis=(1, 2))
    assert ink.min() < 0.6 * cross[0].sum() and ink.max() > 1.4 * cross[0].sum()
    assert changed.min() >= 0 and changed.max() <= 1


def test_missing_ink_blanks_one_square_at_every_place():
    blanked = missing_ink(np.ones((2000, 28, 28), np.float32), rng(), size=9)
    gone = 1 - blanked
    assert set(np.unique(gone)) == {0, 1} and gone.sum(axis=(1, 2)).max() == 81
    assert (gone.mean(axis=0) > 0).all()
    inside = gone[:, :, 0].sum(axis=1) + gone[:, 0].sum(axis=1) == 0
    widths = gone[inside].any(axis=1).sum(axis=1)
    assert set(np.unique(widths)) <= set(range(4, 10))


def test_no_image_is_ever_mirrored():
    bar = np.zeros((200, 28, 28), np.float32)
    bar[:, 5:23, 4:9] = 1  # ink at the left
    assert (np.array([middle(image)[1] for image in augment(bar, rng()) if image.sum()]) < 13.5).all()


def test_the_same_generator_gives_the_same_images_and_does_not_touch_the_originals(cross):
    before = cross.copy()
    assert np.array_equal(augment(cross, rng(5)), augment(cross, rng(5)))
    assert np.array_equal(cross, before)
    assert augment(cross, rng()).dtype == np.float32


def test_a_half_of_the_variants_keeps_crisp_edges(cross):
    variants = augment(cross.repeat(200, 0), rng())
    crisp = np.isin(variants, (0, 1)).all(axis=(1, 2))
    assert 0.4 < crisp.mean() < 0.6
