"""Draw and measure the maps of notebook 02: PCA and LDA; t-SNE, UMAP and their relatives with three seeds.

A map is fitted on the training images, and the test images are placed on it; but those "that has seen the test images"
are fitted on both. Of these the t-SNE map of seed 0 writes data/foreign_land.csv. Notebook 02 shows the same functions.
"""

import time
import warnings
from functools import cache

import common
import numpy as np
import pandas as pd
from scipy.stats import spearmanr
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors

from kuzushiji import load_kmnist
from kuzushiji.files import progress_bar, replacing
from kuzushiji.paths import CHECKOUT

PACKAGES = ["scikit-learn", "openTSNE", "umap-learn", "numpy"]
SEEN = ", has seen the test images"
T_SNE = {"perplexity": 30, "initialization": "pca", "early_exaggeration": 12, "input": "PCA-50"}
UMAP = {"n_neighbors": 15, "min_dist": 0.1, "input": "PCA-50"}
RUNS = [
    ("50 components", {"n_components": 50}, 0),
    ("PCA", {"n_components": 2}, 0),
    ("LDA", {"n_components": 2, "input": "PCA-50"}, 0),
]
for knobs, *methods in (
    (T_SNE, "t-SNE", "t-SNE" + SEEN),
    (T_SNE | {"initialization": "random"}, "t-SNE, random start"),
    (UMAP, "UMAP", "supervised UMAP", "UMAP" + SEEN),
):
    RUNS += [(method, knobs, seed) for method in methods for seed in (0, 1, 2)]


def t_sne(data, seed=0, **knobs):
    """A t-SNE map of `data` by openTSNE in 750 steps, with a bar that clears itself."""
    start = {"perplexity": 30, "initialization": "pca", "early_exaggeration": 12}
    with progress_bar(750, "t-SNE", "step") as bar:

        def step(iteration, error, embedding):
            bar.update(50)  # returns nothing: anything true would stop it here

        method = openTSNE.TSNE(
            n_jobs=-1, random_state=seed, callbacks=step, callbacks_every_iters=50, **(start | knobs)
        )
        return method.fit(data)


def u_map(data, seed=0, targets=None, **knobs):
    """A fitted UMAP; a fixed seed makes it repeatable, and then it runs on one core."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # few neighbours: unconnected parts
        return umap.UMAP(random_state=seed, n_jobs=1, **knobs).fit(data, y=targets)


def nearest_rows(points, k):
    """The rows of the k nearest other points of each point: [n, k]."""
    search = NearestNeighbors(n_neighbors=k).fit(points)
    return search.kneighbors(return_distance=False)


def sampled_quality(data, embedding, queries, k=15):
    """Kept neighbours and trustworthiness of the rows `queries`, against all rows."""
    n, squares = len(data), (data**2).sum(axis=1)
    search = NearestNeighbors(n_neighbors=k + 1).fit(embedding)
    near_on_map = search.kneighbors(embedding[queries], return_distance=False)
    kept, cost = [], 0.0
    for block in np.array_split(np.arange(len(queries)), max(1, len(queries) // 100)):
        products = data[queries[block]] @ data.T  # a block at a time, to save memory
        for row, product in zip(block, products, strict=True):
            distance = squares - 2 * product  # plus a constant: the order is the same
            distance[queries[row]] = -np.inf
            near = near_on_map[row][near_on_map[row] != queries[row]][:k]
            rank = (distance < distance[near, None]).sum(axis=1)  # 1: the nearest
            kept.append(np.mean(rank <= k))
            cost += np.maximum(rank - k, 0).sum()
    return np.mean(kept), 1 - 2 * cost / (len(queries) * k * (2 * n - 3 * k - 1))


def distances_of(data, pairs):
    """Distances [p] between the rows in `pairs` [2, p], in parts to save memory."""
    parts = np.array_split(pairs, 20, axis=1)
    return np.concatenate([np.linalg.norm(data[a] - data[b], axis=1) for a, b in parts])


def global_order(data, embedding, n_pairs=100_000, seed=0):
    """Spearman's rank correlation of distances in `data` and on the map, over pairs."""
    pairs = np.random.default_rng(seed).integers(len(data), size=(2, n_pairs))
    return spearmanr(distances_of(data, pairs), distances_of(embedding, pairs)).statistic


def ten_nn(embedding, labels, is_train):
    """10-NN accuracy in the plane: fitted on training points, scored on test points."""
    neighbours = KNeighborsClassifier(10).fit(embedding[is_train], labels[is_train])
    return neighbours.score(embedding[~is_train], labels[~is_train])


def quality(data, embedding, labels, is_train, queries):
    """All four measures of one map."""
    kept, trust = sampled_quality(data, embedding, queries)
    return {
        "trustworthiness": trust,
        "kept neighbours": kept,
        "10-NN accuracy": ten_nn(embedding, labels, is_train),
        "global order": global_order(data, embedding),
    }


def foreign_land(embedding, labels, k=15):
    """Rows of the images most of whose `k` neighbours on the map are of one other kana.

    Beside them the votes [n, 10] of the neighbours of every image.
    """
    near = nearest_rows(embedding, k)
    votes = np.stack([(labels[near] == label).sum(axis=1) for label in range(10)], axis=1)
    is_abroad = (votes.argmax(axis=1) != labels) & (votes.max(axis=1) > k / 2)
    return np.flatnonzero(is_abroad), votes


@cache
def prepared():
    """Pixels [n, 784], PCA-50 [n, 50], labels [n], whether it is a training image [n]; and the seconds of the PCA."""
    global openTSNE, umap  # ten seconds, which are spent where a map is missing
    import openTSNE
    import umap

    splits = [load_kmnist(split) for split in ("train", "test")]
    images, labels = (np.concatenate(arrays) for arrays in zip(*splits, strict=True))
    is_train = np.arange(len(images)) < len(splits[0][0])
    pixels = common.flat(images)
    started = time.perf_counter()
    pca = PCA(50, svd_solver="covariance_eigh").fit(pixels[is_train])
    features, seconds = pca.transform(pixels), time.perf_counter() - started
    u_map(features[:5000], n_epochs=10).transform(features[:10])  # compiles, which is no time of the method
    return pixels, features, labels, is_train, seconds


def drawn(method, seed, features, labels, is_train):
    """One map [n, 2] of the features [n, 50]; the training images come first."""
    fitted_on, new = features[is_train], features[~is_train]
    if method == "50 components":
        return features
    if method == "PCA":
        return features[:, :2]
    if method == "LDA":
        return LinearDiscriminantAnalysis(n_components=2).fit(fitted_on, labels[is_train]).transform(features)
    if method == "t-SNE" + SEEN:
        return np.asarray(t_sne(features, seed))
    if method == "UMAP" + SEEN:
        return u_map(features, seed).embedding_
    if "t-SNE" in method:
        own = t_sne(fitted_on, seed, initialization="random" if "random" in method else "pca")
        placed = own.transform(new)  # moves the whole map, so the own coordinates are read below
        return np.concatenate([np.asarray(own), np.asarray(placed)])
    fitted = u_map(fitted_on, seed, targets=labels[is_train] if "supervised" in method else None)
    return np.concatenate([fitted.embedding_, fitted.transform(new)])


def measure(method, parameters, seed):
    pixels, features, labels, is_train, pca_seconds = prepared()
    started = time.perf_counter()
    embedding = drawn(method, seed, features, labels, is_train)
    # PCA-50 is where the others start from
    seconds = pca_seconds if method in ("50 components", "PCA") else time.perf_counter() - started
    if (method, seed) == ("t-SNE" + SEEN, 0):  # notebook 03 asks whether a network errs on the same test images
        rows, votes = foreign_land(embedding, labels)
        rows = rows[~is_train[rows]]
        table = pd.DataFrame({"test_row": rows - is_train.sum(), "host": votes[rows].argmax(axis=1)})
        with replacing(CHECKOUT / "data" / "foreign_land.csv") as temporary:
            table.to_csv(temporary, index=False)
    queries = np.random.default_rng(0).choice(len(labels), 2000, replace=False)
    return common.rows_of(quality(pixels, embedding, labels, is_train, queries), seconds)


def main():
    common.run_study("maps", RUNS, measure, PACKAGES)


if __name__ == "__main__":
    common.run(main)
