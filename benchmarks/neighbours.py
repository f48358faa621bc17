"""Measure nearest neighbours on KMNIST's test set: raw pixels, PCA as chosen and as published, trained on eigenkana.

Notebook 02 shows the same functions, and how the 80 components are chosen.
"""

import time

import common
import numpy as np
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

from kuzushiji import load_kmnist
from kuzushiji.eigenkana import load_model, sample

RUNS = [
    ("raw pixels", {"k": 4, "published, %": "92.10"}, 0),
    ("PCA, 80 components, k = 4, chosen on validation images", {"k": 4}, 0),
    ("PCA, 60 components, as published", {"k": 4, "published, %": "93.98"}, 0),
    ("PCA, 50 components, trained on eigenkana alone", {"k": 4}, 0),
]


def pca_and_neighbours(n_components, k):
    """Two steps: PCA, then a vote of the k nearest, weighted by 1/distance."""
    return make_pipeline(
        PCA(n_components, svd_solver="covariance_eigh"), KNeighborsClassifier(k, weights="distance", algorithm="brute")
    )


def accuracy_of_samples(mixture, n_samples, pixels, labels):
    """Accuracy on real images of a classifier that has learned from samples alone."""
    drawn, drawn_labels = sample(mixture, n_samples, seed=1)
    classifier = pca_and_neighbours(50, k=4)
    classifier.fit(drawn.reshape(n_samples, 784).astype(np.float32), drawn_labels)
    return classifier.score(pixels, labels)


def measure(method, parameters, seed):
    train, test = load_kmnist("train"), load_kmnist("test")
    started = time.perf_counter()
    if method.endswith("eigenkana alone"):
        value = accuracy_of_samples(load_model(), len(train[0]), common.flat(test[0]), test[1])
    else:
        classifier = KNeighborsClassifier(4, weights="distance", algorithm="brute")
        if method != "raw pixels":
            classifier = pca_and_neighbours(80 if "chosen" in method else 60, k=4)
        value = classifier.fit(common.flat(train[0]), train[1]).score(common.flat(test[0]), test[1])
    return common.rows_of({"test accuracy": value}, time.perf_counter() - started)


def main():
    common.run_study("neighbours", RUNS, measure, ["scikit-learn", "numpy"])


if __name__ == "__main__":
    common.run(main)
