"""Fit the eigenkana on KMNIST's training set and name their shapes: writes data/eigenkana.npz.

Prints how many parents of the certain specimens name a shape. Notebook 02 shows the same functions, step by step; 4-NN
trained on samples of 16 shapes with 14 components reads 96 % of held-out training images, of 4 shapes with 59 only
92 %. The same versions and machine give the same file, bit for bit; another machine rounds some components by one step.
"""

from dataclasses import replace

import common
import numpy as np
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import pairwise_distances_argmin
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_limits

from kuzushiji import load_kmnist, load_specimens, studies
from kuzushiji.eigenkana import Mixture
from kuzushiji.files import replacing
from kuzushiji.paths import CHECKOUT


def shapes_of(pixels, n_shapes, seed=0):
    """The shape of each image of one class, as a number: k-means on 50 components."""
    find_shapes = make_pipeline(
        PCA(50, svd_solver="randomized", random_state=seed), KMeans(n_shapes, n_init=3, random_state=seed)
    )
    return find_shapes.fit_predict(pixels)


def directions_of(members, n_components, seed=0):
    """The directions in which a shape varies, each as long as its spread along it."""
    directions = np.zeros((n_components, members.shape[1]))
    if len(members) > 1:  # a lone image varies in no direction, and few in few
        n_found = min(n_components, len(members) - 1)
        pca = PCA(n_found, svd_solver="randomized", random_state=seed).fit(members)
        spread = np.sqrt(pca.explained_variance_)
        directions[:n_found] = pca.components_ * spread[:, None]
    return directions


def fit_mixture(images, labels, n_shapes=16, n_components=14, seed=0):
    """A mixture of PCAs: k-means within each class, PCA within each shape."""
    shapes = []
    with threadpool_limits(1):  # several threads would add up, and round, in any order
        for label in np.unique(labels):
            pixels = images[labels == label].reshape(-1, 784).astype(np.float32)
            shape_of = shapes_of(pixels, n_shapes, seed)
            for shape in range(n_shapes):
                members = pixels[shape_of == shape]
                directions = directions_of(members, n_components, seed)
                shapes.append((label, len(members), members.mean(axis=0), directions))
    return in_bytes(*map(np.array, zip(*shapes, strict=True)))


def in_bytes(labels, counts, means, directions):
    """The mixture as it is stored: bytes, and a scale for each direction."""
    scales = np.maximum(np.abs(directions).max(axis=2), 1e-6) / 127
    return Mixture(
        labels=labels.astype(np.uint8),
        counts=counts.astype(np.int32),
        means=np.rint(means).astype(np.uint8),
        components=np.rint(directions / scales[:, :, None]).astype(np.int8),
        scales=scales.astype(np.float32),
        parents=np.full(len(labels), ""),  # nobody has named the shapes yet
    )


def named(mixture, specimens, labels, parents):
    """The mixture with each shape named after the nearest specimen of its class (in pixels, from the shape's mean).

    `specimens` uint8 [s, 28, 28], `labels` [s] and `parents` [s] as `load_specimens` gives the certain ones. Raises
    ValueError where a class has none.
    """
    means, pixels = mixture.means.astype(np.float32), specimens.reshape(-1, 28 * 28).astype(np.float32)
    distance = np.linalg.norm(means[:, None] - pixels, axis=2)
    distance[mixture.labels[:, None] != np.asarray(labels)] = np.inf
    if np.isinf(distance.min(axis=1)).any():
        raise ValueError(f"specimens of the classes {sorted(set(labels))} alone: give at least one of each class")
    return replace(mixture, parents=np.asarray(parents, "<U1")[distance.argmin(axis=1)])


def counted(mixture, images, labels):
    """The mixture with the number of test images [n, 28, 28] nearest to the mean of each shape of their class."""
    counts, means = np.zeros(len(mixture.labels), np.int32), mixture.means.astype(np.float32)
    for label in np.unique(labels):
        shapes = np.flatnonzero(mixture.labels == label)
        nearest = pairwise_distances_argmin(images[labels == label].reshape(-1, 28 * 28), means[shapes])
        counts[shapes] = np.bincount(nearest, minlength=len(shapes))
    return replace(mixture, test_counts=counts)


def save(mixture, path):
    """Write a mixture as an NPZ file; the same mixture gives the same bytes. Raises DataError on a full disk."""
    with replacing(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, **vars(mixture))


def main(path=CHECKOUT / "data" / "eigenkana.npz"):
    studies.check_data()
    specimens, table = load_specimens()
    certain = table["certain"].to_numpy()
    mixture = fit_mixture(*load_kmnist("train"))
    mixture = named(mixture, specimens[certain], table["label"][certain], table["parent"][certain])
    mixture = counted(mixture, *load_kmnist("test"))
    save(mixture, path)
    print(f"{len(set(mixture.parents))} of {table['parent'][certain].nunique()} parents name a shape")


if __name__ == "__main__":
    common.run(main)
