"""The trainings of the studies: what an epoch holds, what a resumed training repeats, which networks are shipped."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import trainings

from kuzushiji import DataError, datasets, networks, paths, studies
from kuzushiji.augment import WritingVariations

keras = networks.keras

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.integers(0, 256, (300, 28, 28), dtype=np.uint8)
LABELS = RANDOM.integers(0, 10, 300)


@pytest.fixture(autouse=True)
def build(monkeypatch, tmp_path):
    monkeypatch.setattr(trainings, "build_folder", lambda: tmp_path)
    return tmp_path / "trainings"


class Watched(trainings.Epochs):
    """Epochs that keep the first row of each."""

    def begin(self, epoch):
        super().begin(epoch)
        self.first = [*getattr(self, "first", []), int(self.order[0])]


def compiled(seed=0, steps=9):
    """A small model with all that has to come back: variations, batch normalisation, AdamW, a schedule."""
    keras.utils.set_random_seed(seed)
    model = keras.Sequential([WritingVariations(), networks.residual_network((4, 4, 4))])
    model.build((None, 28, 28, 1))
    trainings.compile_residual(model, steps)
    return model


class Interrupted(Exception):
    """What stops a training in these tests."""


def interrupt_after(epochs):
    left = iter(range(epochs))

    def report(row):
        if next(left) == epochs - 1:
            raise Interrupted

    return report


def test_an_epoch_holds_every_image_once_with_its_label():
    data = trainings.Epochs(IMAGES, LABELS, 0)
    inputs, targets = (np.concatenate(parts) for parts in zip(*(data[batch] for batch in range(3)), strict=True))
    assert len(data) == 3 and inputs.shape == (300, 28, 28, 1) and inputs.dtype == targets.dtype == np.float32
    place = {image.tobytes(): row for row, image in enumerate(IMAGES)}
    rows = [place[image.tobytes()] for image in np.rint(inputs[..., 0] * 255).astype(np.uint8)]
    assert sorted(rows) == list(range(300)) and rows != sorted(rows)
    assert np.array_equal(targets.argmax(axis=1), LABELS[rows]) and (targets.sum(axis=1) == 1).all()
    data.begin(1)
    orders = [trainings.Epochs(IMAGES, LABELS, seed).order for seed in (0, 0, 1)] + [data.order]
    assert [np.array_equal(orders[0], order) for order in orders] == [True, True, False, False]
    with pytest.raises(ValueError, match="300 images and 299 labels"):
        trainings.Epochs(IMAGES, LABELS[1:], 0)


@pytest.mark.parametrize("stop", [1, 2])
def test_a_resumed_training_goes_on_with_the_variants_of_its_epoch_and_ends_where_an_uninterrupted_one_does(stop):
    straight = compiled()
    history = trainings.fit(straight, trainings.Epochs(IMAGES, LABELS, 0), 3, "straight")
    with pytest.raises(Interrupted):
        trainings.fit(compiled(), trainings.Epochs(IMAGES, LABELS, 0), 3, "resumed", report=interrupt_after(stop))
    resumed, data = compiled(seed=9), Watched(IMAGES, LABELS, 0)  # weights of its own must not matter
    again = trainings.fit(resumed, data, 3, "resumed")
    for ours, theirs in zip(resumed.get_weights(), straight.get_weights(), strict=True):
        assert np.allclose(ours, theirs, atol=1e-5)
    assert np.allclose([row["loss"] for row in again], [row["loss"] for row in history], atol=1e-5)
    assert len(data.first) == 1 + 3 - stop and len(set(data.first)) == len(data.first)
    assert int(resumed.optimizer.iterations) == 9


def test_a_finished_training_is_not_run_again_until_it_is_forgotten(build):
    first, second = compiled(), compiled(seed=1)
    history = trainings.fit(first, trainings.Epochs(IMAGES, LABELS, 0), 2, "once")
    assert {"loss", "accuracy", "learning_rate", "seconds"} == set(history[0])
    assert trainings.fit(second, trainings.Epochs(IMAGES, LABELS, 0), 2, "once") == history
    assert all(np.array_equal(a, b) for a, b in zip(first.get_weights(), second.get_weights(), strict=True))
    trainings.forget("once")
    assert list(build.iterdir()) == []


def test_a_training_is_known_again_in_another_process(build):
    """What identifies it must not hold an address in memory, as the text of a loss does."""
    trainings.fit(compiled(), trainings.Epochs(IMAGES, LABELS, 0), 1, "mine")
    code = (
        "import test_trainings as t; from pathlib import Path; data = t.trainings.Epochs(t.IMAGES, t.LABELS, 0); "
        f"t.trainings.check_same_training(t.compiled(), data, 1, Path({str(build / 'mine')!r}))"
    )
    here = Path(__file__).parent
    folders = os.pathsep.join(map(str, (here, here.parent / "benchmarks")))
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": folders}, check=True)


def test_another_training_of_the_same_name_is_refused():
    trainings.fit(compiled(), trainings.Epochs(IMAGES, LABELS, 0), 1, "mine")
    others = [
        (compiled(steps=12), trainings.Epochs(IMAGES, LABELS, 0), 1),
        (compiled(), trainings.Epochs(IMAGES, LABELS, 1), 1),
        (compiled(), trainings.Epochs(IMAGES[:200], LABELS[:200], 0), 1),
        (compiled(), trainings.Epochs(IMAGES, LABELS, 0, batch_size=100), 1),
        (compiled(), trainings.Epochs(IMAGES, LABELS, 0), 2),
    ]
    for model, data, epochs in others:
        with pytest.raises(DataError, match="build/trainings/mine holds another training"):
            trainings.fit(model, data, epochs, "mine")


def test_without_a_name_nothing_is_kept(build):
    history = trainings.fit(compiled(), trainings.Epochs(IMAGES, LABELS, 0), 1, measure=lambda: {"more": 7})
    assert not build.exists() and history[0]["more"] == 7


def test_the_baseline_is_the_published_one():
    model = trainings.baseline_network()
    assert model.count_params() == 1_199_882 and model.output_shape == (None, 10)
    outputs = keras.ops.convert_to_numpy(model(IMAGES[:3, ..., None] / np.float32(255)))
    assert np.allclose(outputs.sum(axis=1), 1, atol=1e-5)


def test_the_residual_network_keeps_to_its_budget_and_gives_logits():
    model = networks.residual_network()
    assert model.count_params() <= 600_000 and model.output_shape == (None, 10)
    outputs = keras.ops.convert_to_numpy(model(IMAGES[:3, ..., None] / np.float32(255)))
    assert not np.allclose(outputs.sum(axis=1), 1)


def test_one_cycle_rises_in_a_line_and_falls_to_nearly_nothing():
    rates = np.array([float(trainings.one_cycle(400)(step)) for step in range(401)])
    assert rates.argmax() == 100 and np.isclose(rates.max(), 4e-3)
    assert np.allclose(np.diff(rates[:100], n=2), 0, atol=1e-7)
    assert (np.diff(rates[100:]) <= 0).all() and rates[-1] < 1e-5


@pytest.fixture(scope="module")
def shipped():
    facts = json.loads(paths.bundled("kmnist_cnn.json").read_text(encoding="utf-8"))
    return keras.models.load_model(paths.bundled("kmnist_cnn.keras")), facts


def test_the_shipped_weights_need_no_code_of_ours_and_carry_no_optimiser(shipped):
    model, _ = shipped
    assert paths.bundled("kmnist_cnn.keras").stat().st_size <= 3_000_000
    assert model.input_shape == (None, 28, 28, 1) and model.output_shape == (None, 10)
    assert all(type(layer).__module__.startswith("keras") for layer in model.layers)
    assert getattr(model, "optimizer", None) is None
    assert [w.shape for w in model.weights] == [w.shape for w in networks.residual_network().weights]


def layer_settings(path):
    """What a saved network says of each of its layers: {layer: {setting: value}}."""
    with zipfile.ZipFile(path) as archive:
        layers = json.loads(archive.read("config.json"))["config"]["layers"]
    return {layer["name"]: layer["config"] for layer in layers}


def test_a_network_saved_for_all_releases_is_the_same_and_says_nothing_that_only_this_release_knows(tmp_path):
    network, images = networks.residual_network(), np.random.default_rng(0).random((4, 28, 28, 1), np.float32)
    network.save(tmp_path / "plain.keras")
    for name in ("one.keras", "other.keras"):
        trainings.save_for_all_releases(network, tmp_path / name)
    loaded = keras.models.load_model(tmp_path / "one.keras")
    np.testing.assert_array_equal(loaded.predict(images, verbose=0), network.predict(images, verbose=0))
    assert (tmp_path / "one.keras").read_bytes() == (tmp_path / "other.keras").read_bytes()
    # Keras 3.10, which Colab had in 2026, refuses each of these.
    later = ("renorm", "renorm_clipping", "renorm_momentum", "kernel_initializer", "quantization_config")
    said, shipped = layer_settings(tmp_path / "plain.keras"), layer_settings(paths.bundled("kmnist_cnn.keras"))
    assert any(name in settings for settings in said.values() for name in later)
    for settings in (*layer_settings(tmp_path / "one.keras").values(), *shipped.values()):
        assert not set(settings) & set(later)


def test_the_facts_beside_the_weights_are_those_of_the_records_and_of_the_validation_logits(shipped):
    import final

    _, facts = shipped
    rows = [row for row in studies.rows("final") if (row["method"], row["metric"]) == ("final", "test accuracy")]
    assert facts["test accuracy by seed"] == [row["value"] for row in sorted(rows, key=lambda row: row["seed"])]
    with np.load(paths.bundled("validation_logits.npz")) as stored:
        assert facts["temperature"] == round(final.fit_temperature(stored["logits"], stored["labels"]), 4)
        assert np.array_equal(stored["rows"], final.split(60000)[1])
    assert set(facts["versions"]) == {"keras", "tensorflow", "numpy"} and "5 February 2019" in facts["data"]


def test_the_shipped_weights_read_the_test_set_as_recorded(shipped):
    model, facts = shipped
    try:
        images, labels = datasets.load_kmnist("test", source="kmnist")
    except DataError:
        pytest.skip("the real KMNIST is not at hand")
    read = model.predict(images[..., None] / np.float32(255), batch_size=500, verbose=0).argmax(axis=1)
    assert abs((read == labels).mean() - facts["test accuracy by seed"][0]) < 0.0005
