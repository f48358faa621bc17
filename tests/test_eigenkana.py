"""Eigenkana: what is shipped, what is drawn from it, and that fitting it again gives the same."""

import time
import warnings
import zipfile

import eigenkana as study
import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from kuzushiji import eigenkana, load_specimens, paths
from kuzushiji.eigenkana import Mixture, load_model, sample


@pytest.fixture(autouse=True)
def one_thread():
    """Small fits with several threads take minutes where other work has the cores."""
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="module")
def drawn():
    """60,000 eigenkana and the seconds they took."""
    start = time.perf_counter()
    images, labels = sample(load_model(), 60000, seed=0)
    return images, labels, time.perf_counter() - start


def blobs(n, seed=0):
    """n small pictures in two classes, each class in two shapes: bars, lying or standing, at two places."""
    random = np.random.default_rng(seed)
    images, labels = random.integers(0, 60, (n, 28, 28)), np.arange(n) % 2
    for row, image in enumerate(images):
        place = 4 + 14 * (row // 2 % 2)
        (image if labels[row] else image.T)[place : place + 6] += 150
    return images.astype(np.uint8), labels.astype(np.uint8)


def test_shipped_model_is_small_plain_and_of_ten_classes():
    path = paths.bundled("eigenkana.npz")
    assert path.stat().st_size <= 2_000_000
    with np.load(path, allow_pickle=False) as archive:
        assert all(archive[name].dtype != object for name in archive.files)
    model = load_model()
    m, c = 160, 14
    assert {name: (getattr(model, name).dtype.name, getattr(model, name).shape) for name in vars(model)} == {
        "labels": ("uint8", (m,)),
        "counts": ("int32", (m,)),
        "means": ("uint8", (m, 784)),
        "components": ("int8", (m, c, 784)),
        "scales": ("float32", (m, c)),
        "parents": ("str32", (m,)),
    }
    assert np.bincount(model.labels, model.counts).tolist() == [6000] * 10
    assert model.counts.min() > 20  # every mean is that of many images: none is an image of the data set


def test_shipped_model_is_never_unpickled(tmp_path, monkeypatch):
    path = tmp_path / "eigenkana.npz"
    np.savez(path, **{name: np.array([print], object) for name in Mixture.__dataclass_fields__})
    monkeypatch.setattr(eigenkana, "bundled", lambda name: path)
    with pytest.raises(ValueError, match="Object arrays cannot be loaded"):
        load_model()


def test_sixty_thousand_take_less_than_15_seconds_and_are_balanced(drawn):
    images, labels, seconds = drawn
    assert seconds < 15
    assert images.dtype == labels.dtype == np.uint8 and images.shape == (60000, 28, 28)
    assert np.bincount(labels).tolist() == [6000] * 10
    assert 0.05 < (images > 127).mean() < 0.4  # ink on paper, not the other way round
    assert len({image.tobytes() for image in images[:5000]}) == 5000


def test_labels_come_in_no_order_and_as_evenly_as_can_be():
    labels = sample(load_model(), 25, seed=3)[1]
    assert sorted(np.bincount(labels, minlength=10)) == [2] * 5 + [3] * 5
    assert labels.tolist() != sorted(labels)


@pytest.mark.parametrize("n", [0, 1])
def test_few_can_be_drawn(n):
    images, labels = sample(load_model(), n, seed=0)
    assert images.shape == (n, 28, 28) and labels.shape == (n,) and images.dtype == labels.dtype == np.uint8


def test_a_seed_decides_what_is_drawn():
    model = load_model()
    first, again, other = (sample(model, 500, seed) for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[1], other[1])
    assert not {image.tobytes() for image in first[0]} & {image.tobytes() for image in other[0]}


def test_drawn_images_have_the_mean_and_spread_of_their_class():
    images, labels = blobs(4000)
    new, new_labels = sample(study.fit_mixture(images, labels, 2, 10), 4000, seed=0)
    for label in (0, 1):
        old_pixels, new_pixels = (x[y == label].astype(float) for x, y in ((images, labels), (new, new_labels)))
        assert np.abs(old_pixels.mean(axis=0) - new_pixels.mean(axis=0)).max() < 8
        # half of the images have a bar at one place and half at the other: no single Gaussian draws that
        dark = new_pixels[:, 5:9, 5:9].mean(axis=(1, 2)) > 100
        assert 0.4 < dark.mean() < 0.6


def test_a_class_without_variation_is_drawn_as_it_is():
    image = np.full((28, 28), 200, np.uint8)
    image[3:9] = 7
    mixture = Mixture(
        np.array([4], np.uint8),
        np.array([9], np.int32),
        image.reshape(1, 784),
        np.zeros((1, 2, 784), np.int8),
        np.ones((1, 2), np.float32),
        np.array([""]),
    )
    images, labels = sample(mixture, 3, seed=0)
    assert (images == image).all() and labels.tolist() == [4, 4, 4]


def test_fitting_twice_gives_the_same_file(tmp_path):
    for name in ("a", "b"):
        study.save(study.fit_mixture(*blobs(400), 2, 5), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert zipfile.is_zipfile(tmp_path / "a")


def test_what_is_saved_is_loaded(tmp_path, monkeypatch):
    model = study.fit_mixture(*blobs(200), 2, 5)
    study.save(model, tmp_path / "eigenkana.npz")
    monkeypatch.setattr(eigenkana, "bundled", lambda name: tmp_path / name)
    for name, array in vars(load_model()).items():
        assert array.dtype == getattr(model, name).dtype and np.array_equal(array, getattr(model, name))


def test_one_image_unlike_all_others_is_a_shape_without_variation():
    images, labels = blobs(100)
    images[0] = 255
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = study.fit_mixture(images, labels, 3, 5)
    (lone,) = np.flatnonzero(model.counts == 1)
    assert (model.means[lone] == 255).all() and not model.components[lone].any()
    assert np.isfinite(model.scales).all()


# ----------------------------------------------------------------------------------------------- on the real data


def test_fitting_real_classes_twice_gives_the_same_bytes(kmnist, tmp_path):
    images, labels = kmnist["train"]
    rows = np.flatnonzero(labels < 2)[:1000]
    for name in ("a", "b"):
        study.save(study.fit_mixture(images[rows], labels[rows], 4), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_neighbours_trained_on_eigenkana_read_real_kana(kmnist, drawn):
    """PCA and 4 nearest neighbours, trained on eigenkana alone, on the real test set: at least 83 %."""
    from sklearn.decomposition import PCA
    from sklearn.neighbors import KNeighborsClassifier

    images, labels, _ = drawn
    pca = PCA(50, random_state=0).fit(images[:20000].reshape(-1, 784).astype(np.float32))
    new, real = (pca.transform(x.reshape(-1, 784).astype(np.float32)) for x in (images, kmnist["test"][0]))
    accuracy = KNeighborsClassifier(4, weights="distance").fit(new, labels).score(real, kmnist["test"][1])
    assert accuracy >= 0.83


def distance_to_nearest(images, others):
    a, b = (x.reshape(-1, 784).astype(np.float32) for x in (images, others))
    return np.sqrt(np.maximum(0, (a * a).sum(1)[:, None] - 2 * a @ b.T + (b * b).sum(1)).min(axis=1))


def test_no_eigenkana_is_a_copy_of_a_training_image(kmnist, drawn):
    """The nearest training image is about as far away as it is from the real test images, and never near."""
    train = kmnist["train"][0]
    copies = np.clip(train[:20].astype(int) + np.random.default_rng(0).integers(-8, 9, (20, 28, 28)), 0, 255)
    assert distance_to_nearest(copies, train).max() < 200  # what this would read for barely altered copies
    assert distance_to_nearest(drawn[0][:1000], train).min() > 500


def test_every_shape_has_the_parent_of_its_nearest_specimen(kmnist):
    images, table = load_specimens(source="kmnist")
    certain = table["certain"].to_numpy()
    model = load_model()
    again = study.named(model, images[certain], table["label"][certain], table["parent"][certain])
    assert np.array_equal(again.parents, model.parents) and len(set(model.parents)) == 23
    with pytest.raises(ValueError, match="give at least one of each class"):
        study.named(model, images[:1], table["label"][:1], table["parent"][:1])
    pixels, means = images[certain].reshape(-1, 784).astype(float), model.means.astype(float)
    for shape in (0, 47, 100, 159):
        of_class = np.flatnonzero(table["label"][certain] == model.labels[shape])
        nearest = of_class[((pixels[of_class] - means[shape]) ** 2).sum(axis=1).argmin()]
        assert model.parents[shape] == table["parent"][certain].iloc[nearest]


def test_a_generated_image_knows_the_shape_it_was_drawn_from():
    model = load_model()
    images, labels, shapes = eigenkana.draw(model, 500, seed=3)
    assert np.array_equal(model.labels[shapes], labels)
    own = np.abs(images.reshape(500, 784) - model.means[shapes].astype(float)).mean(axis=1)
    other = np.abs(images.reshape(500, 784) - model.means[np.roll(shapes, 1)].astype(float)).mean(axis=1)
    assert (own < other).mean() > 0.95
    again = sample(model, 500, seed=3)
    assert np.array_equal(again[0], images) and np.array_equal(again[1], labels)


def test_amounts_have_the_spread_and_shapes_the_share_that_were_fitted():
    direction = np.zeros((1, 784), np.int8)
    direction[0, :400] = 100
    mixture = Mixture(
        np.array([4, 4], np.uint8),
        np.array([90, 10], np.int32),
        np.full((2, 784), 128, np.uint8),
        np.stack([direction, 0 * direction]),
        np.full((2, 1), 0.2, np.float32),
        np.array(["a", "b"]),
    )
    images, _, shapes = eigenkana.draw(mixture, 5000, seed=0)
    assert np.mean(shapes == 0) == pytest.approx(0.9, abs=0.02)
    pixels = images.reshape(5000, 784)[shapes == 0].astype(float)
    assert pixels[:, 0].std() == pytest.approx(20, abs=1) and pixels[:, 500].std() == 0  # 100 steps of 0.2


def test_the_two_generated_splits_are_drawn_apart():
    for split, n, seed in (("train", 60000, 0), ("test", 10000, 1)):
        assert np.array_equal(eigenkana.generated(split)[0], sample(load_model(), n, seed)[0])
