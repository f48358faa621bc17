"""New images by what a writer could have done, and never by what none could: no mirror images (notebook 03 says why).

The geometry is one map from every pixel of the new image to a place in the old one: a small affine map (Simard,
Steinkraus and Platt 2003, "Best practices for convolutional neural networks", which also has elastic distortions)
plus a smooth displacement. The stroke weight is a grey-scale dilation or erosion; missing ink is cutout (DeVries and
Taylor 2017).
"""

import numpy as np

SIZE = 28


def warp(images, random, shift=2.0, rotate=5.0, shear=0.08, scale=0.06, elastic=0.6):
    """Shift (pixels), rotate (degrees), shear, scale (both relative) and bend (pixels) each image by random amounts.

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
    source_x = column[0] * x + column[1] * y + uniform(shift)[:, None, None]
    source_y = column[2] * x + column[3] * y + uniform(shift)[:, None, None]
    bend = smooth_noise(2 * n, random) * elastic
    return bilinear(images, source_y + bend[:n] + (SIZE - 1) / 2, source_x + bend[n:] + (SIZE - 1) / 2)


def smooth_noise(n, random, knots=5):
    """`n` smooth random fields, float32 [n, 28, 28]: normal values on a coarse grid of knots, interpolated linearly."""
    place = np.linspace(0, knots - 1, SIZE, dtype=np.float32)[:, None]
    hats = np.maximum(0, 1 - np.abs(place - np.arange(knots, dtype=np.float32)))
    return hats @ random.standard_normal((n, knots, knots), np.float32) @ hats.T


def bilinear(images, rows, columns):
    """Read `images` [n, 28, 28] at fractional places [n, 28, 28], in pixels; 0 outside."""
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)))
    rows, columns = (np.clip(place + 1, 0, SIZE + 0.999) for place in (rows, columns))
    top, left = rows.astype(np.int32), columns.astype(np.int32)
    down, right = rows - top.astype(np.float32), columns - left.astype(np.float32)
    side = SIZE + 2
    corner = (np.arange(len(images)) * side * side)[:, None, None] + top * side + left
    flat = padded.reshape(-1)
    above = flat[corner] * (1 - right) + flat[corner + 1] * right
    below = flat[corner + side] * (1 - right) + flat[corner + side + 1] * right
    return above * (1 - down) + below * down


def stroke_weight(images, random, strength=0.4):
    """Thicken or thin the strokes of float32 [n, 28, 28]: blend the 3x3 maximum or minimum in, by up to `strength`."""
    amount = random.uniform(-strength, strength, len(images)).astype(np.float32)
    changed = images.copy()
    for rows, extreme in ((amount > 0, np.maximum), (amount < 0, np.minimum)):
        chosen = images[rows]
        padded = np.pad(chosen, ((0, 0), (1, 1), (1, 1)), mode="edge")
        across = extreme(extreme(padded[:, :, :-2], padded[:, :, 1:-1]), padded[:, :, 2:])
        around = extreme(extreme(across[:, :-2], across[:, 1:-1]), across[:, 2:])
        changed[rows] += np.abs(amount[rows])[:, None, None] * (around - chosen)
    return changed


def missing_ink(images, random, size=9):
    """Blank one square of `size` pixels, at a random place, in each of float32 [n, 28, 28]; it may stick out."""
    first = random.integers(-size // 2, SIZE - size // 2, (2, len(images), 1))
    place = np.arange(SIZE)
    hidden = (place >= first) & (place < first + size)
    return np.where(hidden[0][:, :, None] & hidden[1][:, None, :], np.float32(0), images)


def augment(images, random):
    """A new variant of each image, by all of the above. `images` float32 [n, 28, 28] in 0..1; returns the like."""
    return missing_ink(stroke_weight(warp(images, random), random), random)
