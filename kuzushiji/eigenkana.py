"""Eigenkana: new Kuzushiji, drawn from a mixture of PCAs that notebook 02 and benchmarks/eigenkana.py fit.

Within each class, k-means finds the shapes that the kana is written in; within each shape, PCA finds how it varies.
A new image is the mean of a shape plus random amounts of its principal components. This is the probabilistic reading
of PCA (Tipping and Bishop 1999, "Mixtures of Probabilistic Principal Component Analysers"), without its noise term.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from .paths import bundled


@dataclass(frozen=True)
class Mixture:
    """A fitted mixture of m shapes with c components each, all classes together."""

    labels: np.ndarray  # uint8 [m], the class of each shape
    counts: np.ndarray  # int32 [m], training images of each shape
    means: np.ndarray  # uint8 [m, 784]
    components: np.ndarray  # int8 [m, c, 784], principal directions times the standard deviation along them, in steps
    scales: np.ndarray  # float32 [m, c], grey levels for each step
    parents: np.ndarray  # str [m], parent kanji of the certain specimen nearest to the mean, "" where nobody named it
    test_counts: np.ndarray = ()  # int32 [m], test images nearest to the mean of each shape; empty where not counted


def draw(mixture, n, seed, counts=None):
    """Draw `n` new images, as many of each class as can be, in random order.

    The shapes of a class are drawn in proportion to `counts` int [m], by default those of the training images. Returns
    images uint8 [n, 28, 28], labels uint8 [n] and the number [n] of the shape that each was drawn from. The
    same mixture and seed give the same images on the same machine and versions.
    """
    random, counts = np.random.default_rng(seed), mixture.counts if counts is None else counts
    classes = np.unique(mixture.labels)
    labels = random.permutation(np.resize(classes, n))
    images, shape_of = np.empty((n, 28 * 28), np.uint8), np.empty(n, int)
    for label in classes:
        rows = np.flatnonzero(labels == label)
        shapes = np.flatnonzero(mixture.labels == label)
        share = counts[shapes] / counts[shapes].sum()
        shape_of[rows] = random.choice(shapes, len(rows), p=share)
        for shape in shapes:
            drawn = rows[shape_of[rows] == shape]
            amounts = random.standard_normal((len(drawn), mixture.scales.shape[1]), np.float32) * mixture.scales[shape]
            pixels = mixture.means[shape] + amounts @ mixture.components[shape].astype(np.float32)
            images[drawn] = np.clip(np.rint(pixels), 0, 255)
    return images.reshape(n, 28, 28), labels.astype(np.uint8), shape_of


def sample(mixture, n, seed):
    """As `draw`, without the shapes: images uint8 [n, 28, 28] and labels uint8 [n]."""
    return draw(mixture, n, seed)[:2]


@cache
def generated(split):
    """The 60,000 ("train") or 10,000 ("test") images that stand in for KMNIST's, their labels and parent kanji.

    The shapes of each split are as frequent as in KMNIST's, whose test set has other proportions (notebook 01).
    """
    mixture = load_model()
    settings = {"train": (60000, 0, mixture.counts), "test": (10000, 1, mixture.test_counts)}
    images, labels, shapes = draw(mixture, *settings[split])
    return images, labels, mixture.parents[shapes]


def load_model():
    """The mixture that the project ships, fitted on the 60,000 training images of KMNIST."""
    with np.load(bundled("eigenkana.npz"), allow_pickle=False) as archive:
        return Mixture(**archive)
