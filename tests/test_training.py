"""Networks and trainings: what a batch holds, what a checkpoint brings back, what counts as a record."""

import json
import zipfile

import numpy as np
import pytest

from kuzushiji import DataError, datasets, networks, paths, results, training
from kuzushiji.notebook import Run

keras = networks.keras

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.integers(0, 256, (300, 28, 28), dtype=np.uint8)
LABELS = RANDOM.integers(0, 10, 300)
PARAMETERS = {"epochs": 3}


@pytest.fixture(autouse=True)
def build(monkeypatch, tmp_path):
    monkeypatch.setattr(training, "build_folder", lambda: tmp_path)
    return tmp_path


def compiled(seed=0):
    """A small network with all that a checkpoint has to bring back: dropout, batch normalisation, AdamW, a schedule."""
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((28, 28, 1))
    hidden = networks.convolution(inputs, 4, pool=4)
    hidden = keras.layers.Dropout(0.5)(keras.layers.Flatten()(hidden))
    model = keras.Model(inputs, keras.layers.Dense(10)(hidden))
    training.compile_residual(model, 9)
    return model


def test_an_epoch_holds_every_image_once_with_its_label():
    batches = training.Batches(IMAGES, LABELS, 0)
    inputs, targets = batches.epoch(0)
    assert len(batches) == 3
    assert inputs.shape == (300, 28, 28, 1) and inputs.dtype == targets.dtype == np.float32
    place = {image.tobytes(): row for row, image in enumerate(IMAGES)}
    rows = [place[image.tobytes()] for image in np.rint(inputs[..., 0] * 255).astype(np.uint8)]
    assert sorted(rows) == list(range(300)) and rows != sorted(rows)
    assert np.array_equal(targets.argmax(axis=1), LABELS[rows]) and (targets.sum(axis=1) == 1).all()


def test_the_variants_of_a_batch_are_its_own():
    sizes = []

    def blank(images, random):
        sizes.append(len(images))
        return images * 0 + random.random()

    batches = training.Batches(IMAGES, LABELS, 0, change=blank)
    inputs, _ = batches.epoch(0)
    assert sizes == [128, 128, 44] and len(np.unique(inputs)) == 3


def test_epochs_and_seeds_differ_and_are_the_same_again():
    def first(seed, epoch):
        batches = training.Batches(IMAGES, LABELS, seed, change=lambda images, random: images + random.random())
        return batches.epoch(epoch)[0]

    assert np.array_equal(first(0, 1), first(0, 1))
    assert not np.array_equal(first(0, 1), first(0, 2)) and not np.array_equal(first(0, 1), first(1, 1))


def test_batches_refuse_labels_that_do_not_match():
    with pytest.raises(ValueError, match="300 images and 299 labels"):
        training.Batches(IMAGES, LABELS[1:], 0)


@pytest.mark.parametrize("stop", [1, 2])
def test_an_interrupted_training_ends_where_an_uninterrupted_one_does(stop):
    straight = compiled()
    history = training.fit(straight, training.Batches(IMAGES, LABELS, 0), 3, "straight")
    training.fit(compiled(), training.Batches(IMAGES, LABELS, 0), stop, "resumed")
    resumed = compiled(seed=9)  # its own weights must not matter
    again = training.fit(resumed, training.Batches(IMAGES, LABELS, 0), 3, "resumed")
    for ours, theirs in zip(resumed.get_weights(), straight.get_weights(), strict=True):
        assert np.allclose(ours, theirs, atol=1e-5)
    assert np.allclose([row["loss"] for row in again], [row["loss"] for row in history], atol=1e-5)
    assert int(resumed.optimizer.iterations) == 9


def test_a_finished_training_is_loaded_and_not_run_again(monkeypatch):
    first = compiled()
    history = training.fit(first, training.Batches(IMAGES, LABELS, 0), 2, "once")
    second = compiled(seed=1)
    monkeypatch.setattr(second, "fit", lambda *_, **__: pytest.fail("trained again"))
    assert training.fit(second, training.Batches(IMAGES, LABELS, 0), 2, "once") == history
    assert all(np.array_equal(a, b) for a, b in zip(first.get_weights(), second.get_weights(), strict=True))


def test_a_crash_while_a_checkpoint_is_written_leaves_the_one_before(monkeypatch, build):
    training.fit(compiled(), training.Batches(IMAGES, LABELS, 0), 1, "crash")
    (build / "trainings" / "crash" / "epoch-2.weights.h5").write_bytes(b"half a file")
    again = compiled()
    assert len(training.fit(again, training.Batches(IMAGES, LABELS, 0), 2, "crash")) == 2
    assert len(training.resume(compiled(), training.Batches(IMAGES, LABELS, 0), 2, build / "trainings" / "crash")) == 2
    assert [path.name for path in sorted((build / "trainings" / "crash").iterdir())] == [
        "epoch-2.weights.h5",
        "history.json",
    ]


def test_a_checkpoint_of_another_network_is_refused_by_name():
    training.fit(compiled(), training.Batches(IMAGES, LABELS, 0), 1, "mine")
    other = networks.residual_network((4, 4, 4))
    training.compile_residual(other, 9)
    with pytest.raises(ValueError, match="build/trainings/mine belongs to another training"):
        training.fit(other, training.Batches(IMAGES, LABELS, 0), 2, "mine")


@pytest.mark.parametrize(
    "batches",
    [
        training.Batches(IMAGES, LABELS, 1),
        training.Batches(IMAGES[:200], LABELS[:200], 0),
        training.Batches(255 - IMAGES, LABELS, 0),
        training.Batches(IMAGES, LABELS[::-1], 0),
        training.Batches(IMAGES, LABELS, 0, batch_size=100),
        training.Batches(IMAGES, LABELS, 0, change=abs),
    ],
    ids=["seed", "number", "images", "labels", "batch size", "change"],
)
def test_a_checkpoint_of_other_settings_is_refused(batches):
    training.fit(compiled(), training.Batches(IMAGES, LABELS, 0), 1, "mine")
    with pytest.raises(ValueError, match=r"belongs to another training \(1 epochs"):
        training.fit(compiled(), batches, 2, "mine")


def test_a_checkpoint_of_another_schedule_or_loss_or_of_more_epochs_is_refused():
    training.fit(compiled(), training.Batches(IMAGES, LABELS, 0), 2, "mine")
    other, smoother = compiled(), compiled()
    training.compile_residual(other, 12)
    smoother.loss.label_smoothing = 0.2
    for model, epochs in ((other, 3), (smoother, 3), (compiled(), 1)):
        with pytest.raises(ValueError, match="belongs to another training"):
            training.fit(model, training.Batches(IMAGES, LABELS, 0), epochs, "mine")


def test_nothing_is_kept_where_nothing_is_to_be_kept(build):
    batches = training.Batches(IMAGES, LABELS, 0)
    history = training.fit(compiled(), batches, 1, "x", lambda model: {"more": 7}, keep=False)
    assert not (build / "trainings").exists()
    assert history[0]["more"] == 7 and {"loss", "accuracy", "learning_rate", "seconds"} <= set(history[0])


@pytest.fixture
def stored(monkeypatch, tmp_path):
    row = {"source": "03", "method": "final", "parameters": PARAMETERS, "seeds": [0, 1], "seconds": 5.0}
    rows = [
        row | {"metric": "test accuracy", "values": [0.5, 0.6]},
        row | {"metric": "temperature", "values": [0.7, 0.8]},
    ]
    rows[0] |= {"history": [[{"loss": 1}], [{"loss": 2}]], "training seconds": [4, 6]}
    path = tmp_path / "results.json"
    path.write_text(json.dumps(rows), encoding="utf-8")
    monkeypatch.setattr(results, "RESULTS", path)


@pytest.mark.parametrize("mode", [{}, {"maintain": True}])
def test_a_recorded_training_is_recalled(stored, mode):
    run = Run("kmnist", **{"quick": False, "retrain": False, "maintain": False} | mode)
    found = training.experiment(run, "03", "final", PARAMETERS, 1, lambda seed: pytest.fail("trained"))
    assert found == {"test accuracy": 0.6, "history": [{"loss": 2}], "training seconds": 6, "temperature": 0.8}


def test_a_run_on_other_data_says_whose_record_it_shows(stored, capsys):
    for data_name in ("kmnist", "eigenkana"):
        run = Run(data_name, quick=False, retrain=False, maintain=False)
        training.experiment(run, "03", "final", PARAMETERS, 1, lambda seed: pytest.fail("trained"))
    assert capsys.readouterr().out == "final, seed 1: recalled from the record, which is KMNIST's\n"


@pytest.mark.parametrize(
    ("mode", "method", "parameters", "seed"),
    [
        ({"quick": True}, "final", PARAMETERS, 1),
        ({"retrain": True}, "final", PARAMETERS, 1),
        ({}, "other", PARAMETERS, 1),
        ({}, "final", {"epochs": 4}, 1),
        ({}, "final", PARAMETERS, 2),
    ],
)
def test_what_has_no_record_is_trained(stored, mode, method, parameters, seed):
    run = Run("kmnist", **{"quick": False, "retrain": False, "maintain": False} | mode)
    assert training.experiment(run, "03", method, parameters, seed, lambda seed: {"trained": seed}) == {"trained": seed}


def test_the_baseline_is_the_published_one():
    model = training.baseline_network()
    assert model.count_params() == 1_199_882 and model.output_shape == (None, 10)
    outputs = keras.ops.convert_to_numpy(model(IMAGES[:3, ..., None] / np.float32(255)))
    assert np.allclose(outputs.sum(axis=1), 1, atol=1e-5)


def test_the_residual_network_keeps_to_its_budget_and_gives_logits():
    model = networks.residual_network()
    assert model.count_params() <= 600_000 and model.output_shape == (None, 10)
    outputs = keras.ops.convert_to_numpy(model(IMAGES[:3, ..., None] / np.float32(255)))
    assert not np.allclose(outputs.sum(axis=1), 1)


def test_one_cycle_rises_in_a_line_and_falls_to_nearly_nothing():
    rates = np.array([float(training.one_cycle(400)(step)) for step in range(401)])
    assert rates.argmax() == 100 and np.isclose(rates.max(), 4e-3)
    assert np.allclose(np.diff(rates[:100], n=2), 0, atol=1e-7)
    assert (np.diff(rates[100:]) <= 0).all() and rates[-1] < 1e-5


@pytest.fixture(scope="module")
def shipped():
    return keras.models.load_model(paths.bundled("kmnist_cnn.keras")), json.loads(
        paths.bundled("kmnist_cnn.json").read_text(encoding="utf-8")
    )


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
        training.save_for_all_releases(network, tmp_path / name)
    loaded = keras.models.load_model(tmp_path / "one.keras")
    np.testing.assert_array_equal(loaded.predict(images, verbose=0), network.predict(images, verbose=0))
    assert (tmp_path / "one.keras").read_bytes() == (tmp_path / "other.keras").read_bytes()
    # Keras 3.10, which Colab had in 2026, refuses each of these.
    later = ("renorm", "renorm_clipping", "renorm_momentum", "kernel_initializer", "quantization_config")
    said, shipped = layer_settings(tmp_path / "plain.keras"), layer_settings(paths.bundled("kmnist_cnn.keras"))
    assert any(name in settings for settings in said.values() for name in later)
    for settings in (*layer_settings(tmp_path / "one.keras").values(), *shipped.values()):
        assert not set(settings) & set(later)


def test_the_facts_beside_the_weights_are_those_of_the_results_file(shipped):
    _, facts = shipped
    rows = {(row["method"], row["metric"]): row for row in results.recorded("03_cnn_from_scratch")}
    assert facts["test accuracy by seed"] == rows["final", "test accuracy"]["values"]
    assert facts["temperature"] == round(rows["final, on 54,000", "temperature"]["values"][0], 4)
    assert set(facts["versions"]) == {"keras", "tensorflow", "numpy"} and "5 February 2019" in facts["data"]


def test_the_shipped_weights_read_the_test_set_as_recorded(shipped):
    model, facts = shipped
    try:
        images, labels = datasets.load_kmnist("test", source="kmnist")
    except DataError:
        pytest.skip("the real KMNIST is not at hand")
    read = model.predict(images[..., None] / np.float32(255), batch_size=500, verbose=0).argmax(axis=1)
    assert abs((read == labels).mean() - facts["test accuracy by seed"][0]) < 0.0005


def test_rows_trained_with_the_numpy_augmentation_say_so():
    """Until notebook 03's studies replace them: the Keras layer has the same law and draws other variants."""
    rows = [row for row in results.recorded("03_cnn_from_scratch") if row["metric"] == "test accuracy"]
    marked = {row["method"] for row in rows if row.get("augmentation") == "NumPy augmentation"}
    ladder = {row["method"] for row in rows if row["method"][:8] in {f"ladder {rung}" for rung in (4, 5, 6, 7)}}
    assert len(ladder) == 4 and marked == ladder | {"final", "final, on 54,000"}
