"""Augmentation: each change equals its reference in NumPy and SciPy, and the layer draws by the reference law."""

import keras
import numpy as np
import pytest
from keras.ops import convert_to_numpy
from scipy.ndimage import grey_dilation, grey_erosion, map_coordinates, shift

from kuzushiji.augment import WritingVariations, affine, elastic, missing_ink, shifted, stroke_weight, warped

DRAWS, TOLERANCE = 20_000, 6  # of each picture; standard errors, which chance exceeds in about 1 of 170,000 runs
PICTURES = np.zeros((3, 28, 28), np.float32)  # one pixel; strokes, most of them near the border; all ink
PICTURES[0, 10, 17] = PICTURES[1, 3:25, 4] = PICTURES[1, 4:6, 14:26] = PICTURES[1, 0:2, 8] = PICTURES[2] = 1
PICTURES[1, 23, 5:25], PICTURES[1, 7:20, 22] = 0.8, 0.6
NOISE = np.random.default_rng(0).random((50, 28, 28, 1), np.float32)


def reference_shift(image, down, right):
    return shift(image, (down, right), order=0)


def reference_warp(image, degrees, shear, high, wide, bend):
    (y, x), cosine, sine = np.mgrid[:28, :28] - 13.5, np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    hats = np.maximum(0, 1 - np.abs(np.linspace(0, 4, 28)[:, None] - np.arange(5)))
    rows = (sine + shear) * x + cosine * high * y + 13.5 + hats @ bend[0] @ hats.T
    columns = cosine * wide * x + (shear - sine) * y + 13.5 + hats @ bend[1] @ hats.T
    return map_coordinates(image, (rows, columns), order=1, mode="grid-constant")


def reference_weight(image, amount):
    extreme = (grey_dilation if amount > 0 else grey_erosion)(image, size=3, mode="nearest")
    return image + abs(amount) * (extreme - image)


def reference_hide(image, top, left, size):
    y, x = np.mgrid[:28, :28]
    return np.where((y >= top) & (y < top + size) & (x >= left) & (x < left + size), 0, image)


def reference_variant(image, rng):
    image = reference_shift(image, *rng.integers(-2, 3, 2))
    if rng.random() < 0.5:
        (shear, *scale), bend = rng.uniform(-0.05, 0.05, 3), 0.4 * rng.standard_normal((2, 5, 5))
        image = reference_warp(image, rng.uniform(-4, 4), shear, 1 + scale[0], 1 + scale[1], bend)
        image = reference_weight(image, rng.uniform(-0.3, 0.3))
    return reference_hide(image, *rng.integers(-5, 24, 2), 9)


def test_each_change_equals_its_reference():
    rng, n = np.random.default_rng(1), len(NOISE)
    by, (top, left) = rng.integers(-3, 4, (2, n)), rng.integers(-8, 28, (2, n))
    linear = np.float32([rng.uniform(-30, 30, n), *rng.uniform(-0.2, 0.2, (3, n)) + [[0], [1], [1]]])
    bend, amount = 3 * rng.standard_normal((n, 2, 5, 5), np.float32), rng.uniform(-1, 1, n)
    for reference, result, *amounts in (
        (reference_shift, shifted(NOISE, *by), *by),
        (reference_warp, warped(NOISE, affine(*linear) + elastic(bend)), *linear, bend),
        (reference_weight, stroke_weight(NOISE, amount), amount),
        (reference_hide, missing_ink(NOISE, top, left, 8), top, left, np.full(n, 8)),
    ):
        expected = np.array([reference(image[..., 0], *each) for image, *each in zip(NOISE, *amounts, strict=True)])
        assert np.abs(convert_to_numpy(result)[..., 0] - expected).max() < 1e-5, reference


def variants(images, **options):
    return convert_to_numpy(WritingVariations(**{"seed": 0} | options)(images, training=True))


def moments(batches):
    """How often each pixel in batches [n, 3, 28, 28] has ink, and the sums of its first, second and fourth powers."""
    return sum(np.array([(v > 0).sum(0), v.sum(0), (v * v).sum(0), (v * v * v * v).sum(0)], float) for v in batches)


def test_variants_are_drawn_by_the_reference_law():
    """The mean and mean square of every pixel that has ink at least 100 times, in both."""
    rng, pictures = np.random.default_rng(0), np.tile(PICTURES[..., None], (1000, 1, 1, 1))
    law = moments(np.array([[reference_variant(picture, rng) for picture in PICTURES]]) for _ in range(DRAWS))
    made = moments(variants(pictures, seed=i).reshape(-1, 3, 28, 28) for i in range(DRAWS // 1000))
    often, made, law = made[0] + law[0] >= 100, made / DRAWS, law / DRAWS
    errors = np.sqrt((made[2:] - made[1:3] ** 2 + law[2:] - law[1:3] ** 2) / DRAWS)
    assert (np.abs(made - law)[1:3, often] / errors[:, often]).max() < TOLERANCE


def test_a_seed_decides_what_is_drawn_in_any_precision_only_in_training_and_only_of_images():
    layer = WritingVariations(shift=1, share=1.0, seed=5)
    first, second = (convert_to_numpy(layer(NOISE, training=True)) for _ in range(2))
    again, other = variants(NOISE, **layer.get_config()), variants(NOISE, shift=1, share=1.0, seed=6)
    assert np.array_equal(again, first) and not np.array_equal(second, first) and not np.array_equal(other, first)
    assert np.array_equal(layer(NOISE, training=False), NOISE) and np.array_equal(layer(NOISE), NOISE)
    keras.config.set_dtype_policy("mixed_bfloat16")
    mixed = variants(NOISE, shift=1, share=1.0, seed=5)
    keras.config.set_dtype_policy("float32")
    assert mixed.dtype == np.float32 and np.array_equal(mixed, first)
    for other in (NOISE[:, 1:], NOISE[..., 0], np.uint8(NOISE)):
        with pytest.raises(ValueError, match="expected"):
            layer(other, training=True)
