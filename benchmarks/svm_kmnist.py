"""A support vector machine with RBF kernel on Kuzushiji-MNIST or Kuzushiji-49, within a stated budget.

The budget: 50 principal components in place of 784 pixels; C and gamma chosen among nine pairs, each fitted on 10,000
training images and judged by the validation images; then one fit on all training images (60,000 at most).
"""

import itertools
import time

import common
import numpy as np
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

from kuzushiji import DataError

COMPONENTS = 50
SEARCH_IMAGES = 10_000
FIT_IMAGES = 60_000
COSTS = (1, 10, 100)
GAMMAS = (1, 2, 4)  # in units of 1 / (components x variance), scikit-learn's "scale"


def fitted(images, labels, cost, gamma, seed):
    """PCA and SVC, fitted on images uint8 [n, 28, 28]; gamma as in GAMMAS."""
    pca = PCA(min(COMPONENTS, len(images)), random_state=seed)
    scale = 1 / (pca.n_components * pca.fit_transform(scaled(images[:SEARCH_IMAGES])).var())
    model = make_pipeline(pca, SVC(C=cost, gamma=gamma * scale, cache_size=1000, random_state=seed))
    return model.fit(scaled(images), labels)


def scaled(images):
    return common.flat(images) / 255


def some(arrays, number, seed):
    """Images and labels of `number` rows at most, drawn at random."""
    rows = np.random.default_rng(seed).permutation(len(arrays[0]))[:number]
    return tuple(array[rows] for array in arrays)


def search(data, seed):
    """The score of the best pair on the validation images, its cost and its gamma."""
    found, part, (images, labels) = [], some(data.part, SEARCH_IMAGES, seed), data.validation
    for cost, gamma in itertools.product(COSTS, GAMMAS):
        score = data.score(labels, fitted(*part, cost, gamma, seed).predict(scaled(images)))
        print(f"C = {cost}, gamma = {gamma} x scale: {100 * score:.2f} % of the validation images", flush=True)
        found.append((score, cost, gamma))
    return max(found, key=lambda entry: entry[0])


def main(arguments=None):
    options = common.new_parser(__doc__).parse_args(arguments)
    if options.validation_images == 0:
        raise DataError("--validation_images 0 leaves nothing to choose C and gamma by")
    run = common.Run(options, "svm", ".joblib", components=COMPONENTS, search_images=SEARCH_IMAGES)
    data = run.data
    started = time.perf_counter()
    validation, cost, gamma = search(data, options.seed)
    run.log({f"{options.dataset}_val_acc": validation})
    run.fit_and_finish(
        lambda: fitted(*some(data.train, FIT_IMAGES, options.seed), cost, gamma, options.seed),
        lambda model: model.predict(scaled(data.test[0])),
        validation,
        {"search": time.perf_counter() - started},
        chosen={"C": cost, "gamma, x scale": gamma},
    )


if __name__ == "__main__":
    common.run(main)
