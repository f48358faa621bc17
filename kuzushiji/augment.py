"""New images by what a writer could have done, and never by what none could: a script has a direction, so no mirroring.

Each function makes one change, by amounts that are one number for all images or [b]; the layer draws them. Images are
float32 [b, 28, 28, 1], paper 0 and ink 1. Affine and elastic distortions: Simard, Steinkraus and Platt 2003, "Best
practices for convolutional neural networks". Missing ink: cutout (DeVries and Taylor 2017, "Improved regularization").
"""

import numpy as np

from .networks import keras  # which starts Keras quietly

ops, random = keras.ops, keras.random

SIDE = 28
FRAMED = SIDE + 2  # with a frame of paper, one pixel wide, where all that is outside is read, however far away
KNOTS = 5
PLACES = np.indices((SIDE, SIDE), np.float32)  # the row and the column of each pixel, [2, 28, 28]
FROM_CENTRE = PLACES.reshape(2, -1) - (SIDE - 1) / 2
HATS = np.maximum(0, 1 - np.abs(np.linspace(0, KNOTS - 1, SIDE) - np.arange(KNOTS)[:, None]))  # [5, 28], linear
SHARES = np.kron(HATS, HATS).astype(np.float32)  # [25, 784], the share of each knot in the value at each pixel


def framed(images):
    """The pixels of all images, in their frames, as one row; and the place in it where each starts, int32 [b, 1, 1]."""
    starts = ops.arange(ops.shape(images)[0], dtype="int32") * FRAMED**2
    return ops.reshape(ops.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0))), (-1,)), starts[:, None, None]


def per_image(amount, dtype):  # to meet images [b, 28, 28]
    return ops.reshape(ops.convert_to_tensor(amount, dtype), (-1, 1, 1))


def shifted(images, down, right):
    """Move the images by whole pixels, which keeps strokes crisp; what goes over the border is lost."""
    place, (paper, starts) = ops.arange(1, SIDE + 1), framed(images)
    row = ops.clip(place[:, None] - per_image(down, "int32"), 0, FRAMED - 1)
    column = ops.clip(place - per_image(right, "int32"), 0, FRAMED - 1)
    return ops.take(paper, starts + row * FRAMED + column, axis=0)[..., None]


def affine(rotate=0.0, shear=0.0, high=1.0, wide=1.0):
    """Displacements, in pixels down and right, from each pixel to where it is read: float32 [b, 2, 28, 28], linear.

    `rotate` in degrees, counter-clockwise; `shear` in pixels per pixel; `high` and `wide` above 1 make the ink smaller.
    """
    rotate, shear, high, wide = (ops.convert_to_tensor(amount, "float32") for amount in (rotate, shear, high, wide))
    angle = rotate * (np.pi / 180) + 0 * (shear + high + wide)  # [b] if any of the four is
    cosine, sine = ops.cos(angle), ops.sin(angle)
    # The map minus the identity: a GPU may round the factors of a product to 11 bits, which small ones can bear.
    matrix = ops.stack([cosine * high - 1, shear + sine, shear - sine, cosine * wide - 1], axis=-1)
    return ops.reshape(ops.matmul(ops.reshape(matrix, (-1, 2)), FROM_CENTRE), (-1, 2, SIDE, SIDE))


def elastic(bend):
    """The same for a smooth bend, from its values at 5 x 5 knots that span the image: `bend` float32 [b, 2, 5, 5]."""
    return ops.reshape(ops.matmul(ops.reshape(bend, (-1, KNOTS**2)), SHARES), (-1, 2, SIDE, SIDE))


def warped(images, displacement):
    """Read each pixel at its displacement, bilinearly. This blurs: read once, at the sum, rather than twice."""
    place, (paper, starts) = ops.clip(ops.add(displacement, PLACES) + 1, 0, FRAMED - 1), framed(images)
    corner = ops.minimum(ops.floor(place), FRAMED - 2)  # which leaves a next row and column to read
    down, right = ops.unstack(place - corner, axis=1)
    first = starts + ops.cast(corner[:, 0] * FRAMED + corner[:, 1], "int32")
    a, b, c, d = (ops.take(paper, first + step, axis=0) for step in (0, 1, FRAMED, FRAMED + 1))
    upper, lower = a + right * (b - a), c + right * (d - c)
    return (upper + down * (lower - upper))[..., None]


def stroke_weight(images, amount):
    """Thicken strokes by `amount` 0..1, the part of the 3 x 3 maximum in the blend; thin them by -1..0, the minimum."""
    amount = per_image(amount, "float32")
    signed = extreme = ops.multiply(ops.sign(amount), images[..., 0])  # the minimum is minus the maximum of minus
    for _ in range(2):  # over three rows, then, transposed, over three columns: faster than over nine pixels
        extreme = ops.transpose(ops.max_pool(extreme, 3, 1, "same", data_format="channels_last"), (0, 2, 1))
    return ops.add(images, (amount * (extreme - signed))[..., None])


def missing_ink(images, top, left, size):
    """Blank a square of `size` pixels, from row `top` and column `left` on; it may stick out of the image."""
    row, column = ops.arange(SIDE)[:, None] - per_image(top, "int32"), ops.arange(SIDE) - per_image(left, "int32")
    return ops.where(((row >= 0) & (row < size) & (column >= 0) & (column < size))[..., None], 0.0, images)


class WritingVariations(keras.layers.Layer):
    """In training, a new variant of each image: all shifted, with ink missing; a share also warped and reweighted.

    A share only, because a warp blurs, and images to be read are not blurred. The greatest amounts, either way: `shift`
    in pixels, `rotate` in degrees, `shear`, `scale` and `stroke` relative; `elastic` is a standard deviation in pixels,
    `missing` the side of a square. Fit `keras.Sequential([WritingVariations(), network])` and save `network`.
    """

    def __init__(self, shift=2, rotate=4.0, shear=0.05, scale=0.05, elastic=0.4, stroke=0.3, missing=9, share=0.5,
                 seed=None, **options):  # fmt: skip
        super().__init__(**options | {"dtype": "float32"})  # under any policy: bfloat16 rounds place 27 to eighths
        self.shift, self.rotate, self.shear, self.scale, self.elastic = shift, rotate, shear, scale, elastic
        self.stroke, self.missing, self.share, self.seeds = stroke, missing, share, random.SeedGenerator(seed)
        self.input_spec = keras.layers.InputSpec("float32", (None, SIDE, SIDE, 1))  # ValueError for any other images

    def call(self, images, training=False):
        if not training:
            return images
        n = ops.shape(images)[0]
        down, right = ops.unstack(random.randint([2, n], -self.shift, self.shift + 1, seed=self.seeds))
        rotate, shear, high, wide, stroke = ops.unstack(random.uniform([5, n], -1, 1, "float32", self.seeds))
        bend = random.normal([n, 2, KNOTS, KNOTS], 0, self.elastic, "float32", self.seeds)
        chosen = random.uniform([n, 1, 1, 1], 0, 1, "float32", self.seeds) < self.share
        top, left = ops.unstack(random.randint([2, n], -self.missing // 2, SIDE - self.missing // 2, seed=self.seeds))
        crisp = shifted(images, down, right)
        by = affine(self.rotate * rotate, self.shear * shear, 1 + self.scale * high, 1 + self.scale * wide)
        bent = stroke_weight(warped(crisp, by + elastic(bend)), self.stroke * stroke)
        return missing_ink(ops.where(chosen, bent, crisp), top, left, self.missing)
