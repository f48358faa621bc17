"""Eigenkana: what is shipped, what is drawn from it, and that fitting it again gives the same."""

import eigenkana as study
import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier
from threadpoolctl import threadpool_info

from kuzushiji import eigenkana
from kuzushiji.eigenkana import Mixture, draw, load_model, sample


@pytest.fixture(scope="module")
def drawn():
    return sample(load_model(), 60000, seed=0)


def blobs(n):
    """n small pictures in two classes, each class in two shapes: bars, lying or standing, at two places."""
    images, labels = np.random.default_rng(0).integers(0, 60, (n, 28, 28)), np.arange(n) % 2
    for row, image in enumerate(images):
        place = 4 + 14 * (row // 2 % 2)
        (image if labels[row] else image.T)[place : place + 6] += 150
    return images.astype(np.uint8), labels.astype(np.uint8)


def test_images_are_balanced_different_and_ink_on_paper(drawn):
    images, labels = drawn
    assert load_model().counts.min() > 20  # no mean is an image of the data set
    assert images.dtype == labels.dtype == np.uint8 and images.shape == (60000, 28, 28)
    assert np.bincount(labels).tolist() == [6000] * 10 and labels.tolist() != sorted(labels)
    assert 0.05 < (images > 127).mean() < 0.4
    assert len({image.tobytes() for image in images[:5000]}) == 5000
    assert np.array_equal(eigenkana.generated("train")[0], images)
    test = draw(load_model(), 10000, seed=1, counts=load_model().test_counts)
    assert np.array_equal(eigenkana.generated("test")[0], test[0])


def test_each_split_is_written_in_its_own_mix_of_shapes():
    today = [
        np.mean(parents[labels == 7] == "也") for _, labels, parents in map(eigenkana.generated, ("train", "test"))
    ]
    assert today[0] > 0.85 and today[1] < 0.6  # as in the readings of KMNIST


@pytest.mark.parametrize("n", [0, 25])
def test_any_number_is_drawn_as_evenly_as_can_be_and_a_seed_decides_what(n):
    (images, labels), again, other = (sample(load_model(), n, seed) for seed in (1, 1, 2))
    assert images.shape == (n, 28, 28) and np.ptp(np.bincount(labels, minlength=10)) <= 1
    assert np.array_equal(images, again[0]) and np.array_equal(labels, again[1])
    assert not {image.tobytes() for image in images} & {image.tobytes() for image in other[0]}


def test_images_have_the_mean_spread_and_share_of_their_shape_and_stay_between_0_and_255():
    direction = np.repeat([[[100, 0]]], 392, axis=2).reshape(1, 1, 784)  # half of the pixels vary, by 100 steps of 0.2
    mixture = Mixture(
        labels=np.array([4, 4], np.uint8),
        counts=np.array([90, 10], np.int32),
        means=np.repeat(np.array([[128], [250]], np.uint8), 784, axis=1),
        components=np.repeat(direction, 2, axis=0).astype(np.int8),
        scales=np.full((2, 1), 0.2, np.float32),
        parents=np.array(["a", "b"]),
    )
    images, labels, shapes = draw(mixture, 5000, seed=0)
    common, rare = (images.reshape(5000, 784)[shapes == shape].astype(float) for shape in (0, 1))
    assert np.mean(shapes == 0) == pytest.approx(0.9, abs=0.02) and (labels == 4).all()
    assert common.mean(axis=0) == pytest.approx(128, abs=1) and common[:, 0].std() == pytest.approx(20, abs=1)
    assert common[:, 500].std() == 0 and rare[:, 0].max() == 255 and rare[:, 0].min() > 150


def test_fitting_twice_gives_the_same_file_and_what_is_saved_is_loaded(tmp_path, monkeypatch):
    for name in ("a", "eigenkana.npz"):
        model = study.fit_mixture(*blobs(200), 2, 5)
        model = study.counted(model, *blobs(50))
        study.save(model, tmp_path / name)
    assert model.test_counts.sum() == 50
    assert (tmp_path / "a").read_bytes() == (tmp_path / "eigenkana.npz").read_bytes()
    monkeypatch.setattr(eigenkana, "bundled", lambda name: tmp_path / name)
    for name, array in vars(load_model()).items():
        assert array.dtype == getattr(model, name).dtype and np.array_equal(array, getattr(model, name))


def test_fitting_uses_one_thread_and_finds_the_shapes_of_a_class(monkeypatch):
    threads, directions_of = set(), study.directions_of

    def watched(*arguments):
        threads.update(pool["num_threads"] for pool in threadpool_info())
        return directions_of(*arguments)

    monkeypatch.setattr(study, "directions_of", watched)
    images, labels = blobs(101)
    images[100] = 255  # unlike all others, so of a shape that does not vary
    model = study.fit_mixture(images, labels, 3, 5)
    assert threads == {1} and sorted(model.counts[model.labels == 0]) == [1, 25, 25]
    assert not model.components[model.counts == 1].any()


def test_neighbours_trained_on_eigenkana_read_real_kana_and_none_is_near_a_real_one(kmnist, drawn):
    """PCA and 4 nearest neighbours, trained on eigenkana alone, on the real test set: at least 83 %."""
    new, train, test = (
        x.reshape(-1, 784).astype(np.float32) for x in (drawn[0], kmnist["train"][0], kmnist["test"][0])
    )
    pca = PCA(50, random_state=0).fit(new[:20000])
    four_nn = KNeighborsClassifier(4, weights="distance").fit(pca.transform(new), drawn[1])
    assert four_nn.score(pca.transform(test), kmnist["test"][1]) >= 0.83
    squares = (new[:1000] ** 2).sum(axis=1)[:, None] - 2 * new[:1000] @ train.T + (train**2).sum(axis=1)
    assert squares.min() > 500**2  # a copy with up to 8 grey levels of noise lies within 200
