"""Eigenkana: new Kuzushiji drawn from a class-conditional mixture of PCAs (notebook 02 explains it step by step).

Within each class, k-means finds the shapes that the kana is written in; within each shape, PCA finds how it varies.
A new image is the mean of a shape plus random amounts of its principal components. This is the probabilistic reading
of PCA (Tipping and Bishop 1999, "Mixtures of Probabilistic Principal Component Analysers"), without its noise term.
"""

from dataclasses import dataclass

import numpy as np

from .data import bundled
from .formats import replacing

# 4-NN trained on samples reads 96 % of held-out training images with these, 92 % with 4 x 59 (notebook 02), in 1.5 MB.
CLUSTERS = 16  # shapes for each class
COMPONENTS = 14  # directions of variation for each shape
SEED = 0


@dataclass(frozen=True)
class Mixture:
    """A fitted mixture of m shapes with c components each, all classes together.

    labels: uint8 [m], the class of each shape. counts: int32 [m], training images of each shape.
    means: uint8 [m, 784]. components: int8 [m, c, 784], each principal direction times the standard deviation along
    it, divided by `scales` (float32 [m, c], grey levels for each step).
    """

    labels: np.ndarray
    counts: np.ndarray
    means: np.ndarray
    components: np.ndarray
    scales: np.ndarray


def fit(images, labels, clusters=CLUSTERS, components=COMPONENTS, seed=SEED):
    """Fit the mixture: k-means within each class (on 50 principal components), PCA within each cluster.

    `images` uint8 [n, 28, 28], `labels` [n]. Returns a Mixture. The same input, versions and machine give the same
    mixture, bit for bit. Raises ValueError where a class has too few images.
    """
    import sklearn.cluster
    import sklearn.decomposition  # noqa: F401 - the limit below holds only for libraries that are already loaded
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):  # several threads add up in another order, and round differently
        shapes = [
            shape
            for label in np.unique(labels)
            for shape in fit_class(images, labels, label, clusters, components, seed)
        ]
    labels, counts, means, directions = (np.array(column) for column in zip(*shapes, strict=True))
    scales = np.maximum(np.abs(directions).max(axis=2), 1e-6) / 127
    return Mixture(
        labels.astype(np.uint8),
        counts.astype(np.int32),
        np.rint(means).astype(np.uint8),
        np.rint(directions / scales[:, :, None]).astype(np.int8),
        scales.astype(np.float32),
    )


def fit_class(images, labels, label, clusters, components, seed):
    """The shapes of one class: a list of (label, images in the shape, mean [784], directions [components, 784])."""
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA

    pixels = images[labels == label].reshape(-1, 28 * 28).astype(np.float32)
    if len(pixels) < clusters * (components + 1):
        raise ValueError(
            f"class {label} has {len(pixels)} images, too few for {clusters} clusters of {components} components"
        )
    coordinates = PCA(min(50, len(pixels)), svd_solver="randomized", random_state=seed).fit_transform(pixels)
    cluster_of = KMeans(clusters, n_init=3, random_state=seed).fit_predict(coordinates)
    shapes = []
    for cluster in range(clusters):
        members = pixels[cluster_of == cluster]
        directions = np.zeros((components, 28 * 28))
        if len(members) > 1:  # a lone image varies in no direction
            pca = PCA(min(components, len(members) - 1), svd_solver="randomized", random_state=seed).fit(members)
            directions[: pca.n_components_] = pca.components_ * np.sqrt(pca.explained_variance_)[:, None]
        shapes.append((label, len(members), members.mean(axis=0), directions))
    return shapes


def sample(mixture, n, seed):
    """Draw `n` new images, as many of each class as can be, in random order.

    Returns images uint8 [n, 28, 28] and labels uint8 [n]. The same mixture and seed give the same images on the same
    machine and versions.
    """
    random = np.random.default_rng(seed)
    classes = np.unique(mixture.labels)
    labels = random.permutation(np.resize(classes, n))
    images = np.empty((n, 28 * 28), np.uint8)
    for label in classes:
        rows = np.flatnonzero(labels == label)
        shapes = np.flatnonzero(mixture.labels == label)
        share = mixture.counts[shapes] / mixture.counts[shapes].sum()
        chosen = random.choice(shapes, len(rows), p=share)
        for shape in shapes:
            drawn = rows[chosen == shape]
            amounts = random.standard_normal((len(drawn), mixture.scales.shape[1]), np.float32) * mixture.scales[shape]
            pixels = mixture.means[shape] + amounts @ mixture.components[shape].astype(np.float32)
            images[drawn] = np.clip(np.rint(pixels), 0, 255)
    return images.reshape(n, 28, 28), labels.astype(np.uint8)


def load_model():
    """The mixture that the project ships, fitted on the 60,000 training images of KMNIST."""
    with np.load(bundled("eigenkana.npz"), allow_pickle=False) as archive:
        return Mixture(**{name: archive[name] for name in Mixture.__dataclass_fields__})


def save_model(mixture, path):
    """Write a mixture as an NPZ file; the same mixture gives the same bytes. Raises DataError on a full disk."""
    with replacing(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, **{name: getattr(mixture, name) for name in Mixture.__dataclass_fields__})
