"""New images by what a writer could have done, and never by what none could: a script has a direction, so no mirroring.

The geometry is one map from every pixel of the new image to a place in the old one: a small affine map (Simard,
Steinkraus and Platt 2003, "Best practices for convolutional neural networks", which also has elastic distortions)
plus a smooth displacement. The stroke weight is a grey-scale dilation or erosion; missing ink is cutout (DeVries and
Taylor 2017).
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.ndimage import grey_dilation, grey_erosion, map_coordinates

SIZE = 28


def shift(images, random, most=2):
    """Move each image by up to `most` whole pixels each way, so that strokes stay crisp; float32 [n, 28, 28]."""
    padded = np.pad(images, ((0, 0), (most, most), (most, most)))
    down, right = random.integers(0, 2 * most + 1, (2, len(images)))
    return sliding_window_view(padded, (SIZE, SIZE), axis=(1, 2))[np.arange(len(images)), down, right]


def warp(images, random, rotate=4.0, shear=0.05, scale=0.05, elastic=0.4):
    """Rotate (degrees), shear, scale (both relative) and bend (pixels) each image by random amounts.

    `images` float32 [n, 28, 28]; `random` a numpy Generator. Each amount is the greatest; `elastic` is the standard
    deviation. Returns float32 [n, 28, 28]; what comes from outside the image is background (0).
    """
    n = len(images)

    def uniform(amount):
        return random.uniform(-amount, amount, n).astype(np.float32)

    angle, wide, high = np.radians(uniform(rotate)), 1 + uniform(scale), 1 + uniform(scale)
    cosine, sine, slant = np.cos(angle), np.sin(angle), uniform(shear)
    centred = np.arange(SIZE, dtype=np.float32) - (SIZE - 1) / 2
    y, x = centred[None, :, None], centred[None, None, :]
    column = [values[:, None, None] for values in (cosine * wide, slant - sine, sine + slant, cosine * high)]
    source_x = column[0] * x + column[1] * y
    source_y = column[2] * x + column[3] * y
    bend = smooth_noise(2 * n, random) * elastic
    return bilinear(images, source_y + bend[:n] + (SIZE - 1) / 2, source_x + bend[n:] + (SIZE - 1) / 2)


def smooth_noise(n, random, knots=5):
    """`n` smooth random fields, float32 [n, 28, 28]: normal values on a coarse grid of knots, interpolated linearly."""
    place = np.linspace(0, knots - 1, SIZE, dtype=np.float32)[:, None]
    hats = np.maximum(0, 1 - np.abs(place - np.arange(knots, dtype=np.float32)))
    return hats @ random.standard_normal((n, knots, knots), np.float32) @ hats.T


def bilinear(images, rows, columns):
    """Read `images` [n, 28, 28] at fractional places [n, 28, 28], in pixels; 0 outside."""
    which = np.broadcast_to(np.arange(len(images), dtype=np.float32)[:, None, None], rows.shape)
    return map_coordinates(images, (which, rows, columns), order=1, mode="grid-constant")


def stroke_weight(images, random, strength=0.3):
    """Thicken or thin the strokes of float32 [n, 28, 28]: blend the 3x3 maximum or minimum in, by up to `strength`."""
    amount = random.uniform(-strength, strength, len(images)).astype(np.float32)
    changed = images.copy()
    for rows, change in ((amount > 0, grey_dilation), (amount < 0, grey_erosion)):
        extreme = change(images[rows], size=(1, 3, 3), mode="nearest")
        changed[rows] += np.abs(amount[rows])[:, None, None] * (extreme - images[rows])
    return changed


def missing_ink(images, random, size=9):
    """Blank one square of `size` pixels, at a random place, in each of float32 [n, 28, 28]; it may stick out."""
    first = random.integers(-size // 2, SIZE - size // 2, (2, len(images), 1))
    place = np.arange(SIZE)
    hidden = (place >= first) & (place < first + size)
    return np.where(hidden[0][:, :, None] & hidden[1][:, None, :], np.float32(0), images)


def augment(images, random):
    """A new variant of each image: all shifted, with ink missing; a half also warped, with another stroke weight.

    A half only, because warping blurs a little, and images to be read are not blurred. `images` float32 [n, 28, 28] in
    0..1; returns the like.
    """
    variants = shift(images, random)
    bent = random.random(len(images)) < 0.5
    variants[bent] = stroke_weight(warp(variants[bent], random), random)
    return missing_ink(variants, random)
