"""k nearest neighbours on Kuzushiji-MNIST or Kuzushiji-49, as published with the data sets (k = 4, by distance).

Validation (a fit on the training images without those kept aside) comes first; then the fit on all training images,
which is what reads the test images.
"""

import common
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline


def new_parser():
    parser = common.new_parser(__doc__)
    add = parser.add_argument
    add(
        "-k", "--k_neighbors", type=common.whole_number(1), default=4, help="how many neighbours (default: %(default)s)"
    )
    votes = "how their votes count: by nearness, or equally (default: %(default)s)"
    add("--weights", choices=["distance", "uniform"], default="distance", help=votes)
    pca = "compare N principal components in place of pixels; 60 is the published setting (default: pixels)"
    add("--pca", type=common.whole_number(1), metavar="N", help=pca)
    return parser


def fitted(options, images, labels):
    """scikit-learn's classifier, after its PCA where the options ask for one, fitted on images uint8 [n, 28, 28]."""
    neighbours = KNeighborsClassifier(options.k_neighbors, weights=options.weights, algorithm="brute", n_jobs=-1)
    model = make_pipeline(PCA(options.pca, random_state=options.seed), neighbours) if options.pca else neighbours
    return model.fit(common.flat(images), labels)


def main(arguments=None):
    options = new_parser().parse_args(arguments)
    run = common.Run(options, "knn", ".joblib")
    data, validation = run.data, None
    if len(data.validation[0]):
        images, labels = data.validation
        validation = data.score(labels, fitted(options, *data.part).predict(common.flat(images)))
        run.log({f"{options.dataset}_val_acc": validation})
    run.fit_and_finish(
        lambda: fitted(options, *data.train), lambda model: model.predict(common.flat(data.test[0])), validation
    )


if __name__ == "__main__":
    common.run(main)
