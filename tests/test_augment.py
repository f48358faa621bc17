"""Augmentation: each change equals its reference in NumPy and SciPy, and the layer draws by the reference law."""

import functools
import importlib.util
import os
import subprocess
import sys

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
CHANGED = dict(shift=3, rotate=8.0, shear=0.1, scale=0.1, elastic=0.8, stroke=0.6, missing=7, share=1.0).items()
BACKENDS = [name for name in ("tensorflow", "jax", "torch") if importlib.util.find_spec(name)]
NOISE = np.random.default_rng(0).random((50, 28, 28, 1), np.float32)
reference_shift = functools.partial(shift, order=0)  # of pixels (down, right)


def reference_warp(image, degrees, shear, high, wide, bend):
    (y, x), (cosine, sine) = np.mgrid[:28, :28] - 13.5, (np.cos(np.radians(degrees)), np.sin(np.radians(degrees)))
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
    image = reference_shift(image, rng.integers(-2, 3, 2))
    if rng.random() < 0.5:
        (shear, *scale), bend = rng.uniform(-0.05, 0.05, 3), 0.4 * rng.standard_normal((2, 5, 5))
        image = reference_warp(image, rng.uniform(-4, 4), shear, 1 + scale[0], 1 + scale[1], bend)
        image = reference_weight(image, rng.uniform(-0.3, 0.3))
    return reference_hide(image, *rng.integers(-5, 24, 2), 9)


def test_each_change_equals_its_reference():
    rng, n = np.random.default_rng(1), len(NOISE)
    by, (top, left) = rng.integers(-3, 4, (n, 2)), rng.integers(-8, 28, (2, n))
    linear = np.float32([rng.uniform(-30, 30, n), *rng.uniform(-0.2, 0.2, (3, n)) + [[0], [1], [1]]])
    bend, amount = 3 * rng.standard_normal((n, 2, 5, 5), np.float32), rng.uniform(-1, 1, n)
    for reference, result, *amounts in (
        (reference_shift, shifted(NOISE, *by.T), by),
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


def difference(law, **changes):
    """Of the mean or mean square of a pixel with ink at least 100 times: the largest over all pixels, in errors."""
    pictures = np.tile(PICTURES[..., None], (1000, 1, 1, 1))
    made = moments(variants(pictures, **{"seed": i} | changes).reshape(-1, 3, 28, 28) for i in range(DRAWS // 1000))
    often, made, law = made[0] + law[0] >= 100, made / DRAWS, law / DRAWS
    errors = np.sqrt((made[2:] - made[1:3] ** 2 + law[2:] - law[1:3] ** 2) / DRAWS)
    return (np.abs(made - law)[1:3, often] / errors[:, often]).max()


@pytest.fixture(scope="module")
def law():
    rng = np.random.default_rng(0)
    return moments(np.array([[reference_variant(p, rng) for p in PICTURES]]) for _ in range(DRAWS))


def test_variants_are_drawn_by_the_reference_law_and_never_mirrored(law):
    assert difference(law) < TOLERANCE < difference(law[..., ::-1])
    made = variants(0.1 + NOISE[:1].repeat(4000, 0))[..., 0]
    copies = [reference_shift(0.1 + NOISE[0, ..., 0], (i - 2, j - 2)) for i, j in np.ndindex(5, 5)]
    same = np.array([((made == copy) | (made == 0)).all(axis=(1, 2)) for copy in copies])  # 0: missing ink, or outside
    assert same.sum(axis=0).max() == 1 and abs(same.sum() - 2000) < 6 * np.sqrt(1000), "a half are copies"
    up_left = np.pad(np.ones((500, 4, 5, 1), np.float32), ((0, 0), (1, 23), (7, 16), (0, 0)))  # more up than left
    made = variants(up_left, missing=0)[..., 0]
    y, x = (np.sum((place - 13.5) * made, axis=(1, 2)) for place in np.mgrid[:28, :28])
    assert (y < -np.abs(x)).all() and (x < 0).all()


@pytest.mark.parametrize("name, value", CHANGED)
def test_another_law_is_noticed(law, name, value):
    assert difference(law, **{name: value}) > TOLERANCE


def test_seeds_configuration_precision_and_refusals():
    layer = WritingVariations(shift=1, share=1.0, seed=5)
    first, second = (convert_to_numpy(layer(NOISE, training=True)) for _ in range(2))
    again, other = variants(NOISE, **layer.get_config()), variants(NOISE, shift=1, share=1.0, seed=6)
    assert np.array_equal(again, first) and not np.array_equal(second, first) and not np.array_equal(other, first)
    assert WritingVariations.from_config(layer.get_config()).get_config() == layer.get_config()
    assert np.array_equal(layer(NOISE, training=False), NOISE) and np.array_equal(layer(NOISE), NOISE)
    keras.config.set_dtype_policy("mixed_bfloat16")
    mixed = variants(NOISE, shift=1, share=1.0, seed=5)
    keras.config.set_dtype_policy("float32")
    assert mixed.dtype == np.float32 and np.array_equal(mixed, first)
    for found, dtype in ([2, 27, 28, 1], "float32"), ([2, 28, 28], "float64"), ([2, 28, 28, 1], "uint8"):
        with pytest.raises(ValueError) as error:
            layer(np.zeros(found, dtype))
        assert str(error.value) == f"The images are {dtype} {found}, expected float32 [b, 28, 28, 1] in 0..1."


def test_fitting_draws_by_the_reference_law_and_the_network_is_saved_alone(law, tmp_path):
    statistics, variations = keras.layers.BatchNormalization(momentum=0), WritingVariations(seed=0)
    network = keras.Sequential([keras.Input((28, 28, 1)), keras.layers.Flatten(), statistics, keras.layers.Dense(10)])
    model = keras.Sequential([variations, network])
    model.compile("sgd", "mse")
    strokes = PICTURES[1, :, :, None][None].repeat(5000, 0)
    model.fit(strokes[:10], np.zeros((10, 10)), batch_size=4, epochs=2, verbose=0)  # batches of 4, 4 and 2
    model.fit(strokes, np.zeros((5000, 10)), batch_size=5000, verbose=0)
    assert convert_to_numpy(variations.seeds.state)[1] == 5 * 7, "five new draws in each of seven steps"
    mean, expected, seen = convert_to_numpy(statistics.moving_mean).reshape(28, 28), law[1, 1] / DRAWS, law[0, 1] >= 400
    error = np.sqrt((law[2, 1] / DRAWS - expected**2) * (1 / 5000 + 1 / DRAWS))
    assert (np.abs(mean - expected)[seen] < TOLERANCE * error[seen]).all()
    network.save(tmp_path / "net.keras")
    read = "import keras, numpy as np; network = keras.models.load_model('net.keras'); "
    read += "np.save('read', network.predict(np.ones((1, 28, 28, 1))))"
    subprocess.run([sys.executable, "-c", read], cwd=tmp_path, check=True)
    assert np.allclose(np.load(tmp_path / "read.npy"), convert_to_numpy(network(np.ones((1, 28, 28, 1)))), atol=1e-5)


@pytest.mark.parametrize("backend", sorted({*BACKENDS} - {keras.backend.backend()}))
def test_other_backends(backend):
    run = [sys.executable, "-m", "pytest", "-q", __file__, "-k", "reference or seeds"]
    done = subprocess.run(run, env=os.environ | {"KERAS_BACKEND": backend}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
