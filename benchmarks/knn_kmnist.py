"""k nearest neighbours on Kuzushiji-MNIST or Kuzushiji-49, as published with the data sets (k = 4, by distance).

Validation (a fit on the training images without those kept aside) comes first; then the fit on all training images,
which is what reads the test images.
"""

import sys
import time

import common
import numpy as np

from kuzushiji import DataError

BLOCK = 500  # images read at a time, between two steps of the progress bar


def new_parser():
    parser = common.new_parser("knn_kmnist.py", __doc__)
    add = parser.add_argument
    add("-k", "--k_neighbors", type=common.whole(1), default=4, metavar="N", help="how many neighbours (default: 4)")
    add(
        "--weights",
        choices=["distance", "uniform"],
        default="distance",
        help="how their votes count: by nearness, or equally (default: distance)",
    )
    add(
        "--pca",
        type=common.whole(1),
        metavar="N",
        help="compare N principal components in place of pixels; 60 is the published setting (default: pixels)",
    )
    return parser


def new_model(options):
    """scikit-learn's classifier, after its PCA where the options ask for one; not fitted."""
    from sklearn.decomposition import PCA
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline

    neighbours = KNeighborsClassifier(options.k_neighbors, weights=options.weights, algorithm="brute", n_jobs=-1)
    return make_pipeline(PCA(options.pca, random_state=options.seed), neighbours) if options.pca else neighbours


def check(options, images):
    """Raise DataError where `images` training images are too few for the options."""
    if options.k_neighbors > images:
        raise DataError(f"--k_neighbors {options.k_neighbors:,} is more than the {images:,} images to train on")
    if options.pca and options.pca > min(images, 784):
        raise DataError(f"--pca {options.pca:,} is more than {min(images, 784):,}, which is all there can be")


def flat(images):
    return images.reshape(len(images), -1).astype(np.float32)


def predict(model, images, what):
    """Labels [n] of uint8 images [n, 28, 28], block by block."""
    from kuzushiji.files import progress_bar

    labels = []
    with progress_bar(len(images), what, unit="image") as bar:
        for start in range(0, len(images), BLOCK):
            labels.append(model.predict(flat(images[start : start + BLOCK])))
            bar.update(len(labels[-1]))
    return np.concatenate(labels)


def run(options):
    path, data = common.begin(options, ".joblib")
    check(options, len(data.part))
    config = common.configuration(options, data, "knn")
    log = common.start_log(options, config)

    validation = None
    if len(data.validation):
        images, labels = (array[data.part] for array in data.train)
        model = new_model(options).fit(flat(images), labels)
        images, labels = data.to_validate()
        validation = data.score(labels, predict(model, images, "validation"))

    started = time.perf_counter()
    model = new_model(options).fit(flat(data.train[0]), data.train[1])
    fitted = time.perf_counter()
    predicted = predict(model, data.test[0], "test")
    seconds = {"training": fitted - started, "test": time.perf_counter() - fitted}
    if data.habit:
        validation = data.score(data.test[1], predicted)
    if log and validation is not None:
        log.log({f"{options.dataset}_val_acc": validation})
    common.save_joblib(model, path)
    common.finish(options, data, log, config, predicted, seconds, ["scikit-learn", "numpy"], validation)


def main(arguments=None):
    return common.command(new_parser(), run, arguments)


if __name__ == "__main__":
    sys.exit(main())
