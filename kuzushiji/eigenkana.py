"""Eigenkana: new Kuzushiji drawn from a class-conditional mixture of PCAs (notebook 02 explains it step by step).

Within each class, k-means finds the shapes that the kana is written in; within each shape, PCA finds how it varies.
A new image is the mean of a shape plus random amounts of its principal components. This is the probabilistic reading
of PCA (Tipping and Bishop 1999, "Mixtures of Probabilistic Principal Component Analysers"), without its noise term.
"""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from .files import replacing
from .paths import bundled

# 4-NN trained on samples reads 96 % of held-out training images with these, 92 % with 4 x 59 (notebook 02), in 1.5 MB.
CLUSTERS = 16  # shapes for each class
COMPONENTS = 14  # directions of variation for each shape


@dataclass(frozen=True)
class Mixture:
    """A fitted mixture of m shapes with c components each, all classes together."""

    labels: np.ndarray  # uint8 [m], the class of each shape
    counts: np.ndarray  # int32 [m], training images of each shape
    means: np.ndarray  # uint8 [m, 784]
    components: np.ndarray  # int8 [m, c, 784], principal directions times the standard deviation along them, in steps
    scales: np.ndarray  # float32 [m, c], grey levels for each step
    parents: (
        np.ndarray
    )  # str [m], parent kanji of the certain specimen nearest to the mean ("" where nobody `named` it)


def fit(images, labels, clusters=CLUSTERS, components=COMPONENTS, seed=0):
    """Fit the mixture: k-means within each class (on 50 principal components), PCA within each cluster.

    `images` uint8 [n, 28, 28], `labels` [n]. Returns a Mixture. The same input, versions and machine give the same
    mixture, bit for bit. Raises ValueError where a class has too few images.
    """
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA
    from threadpoolctl import threadpool_limits

    pixels, classes = images.reshape(-1, 28 * 28), np.unique(labels)
    m = len(classes) * clusters
    shape_of, means, directions = np.empty(len(pixels), int), np.empty((m, 784)), np.zeros((m, components, 784))
    with threadpool_limits(1):  # limits what is imported by now; several threads add up, and round, in another order
        for place, label in enumerate(classes):
            own = pixels[labels == label].astype(np.float32)
            if len(own) < clusters * (components + 1):
                too_few = f"too few for {clusters} clusters of {components} components"
                raise ValueError(f"class {label} has {len(own)} images, {too_few}")
            coordinates = PCA(min(50, len(own)), svd_solver="randomized", random_state=seed).fit_transform(own)
            cluster_of = KMeans(clusters, n_init=3, random_state=seed).fit_predict(coordinates)
            shape_of[labels == label] = place * clusters + cluster_of
        for shape in range(m):
            members = pixels[shape_of == shape].astype(np.float32)
            means[shape] = members.mean(axis=0)
            if len(members) > 1:  # a lone image varies in no direction
                pca = PCA(min(components, len(members) - 1), svd_solver="randomized", random_state=seed).fit(members)
                directions[shape, : pca.n_components_] = pca.components_ * np.sqrt(pca.explained_variance_)[:, None]
    labels, counts = np.repeat(classes, clusters).astype(np.uint8), np.bincount(shape_of, minlength=m).astype(np.int32)
    scales = np.maximum(np.abs(directions).max(axis=2), 1e-6) / 127
    means, steps = np.rint(means).astype(np.uint8), np.rint(directions / scales[:, :, None]).astype(np.int8)
    return Mixture(labels, counts, means, steps, scales.astype(np.float32), np.full(m, ""))


def named(mixture, specimens, labels, parents):
    """The mixture with each shape named after the nearest specimen of its class (in pixels, from the shape's mean).

    `specimens` uint8 [s, 28, 28], `labels` [s] and `parents` [s] as `datasets.load_specimens` gives the certain ones.
    """
    means, pixels = mixture.means.astype(np.float32), specimens.reshape(-1, 28 * 28).astype(np.float32)
    distance = np.linalg.norm(means[:, None] - pixels, axis=2)
    distance[mixture.labels[:, None] != np.asarray(labels)] = np.inf
    if np.isinf(distance.min(axis=1)).any():
        raise ValueError(f"specimens of the classes {sorted(set(labels))} alone: give at least one of each class")
    return replace(mixture, parents=np.asarray(parents, "<U1")[distance.argmin(axis=1)])


def draw(mixture, n, seed):
    """Draw `n` new images, as many of each class as can be, in random order.

    Returns images uint8 [n, 28, 28], labels uint8 [n] and the number [n] of the shape that each was drawn from. The
    same mixture and seed give the same images on the same machine and versions.
    """
    random = np.random.default_rng(seed)
    classes = np.unique(mixture.labels)
    labels = random.permutation(np.resize(classes, n))
    images, shape_of = np.empty((n, 28 * 28), np.uint8), np.empty(n, int)
    for label in classes:
        rows = np.flatnonzero(labels == label)
        shapes = np.flatnonzero(mixture.labels == label)
        share = mixture.counts[shapes] / mixture.counts[shapes].sum()
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
    """The 60,000 ("train") or 10,000 ("test") images that stand in for KMNIST's, their labels and parent kanji."""
    mixture = load_model()
    images, labels, shapes = draw(mixture, *{"train": (60000, 0), "test": (10000, 1)}[split])
    return images, labels, mixture.parents[shapes]


def load_model():
    """The mixture that the project ships, fitted on the 60,000 training images of KMNIST."""
    with np.load(bundled("eigenkana.npz"), allow_pickle=False) as archive:
        return Mixture(**archive)


def save_model(mixture, path):
    """Write a mixture as an NPZ file; the same mixture gives the same bytes. Raises DataError on a full disk."""
    with replacing(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, **vars(mixture))
