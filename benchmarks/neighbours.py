"""Measure nearest neighbours on KMNIST's test set: raw pixels, PCA as chosen and as published, trained on eigenkana.

    python benchmarks/neighbours.py

Runs what benchmarks/results.json lacks of it, in a minute or two. Notebook 02 shows how the 80 components are chosen.
"""

import time

import common
import numpy as np
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

from kuzushiji import load_kmnist, studies
from kuzushiji.eigenkana import load_model, sample

STUDY, COMMAND = "neighbours", "python benchmarks/neighbours.py"
CHOSEN, PUBLISHED, EIGENKANA = 80, 60, 50  # components: on validation images, by KMNIST's authors, by notebook 02
METHODS = {
    "raw pixels": {"k": 4, "published, %": "92.10"},
    f"PCA, {CHOSEN} components, k = 4, chosen on validation images": {"k": 4},
    f"PCA, {PUBLISHED} components, as published": {"k": 4, "published, %": "93.98"},
    f"PCA, {EIGENKANA} components, trained on eigenkana alone": {"k": 4},
}


def pca_and_neighbours(n_components, k):
    """Two steps: PCA, then a vote of the k nearest, weighted by 1/distance."""
    return make_pipeline(
        PCA(n_components, svd_solver="covariance_eigh"),
        KNeighborsClassifier(k, weights="distance", algorithm="brute"),
    )


def accuracy_of_samples(mixture, n_samples, images, labels):
    """Accuracy on real images of a classifier that has learned from samples alone."""
    drawn, drawn_labels = sample(mixture, n_samples, seed=1)
    classifier = pca_and_neighbours(50, k=4)
    classifier.fit(drawn.reshape(n_samples, 784).astype(np.float32), drawn_labels)
    return classifier.score(images.reshape(len(images), 784).astype(np.float32), labels)


def measure(method, train, test):
    """The test accuracy of one of METHODS; `train` and `test` are images and labels."""
    if method.endswith("eigenkana alone"):
        return accuracy_of_samples(load_model(), len(train[0]), *test)
    if method == "raw pixels":
        classifier = KNeighborsClassifier(4, weights="distance", algorithm="brute")
    else:
        classifier = pca_and_neighbours(CHOSEN if "chosen" in method else PUBLISHED, k=4)
    (pixels_train, labels_train), (pixels_test, labels_test) = (
        (images.reshape(len(images), 784).astype(np.float32), labels) for images, labels in (train, test)
    )
    return classifier.fit(pixels_train, labels_train).score(pixels_test, labels_test)


def main():
    missing = studies.missing(STUDY, [(method, settings, 0) for method, settings in METHODS.items()])
    if missing:
        train, test = load_kmnist("train"), load_kmnist("test")
    for method, parameters, seed in missing:
        started = time.perf_counter()
        value = round(float(measure(method, train, test)), 4)
        row = {
            "method": method, "parameters": parameters, "metric": "test accuracy", "seed": seed, "value": value,
            "seconds": round(time.perf_counter() - started, 1),
        }  # fmt: skip
        studies.record(STUDY, COMMAND, [row], ["scikit-learn", "numpy"])
        print(f"{method}: {100 * value:.2f} % of the test images")


if __name__ == "__main__":
    common.run_study(main)
