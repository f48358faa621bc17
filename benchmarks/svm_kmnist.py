"""A support vector machine with RBF kernel on Kuzushiji-MNIST or Kuzushiji-49, within a stated budget.

The budget: 50 principal components in place of 784 pixels; C and gamma chosen among nine pairs, each fitted on 10,000
training images and judged by the validation images; then one fit on all training images (60,000 at most).
"""

import itertools
import sys
import time

import common
import numpy as np

from kuzushiji import DataError

COMPONENTS = 50
SEARCH_IMAGES = 10_000
FIT_IMAGES = 60_000
COSTS = (1, 10, 100)
GAMMAS = (1, 2, 4)  # in units of 1 / (components x variance), scikit-learn's "scale"


def new_parser():
    return common.new_parser("svm_kmnist.py", __doc__)


def new_model(options, images, cost, gamma):
    """PCA and SVC, not fitted, for uint8 `images` [n, 28, 28]; gamma as in GAMMAS."""
    from sklearn.decomposition import PCA
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import SVC

    pca = PCA(min(COMPONENTS, len(images)), random_state=options.seed)
    variance = pca.fit_transform(flat(images[:SEARCH_IMAGES])).var()
    scale = 1 / (pca.n_components * variance)
    return make_pipeline(pca, SVC(C=cost, gamma=gamma * scale, cache_size=1000, random_state=options.seed))


def flat(images):
    return images.reshape(len(images), -1) / np.float32(255)


def some(rows, number, seed):
    """`number` of the rows at most, drawn at random."""
    return np.random.default_rng(seed).permutation(rows)[:number]


def search(options, data):
    """The pair (cost, gamma) that reads most validation images right, with the share that it does."""
    from kuzushiji.files import progress_bar

    rows = some(data.part, SEARCH_IMAGES, options.seed)
    images, labels = (array[rows] for array in data.train)
    images_validation, labels_validation = data.to_validate()
    found = []
    with progress_bar(len(COSTS) * len(GAMMAS), "search", unit="pair") as bar:
        for cost, gamma in itertools.product(COSTS, GAMMAS):
            model = new_model(options, images, cost, gamma).fit(flat(images), labels)
            score = data.score(labels_validation, model.predict(flat(images_validation)))
            found.append((score, cost, gamma))
            bar.update()
    score, cost, gamma = max(found, key=lambda entry: entry[0])
    return cost, gamma, score


def run(options):
    if options.validation_images == 0 and not options.validate_on_test:
        raise DataError("--validation_images 0 leaves nothing to choose C and gamma by")
    path, data = common.begin(options, ".joblib")
    config = common.configuration(options, data, "svm", components=COMPONENTS, search_images=SEARCH_IMAGES)
    log = common.start_log(options, config)

    started = time.perf_counter()
    cost, gamma, validation = search(options, data)
    print(f"chosen: C = {cost}, gamma = {gamma} x scale; now one fit on all training images, which shows no progress")
    searched = time.perf_counter()
    rows = some(np.arange(len(data.train[0])), FIT_IMAGES, options.seed)
    images, labels = (array[rows] for array in data.train)
    model = new_model(options, images, cost, gamma).fit(flat(images), labels)
    fitted = time.perf_counter()
    predicted = model.predict(flat(data.test[0]))
    seconds = {"search": searched - started, "training": fitted - searched, "test": time.perf_counter() - fitted}
    if log:
        log.log({f"{options.dataset}_val_acc": validation})
    common.save_joblib(model, path)
    chosen = {"C": cost, "gamma, x scale": gamma}
    packages = ["scikit-learn", "numpy"]
    common.finish(options, data, log, config, predicted, seconds, packages, validation, chosen=chosen)


def main(arguments=None):
    return common.command(new_parser(), run, arguments)


if __name__ == "__main__":
    sys.exit(main())
