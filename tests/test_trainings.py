"""The trainings of the studies: what an epoch holds, what a resumed training repeats, which networks are shipped."""

import json
import zipfile
from unittest.mock import Mock

import final
import numpy as np
import pytest
import report
import trainings

from kuzushiji import networks, paths, reading
from kuzushiji.augment import WritingVariations

keras = networks.keras
IMAGES = np.random.default_rng(0).integers(0, 256, (300, 28, 28), dtype=np.uint8)
LABELS = np.random.default_rng(1).integers(0, 10, 300)


def model_of(seed=0):
    """A small model with all that has to come back: variations, batch normalisation, AdamW, a schedule."""
    keras.utils.set_random_seed(seed)
    model = keras.Sequential([keras.Input((28, 28, 1)), WritingVariations(), networks.residual_network((4, 4, 4))])
    return trainings.compiled(model, 9)


def test_an_epoch_holds_every_image_once_with_its_label():
    data = trainings.Epochs(IMAGES, LABELS, 0)
    inputs, targets = (np.concatenate(parts) for parts in zip(*(data[batch] for batch in range(3)), strict=True))
    assert len(data) == 3 and inputs.shape == (300, 28, 28, 1) and inputs.dtype == targets.dtype == np.float32
    place = {image.tobytes(): row for row, image in enumerate(IMAGES)}
    rows = [place[image.tobytes()] for image in np.rint(inputs[..., 0] * 255).astype(np.uint8)]
    assert sorted(rows) == list(range(300)) and rows != sorted(rows)
    assert np.array_equal(targets, np.eye(10)[LABELS[rows]])
    orders = [trainings.Epochs(IMAGES, LABELS, seed).order for seed in (0, 0, 1)]
    data.begin(1)
    assert [np.array_equal(orders[0], order) for order in (*orders, data.order)] == [True, True, False, False]


def test_a_resumed_training_goes_on_with_its_epoch_and_ends_where_an_uninterrupted_one_does(tmp_path):
    straight = model_of()
    history = trainings.fit(straight, trainings.Epochs(IMAGES, LABELS, 0), 3, tmp_path / "straight")
    stop = Mock(side_effect=[None, None, InterruptedError])
    with pytest.raises(InterruptedError):
        trainings.fit(model_of(), trainings.Epochs(IMAGES, LABELS, 0), 3, tmp_path / "resumed", log=stop)
    resumed, data, begun = model_of(seed=9), trainings.Epochs(IMAGES, LABELS, 0), []  # its own weights must not matter
    data.begin = lambda epoch: begun.append(epoch) or trainings.Epochs.begin(data, epoch)
    again = trainings.fit(resumed, data, 3, tmp_path / "resumed")
    for ours, theirs in zip(resumed.get_weights(), straight.get_weights(), strict=True):
        assert np.allclose(ours, theirs, atol=1e-5)
    assert np.allclose([row["loss"] for row in again], [row["loss"] for row in history], atol=2e-5)
    assert begun == [2] and int(resumed.optimizer.iterations) == 9
    assert trainings.fit(model_of(seed=2), data, 3, tmp_path / "resumed") == again  # finished: not run again


def test_a_saved_network_is_the_same_and_says_nothing_that_only_this_release_knows(tmp_path):
    network, plain, one, other = networks.residual_network(), *(tmp_path / f"{name}.keras" for name in "abc")
    network.save(plain)
    trainings.save(network, one)
    trainings.save(network, other)
    loaded = keras.models.load_model(one)
    assert np.array_equal(trainings.outputs_of(loaded, IMAGES), trainings.outputs_of(network, IMAGES))
    assert one.read_bytes() == other.read_bytes()
    for path in (plain, one, paths.bundled("kmnist_cnn.keras")):
        with zipfile.ZipFile(path) as archive:
            told = archive.read("config.json").decode()
        later = ("renorm", "kernel_initializer", "quantization_config")  # which Keras 3.10 refuses, Colab's in 2026
        assert any(f'"{name}"' in told for name in later) == (path == plain)


def test_the_shipped_weights_are_what_is_said_of_them(request):
    model = keras.models.load_model(paths.bundled("kmnist_cnn.keras"))  # without code of ours
    facts = json.loads(paths.bundled("kmnist_cnn.json").read_text(encoding="utf-8"))
    assert getattr(model, "optimizer", None) is None and model.count_params() == 409_322
    assert facts["test accuracy by seed"] == [row["value"] for row in report.found("final", "final")]
    with np.load(paths.bundled("validation_logits.npz")) as stored:
        assert facts["temperature"] == round(final.fit_temperature(stored["logits"], stored["labels"]), 4)
        assert np.array_equal(stored["rows"], final.split(60000)[1])
        surest, chosen = reading.probabilities(stored["logits"]).max(axis=1), reading.stored("reading.json")
        assert chosen["threshold"] == round(float(np.quantile(surest, 1 - chosen["kept"])), 4)
        assert chosen["temperature"] == facts["temperature"]
    kmnist = request.getfixturevalue("kmnist")  # skips where it is not at hand
    images, labels = kmnist["test"]
    assert abs(trainings.accuracy(model, images, labels) - facts["test accuracy by seed"][0]) < 0.0005
    with np.load(paths.bundled("validation_logits.npz")) as stored:
        checked = keras.models.load_model(paths.bundled("kmnist_cnn_54000.keras"))
        rows = stored["rows"][::20]
        assert np.array_equal(stored["labels"], kmnist["train"][1][stored["rows"]])
        answers = trainings.outputs_of(checked, kmnist["train"][0][rows])
        assert np.abs(answers - stored["logits"][::20]).max() < 1e-3
