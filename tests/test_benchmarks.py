"""The benchmark commands: their options, what bad ones answer, what is measured, logged, saved and recorded."""

import io
import json
import re
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import cnn_kmnist
import common
import knn_kmnist
import numpy as np
import pytest
import report
import suite
import svm_kmnist
from conftest import CHECKOUT, Release, contents

from kuzushiji import load_classmap, registry, studies
from kuzushiji.__main__ import main as kuzushiji_command

# Options and defaults of the scripts of the W&B benchmark, github.com/wandb/kmnist.
WANDB_KNN = {"model_name": "", "data_home": "./dataset", "k_neighbors": 4, "weights": "distance", "dry_run": False}
WANDB_CNN = {
    "model_name": "", "data_home": "./dataset", "batch_size": 128, "dropout_1": 0.25, "dropout_2": 0.5, "epochs": 10,
    "fc1_size": 128, "l1_size": 32, "l2_size": 64, "num_classes": 10, "dry_run": False, "quick_run": False,
}  # fmt: skip
LETTERS = {"-m": "model_name", "-k": "k_neighbors", "-q": "dry_run", "-b": "batch_size", "-e": "epochs"}
COMMANDS = [knn_kmnist, svm_kmnist, cnn_kmnist]


def readable(n, classes, random):
    """`n` images that say their class by the place of a square, unbalanced: later images have the first classes."""
    labels = np.arange(n) % classes
    labels[2 * classes :] //= 2
    images = random.integers(1, 32, (n, 28, 28))
    for image, label in zip(images, labels, strict=True):
        image[label // 7 * 4 : label // 7 * 4 + 4, label % 7 * 4 : label % 7 * 4 + 4] = 255
    return images, labels


@pytest.fixture
def kmnist_folder(small, monkeypatch):
    monkeypatch.setenv("KUZUSHIJI_DATA", str(small.folder))
    monkeypatch.setenv("WANDB_MODE", "disabled")
    return small.folder


@pytest.fixture
def k49(isolated, monkeypatch, tmp_path):
    """A small Kuzushiji-49 that can be learned, in the official format and with the official names."""
    sizes = {"train": 500, "test": 120}
    release = Release("k49", tmp_path / "official_k49", monkeypatch, 49, sizes, readable)
    monkeypatch.setenv("KUZUSHIJI_DATA", str(release.folder))
    monkeypatch.setenv("WANDB_MODE", "disabled")
    return release


# Options


@pytest.mark.parametrize(("module", "theirs"), [(knn_kmnist, WANDB_KNN), (cnn_kmnist, WANDB_CNN)])
def test_names_and_defaults_are_those_of_the_wandb_scripts(module, theirs):
    parser = module.new_parser()
    options = parser.parse_args([])
    unsaid = {"data_home", "epochs", "num_classes"}  # depend on the machine, the recipe and the data; tested below
    assert {name: getattr(options, name) for name in theirs if name not in unsaid} == {
        name: value for name, value in theirs.items() if name not in unsaid
    }
    by_string = {string: action.dest for action in parser._actions for string in action.option_strings}
    for name in theirs:
        assert by_string[f"--{name}"] == name
    for letter, name in LETTERS.items():
        assert letter not in by_string or by_string[letter] == name
        assert letter in by_string or name not in theirs
    listed = {option.split("--")[1]: value for option, value in common.WANDB_OPTIONS[parser.prog].items()}
    assert listed == theirs


def test_epochs_and_classes_left_out_are_the_published_ones():
    for arguments, epochs, classes in (([], 12, 10), (["-e", "10"], 10, 10), (["--dataset", "k49"], 12, 49)):
        options = cnn_kmnist.new_parser().parse_args(arguments)
        cnn_kmnist.settle(options)
        assert (options.epochs, options.num_classes) == (epochs, classes)


@pytest.mark.parametrize("module", COMMANDS)
def test_help_documents_every_option(module):
    parser = module.new_parser()
    text = " ".join(parser.format_help().split())
    for action in parser._actions:
        assert action.help and action.option_strings[-1] in text
    if module is cnn_kmnist:
        assert "12 for simple, as published, where the W&B script had 10" in text


def answer(module, capfd, *arguments):
    """Run a command that must fail with status 2 and one line; returns the line."""
    try:
        status = module.main(list(map(str, arguments)))
    except SystemExit as stop:
        status = stop.code
    out, error = capfd.readouterr()
    assert status == 2 and error.count("\n") == 1 and error.startswith(f"{module.__name__}.py: ")
    assert "accuracy" not in out
    return error


@pytest.mark.parametrize(
    ("module", "arguments", "said"),
    [
        (knn_kmnist, "--data_home /no/such/folder", "--data_home /no/such/folder is not a folder"),
        (cnn_kmnist, "--data_home {tmp}", "lacks kmnist-train-imgs.npz, kmnist-train-labels.npz, kmnist-test-imgs.npz"),
        (cnn_kmnist, "--dataset k49 --data_home {tmp}", "lacks k49-train-imgs.npz"),
        (cnn_kmnist, "--num_classes 49", "--num_classes 49, but kmnist has 10"),
        (cnn_kmnist, "--dataset k49 --num_classes 10", "--num_classes 10, but k49 has 49"),
        (knn_kmnist, "-k 271", "--k_neighbors 271 is more than the 270 images to train on"),
        (knn_kmnist, "-k 0", "-k/--k_neighbors: 0 is not a whole number of 1 or more"),
        (knn_kmnist, "-k few", "few is not a whole number of 1 or more"),
        (knn_kmnist, "--pca 271", "--pca 271 is more than 270"),
        (knn_kmnist, "--pca 0", "0 is not a whole number of 1 or more"),
        (knn_kmnist, "--weights nearest", "invalid choice: 'nearest'"),
        (cnn_kmnist, "-e -3", "-e/--epochs: -3 is not a whole number of 1 or more"),
        (cnn_kmnist, "-b 0", "-b/--batch_size: 0 is not"),
        (cnn_kmnist, "--dropout_1 1.5", "--dropout_1: 1.5 is not a share from 0 to less than 1"),
        (cnn_kmnist, "--dropout_2 some", "some is not a share"),
        (cnn_kmnist, "--recipe resnet", "invalid choice: 'resnet'"),
        (cnn_kmnist, "--recipe residual --l1_size 8", "--l1_size belongs to --recipe simple"),
        (cnn_kmnist, "--dataset mnist", "invalid choice: 'mnist'"),
        (cnn_kmnist, "--seed -1", "--seed: -1 is not a whole number of 0 or more"),
        (cnn_kmnist, "--quick", "unrecognized arguments: --quick"),
        (cnn_kmnist, "--validation_images 300", "leaves none of the 300 training images to train on"),
        (cnn_kmnist, "--validate_on_test --validation_images 9", "leave --validation_images out"),
        (svm_kmnist, "--validation_images 0", "leaves nothing to choose C and gamma by"),
        (cnn_kmnist, "--json {tmp}/no/result.json", "--json {tmp}/no/result.json cannot be written"),
        (knn_kmnist, "--json {tmp}", "--json {tmp} is a folder"),
        (cnn_kmnist, "-m {tmp}/no/model", "--model_name {tmp}/no/model.keras cannot be written"),
        (knn_kmnist, "-m {tmp}/file/model", "--model_name {tmp}/file/model.joblib cannot be written"),
    ],
)
def test_a_bad_option_gets_one_line_and_status_2(kmnist_folder, tmp_path, capfd, module, arguments, said):
    (tmp_path / "file").touch()
    empty = tmp_path / "empty"
    empty.mkdir()
    where = empty if "data_home {tmp}" in arguments else tmp_path
    line = answer(module, capfd, *arguments.format(tmp=where).split())
    assert said.format(tmp=where) in line


def test_a_bad_file_gets_one_line(kmnist_folder, capfd):
    (kmnist_folder / "kmnist-test-imgs.npz").write_bytes(b"<html>")
    assert "is a web page" in answer(knn_kmnist, capfd)


@pytest.mark.parametrize("module", COMMANDS)
def test_eigenkana_are_refused(isolated, capfd, module):
    line = answer(module, capfd)
    assert "kmnist is not on this machine and no source answers" in line and "never measured on eigenkana" in line


def test_the_old_default_folder_wins_where_it_exists(kmnist_folder, monkeypatch, tmp_path, capfd):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dataset").mkdir()
    assert "dataset lacks kmnist-train-imgs.npz" in answer(knn_kmnist, capfd)
    for path in kmnist_folder.iterdir():
        path.rename(tmp_path / "dataset" / path.name)
    monkeypatch.setenv("KUZUSHIJI_DATA", "/no/such/folder")
    assert knn_kmnist.main([]) == 0


def test_quick_mode_is_refused(kmnist_folder, monkeypatch, capfd):
    monkeypatch.setenv("KUZUSHIJI_QUICK", "1")
    assert "KUZUSHIJI_QUICK=1 hands out a tenth of the images" in answer(knn_kmnist, capfd)


def test_ctrl_c_is_no_traceback(kmnist_folder, monkeypatch, capfd):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(common, "load", interrupt)
    assert knn_kmnist.main([]) == 130
    assert capfd.readouterr().err == "knn_kmnist.py: stopped; nothing was recorded\n"


# What is measured


@pytest.fixture
def real_shapes(monkeypatch):
    """The command is given 7,000 and 2,000 random images in place of the data set."""
    random = np.random.default_rng(0)

    def load(split, source, folder):
        n = {"train": 7000, "test": 2000}[split]
        return random.integers(0, 256, (n, 28, 28), dtype=np.uint8), (np.arange(n) % 10).astype(np.uint8)

    monkeypatch.setattr(common, "load_kmnist", load)
    monkeypatch.setattr(common, "data_home", lambda options: None)
    monkeypatch.setenv("WANDB_MODE", "disabled")


def loaded(*arguments):
    return common.load(cnn_kmnist.new_parser().parse_args(list(arguments)))


def test_validation_images_come_off_the_training_set(real_shapes):
    data = loaded()
    assert (len(data.part), len(data.validation), len(data.test[0])) == (6300, 700, 2000)
    assert sorted([*data.part, *data.validation]) == list(range(7000))
    images, labels = data.to_validate()
    assert np.array_equal(images, data.train[0][data.validation]) and len(labels) == 700
    assert np.array_equal(loaded("--seed", "5").validation, data.validation)
    assert data.validated_on == "700 training images kept aside"


def test_the_split_of_60000_is_that_of_notebook_03(monkeypatch):
    monkeypatch.setattr(common, "load_kmnist", lambda split, *_: (np.zeros((60000, 1)), np.zeros(60000, np.uint8)))
    monkeypatch.setattr(common, "data_home", lambda options: None)
    order = np.random.default_rng(0).permutation(60000)
    assert np.array_equal(loaded().validation, np.sort(order[:6000]))


def test_quick_run_and_no_validation_and_the_old_habit(real_shapes):
    data = loaded("--quick_run")
    assert (len(data.part), len(data.validation), len(data.test[0])) == (5400, 600, 1000)
    data = loaded("--validation_images", "0")
    assert len(data.part) == 7000 and data.to_validate() is None and data.validated_on == "nothing"
    data = loaded("--validate_on_test")
    assert len(data.part) == 7000 and data.to_validate() is data.test
    assert data.validated_on == "test images (the old habit)"


def test_balanced_accuracy_is_scikit_learns_and_the_loop_of_its_authors():
    from sklearn.metrics import balanced_accuracy_score

    random = np.random.default_rng(0)
    labels = random.choice(49, 5000, p=(weights := 0.2 + random.random(49)) / weights.sum())
    predicted = np.where(random.random(5000) < 0.7, labels, random.integers(0, 49, 5000))
    by_class = [np.mean(predicted[labels == label] == label) for label in range(49)]
    assert np.isclose(common.balanced_accuracy(labels, predicted), np.mean(by_class))
    assert np.isclose(common.balanced_accuracy(labels, predicted), balanced_accuracy_score(labels, predicted))
    assert common.balanced_accuracy(np.array([0, 0, 2]), np.array([0, 1, 2])) == 0.75


def test_neighbours_read_block_by_block_as_scikit_learn_does(kmnist_folder, small, monkeypatch, tmp_path, capfd):
    from sklearn.neighbors import KNeighborsClassifier

    monkeypatch.setattr(knn_kmnist, "BLOCK", 7)
    assert knn_kmnist.main(["--json", str(tmp_path / "r.json")]) == 0
    result = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    arrays = {key: array.reshape(len(array), -1) for key, array in small.arrays.items()}
    model = KNeighborsClassifier(4, weights="distance").fit(arrays["train", "images"], small.arrays["train", "labels"])
    expected = model.score(arrays["test", "images"], small.arrays["test", "labels"])
    assert result["value"] == expected and result["metric"] == "test accuracy"
    assert set(result["seconds"]) == {"training", "test"} and result["peak memory, MB"] > 50
    assert result["configuration"]["n_validation"] == 30 and 0 <= result["validation"] <= 1
    out = capfd.readouterr().out
    assert out.count("test accuracy: ") == 1 and "of the 30 training images kept aside" in out


@pytest.mark.parametrize("arguments", [[], ["--pca", "20", "--weights", "uniform"]])
def test_the_neighbours_that_were_saved_can_be_loaded(kmnist_folder, small, tmp_path, arguments):
    import joblib

    path = tmp_path / "neighbours.joblib"
    assert knn_kmnist.main(["-m", str(path.with_suffix("")), *arguments]) == 0
    model = joblib.load(path)
    images = small.arrays["train", "images"]
    assert np.array_equal(model.predict(knn_kmnist.flat(images[:5])), small.arrays["train", "labels"][:5]) or arguments


def test_the_machine_with_a_budget(kmnist_folder, monkeypatch, tmp_path, capfd):
    import joblib

    monkeypatch.setattr(svm_kmnist, "COMPONENTS", 10)
    monkeypatch.setattr(svm_kmnist, "COSTS", (1, 10))
    monkeypatch.setattr(svm_kmnist, "GAMMAS", (1,))
    assert svm_kmnist.main(["--json", str(tmp_path / "r.json"), "-m", str(tmp_path / "svm")]) == 0
    result = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    assert set(result["chosen"]) == {"C", "gamma, x scale"} and set(result["seconds"]) == {"search", "training", "test"}
    assert joblib.load(tmp_path / "svm.joblib").predict(np.zeros((1, 784))).shape == (1,)


def test_k49_neighbours_end_to_end(k49, tmp_path, capfd):
    assert sorted(contents(k49.folder)) == sorted(part.name for part in registry.PARTS["k49"].values())
    assert knn_kmnist.main(["--dataset", "k49", "-k", "1", "--json", str(tmp_path / "r.json")]) == 0
    result = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    assert result["metric"] == "test balanced accuracy" and result["value"] > 0.5
    assert "data: K49" in capfd.readouterr().out


# The networks


@pytest.fixture
def keras():
    import keras

    return keras


@pytest.mark.parametrize("recipe", ["simple", "residual"])
def test_the_network_that_was_saved_can_be_loaded(kmnist_folder, small, keras, tmp_path, capfd, recipe):
    path, result = tmp_path / "network.keras", tmp_path / "r.json"
    arguments = ["-e", "1", "-b", "64", "-m", str(path), "--json", str(result), "--recipe", recipe]
    assert cnn_kmnist.main(arguments) == 0
    model = keras.models.load_model(path)
    outputs = model.predict(small.arrays["test", "images"][..., None] / np.float32(255), verbose=0)
    stored = json.loads(result.read_text(encoding="utf-8"))
    assert np.isclose((outputs.argmax(axis=1) == small.arrays["test", "labels"]).mean(), stored["value"])
    assert model.count_params() == {"simple": 1_199_882, "residual": 409_322}[recipe]
    assert len(stored["history"]) == 1 and {"kmnist_val_acc", "val_loss", "loss"} <= set(stored["history"][0])
    out = capfd.readouterr().out
    assert out.count("test accuracy") == 1 and "epoch 1/1: " in out and "TEST images as validation" not in out


def test_the_old_habit_is_labelled(kmnist_folder, keras, capfd):
    assert cnn_kmnist.main(["-e", "1", "--l1_size", "2", "--l2_size", "2", "--validate_on_test"]) == 0
    out = capfd.readouterr().out
    assert "validated on test images (the old habit)" in out and "TEST images as validation" in out


def test_the_test_images_are_read_once(kmnist_folder, small, keras, monkeypatch):
    sizes, original = [], cnn_kmnist.read
    monkeypatch.setattr(cnn_kmnist, "read", lambda model, images: sizes.append(len(images)) or original(model, images))
    assert cnn_kmnist.main(["-e", "3", "--l1_size", "2", "--l2_size", "2"]) == 0
    assert sizes == [30, 30, 30, 20]


def test_the_validation_loss_is_keras_own(keras):
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (50, 28, 28), dtype=np.uint8)
    labels = np.arange(50) % 10
    data = common.Data("kmnist", (images, labels), None, np.arange(0), np.arange(50), False, ["x"] * 10)
    for recipe in ("simple", "residual"):
        options = cnn_kmnist.new_parser().parse_args(["--recipe", recipe])
        cnn_kmnist.settle(options)
        model, network = cnn_kmnist.new_model(options, 10)
        loss, accuracy = model.evaluate(images[..., None] / np.float32(255), np.eye(10)[labels], verbose=0)
        found = cnn_kmnist.validation(data, network, model.loss)()
        assert np.isclose(found["val_loss"], loss, atol=1e-3) and np.isclose(found["val_accuracy"], accuracy)


@pytest.mark.parametrize(("recipe", "study"), [("simple", "baseline"), ("residual", "final")])
def test_a_recipe_trains_as_the_study_did_whose_row_stands_in_the_table(recipe, study):
    options = cnn_kmnist.new_parser().parse_args(["--recipe", recipe])
    cnn_kmnist.settle(options)
    assert {json.dumps(row["parameters"]) for row in report.found(study, study)} == {
        json.dumps(cnn_kmnist.settings(options, 60000))
    }


# Weights & Biases


def records(path):
    """The records of a .wandb file: a header of seven bytes, then LevelDB's log format."""
    from wandb.proto import wandb_internal_pb2

    data = Path(path).read_bytes()
    assert data[:4] == b":W&B"
    position, block, whole = 7, 32768, b""
    while position + 7 <= len(data):
        if block - position % block < 7:
            position += block - position % block
            continue
        checksum, length, kind = struct.unpack("<IHB", data[position : position + 7])
        piece = data[position + 7 : position + 7 + length]
        assert zlib.crc32(data[position + 6 : position + 7] + piece) == checksum
        position += 7 + length
        whole = piece if kind in (1, 2) else whole + piece  # full or first, else middle or last
        if kind in (1, 4):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(whole)
            yield record


def read_back(folder):
    """Configuration, history (a list of dictionaries) and summary of the one offline run in a folder."""
    import wandb

    wandb.teardown()  # what the end of a process does: everything is written then
    (path,) = Path(folder).glob("wandb/offline-run-*/run-*.wandb")
    configuration, history, summary = {}, [], {}

    def items(found):
        return {"/".join(item.nested_key) or item.key: json.loads(item.value_json) for item in found}

    for record in records(path):
        kind = record.WhichOneof("record_type")
        if kind == "run":
            configuration |= items(record.run.config.update)
        elif kind == "config":
            configuration |= items(record.config.update)
        elif kind == "history":
            history.append(items(record.history.item))
        elif kind == "summary":
            summary |= items(record.summary.update)
    return configuration, history, summary


@pytest.fixture
def wandb(monkeypatch, tmp_path):
    """The real package, writing to this test's folder, with no login."""
    package = pytest.importorskip("wandb")
    for name in ("WANDB_MODE", "WANDB_API_KEY", "WANDB_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    for name in ("WANDB_DIR", "WANDB_CONFIG_DIR", "WANDB_CACHE_DIR", "WANDB_DATA_DIR", "HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    yield package
    package.teardown()


def test_an_offline_run_is_read_back(k49, keras, wandb, monkeypatch, tmp_path):
    monkeypatch.delenv("WANDB_MODE", raising=False)
    arguments = ["-q", "--dataset", "k49", "-e", "2", "--l1_size", "4", "--l2_size", "4", "-m", str(tmp_path / "kana")]
    assert cnn_kmnist.main([*arguments, "--json", str(tmp_path / "r.json")]) == 0
    configuration, history, summary = read_back(tmp_path)
    expected = {"model_type": "cnn", "dataset": "k49", "num_classes": 49, "epochs": 2, "batch_size": 128, "n_test": 120}
    assert {name: configuration[name] for name in expected} == expected
    epochs = [row for row in history if "k49_val_acc" in row]
    stored = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    assert [row["epoch"] for row in epochs] == [1, 2]
    for row, kept in zip(epochs, stored["history"], strict=True):
        assert row["k49_val_acc"] == pytest.approx(kept["k49_val_acc"], abs=1e-4)
    assert {"loss", "accuracy", "val_loss", "val_accuracy"} <= set(epochs[0])
    (captions,) = (row["examples/captions"] for row in history if "examples/captions" in row)
    classmap = load_classmap("k49")
    assert [caption.split(",")[0].split()[0] for caption in captions] == list(classmap["char"]) and len(captions) == 49
    assert any(caption.startswith("め me, read as ") for caption in captions)
    assert any(caption.startswith("も mo, read as ") for caption in captions)
    assert summary["k49_test_acc"] == pytest.approx(stored["value"], abs=1e-5)


def test_neighbours_log_the_benchmarks_measure(kmnist_folder, wandb, monkeypatch, tmp_path):
    monkeypatch.delenv("WANDB_MODE", raising=False)
    assert knn_kmnist.main(["-q", "--json", str(tmp_path / "r.json")]) == 0
    configuration, history, _ = read_back(tmp_path)
    assert (configuration["k_neighbors"], configuration["weights"]) == (4, "distance")
    stored = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    (validation,) = (row["kmnist_val_acc"] for row in history if "kmnist_val_acc" in row)
    assert validation == pytest.approx(stored["validation"], abs=1e-5)
    (captions,) = (row["examples/captions"] for row in history if "examples/captions" in row)
    assert captions[8].startswith("れ re, read as ") and len(captions) == 10
    assert len(list(tmp_path.glob("wandb/offline-run-*/files/media/images/examples_*.png"))) == 10


def test_without_a_login_it_says_so_and_goes_on(kmnist_folder, wandb, monkeypatch, tmp_path, capfd):
    monkeypatch.delenv("WANDB_MODE", raising=False)
    assert knn_kmnist.main([]) == 0
    out = capfd.readouterr().out
    assert "W&B: no login on this machine" in out and "test accuracy: " in out
    assert not list(tmp_path.glob("wandb/*run-*"))


def test_without_the_package_it_says_so_and_goes_on(kmnist_folder, monkeypatch, capfd):
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.setitem(sys.modules, "wandb", None)
    assert knn_kmnist.main(["-q"]) == 0
    out = capfd.readouterr().out
    assert "W&B: the package wandb is not installed" in out and "test accuracy: " in out


# The suite, its tables and its figure


@pytest.fixture
def recorded(monkeypatch, tmp_path):
    """A results file of the studies' rows alone; the data are taken for the real ones."""
    rows = [row for row in studies.rows() if row["study"] != "benchmarks"]
    path = tmp_path / "results.json"
    path.write_text(json.dumps(rows), encoding="utf-8")
    monkeypatch.setattr(studies, "RESULTS", path)
    monkeypatch.setattr(studies, "check_data", lambda: None)
    monkeypatch.setattr(suite, "build_folder", lambda: tmp_path)
    return path


@pytest.fixture
def calls(monkeypatch):
    """Every command that the suite runs, in order; none runs really, each writes what it was asked for."""
    ran = []

    def call(command, env):
        assert Path(command[1]).exists() and env["WANDB_MODE"] == "disabled"
        ran.append(" ".join([Path(command[1]).name, *command[2:]]).partition(" --json")[0])
        if "--json" in command:
            seconds = {"training": 1.0 + len(ran), "test": 2.0}
            result = {"metric": "test accuracy", "value": 0.9, "validation": None, "seconds": seconds}
            result |= {"peak memory, MB": 500, "versions": {"numpy": "2"}}
            Path(command[-1]).write_text(json.dumps(result), encoding="utf-8")
        return 0

    monkeypatch.setattr(subprocess, "call", call)
    return ran


SCRIPTS = [f"{study}.py" for study in suite.STUDIES]


def test_the_suite_runs_each_command_once_and_leaves_the_rest_to_the_studies(recorded, calls, capfd):
    assert suite.main() == 0
    assert calls == [*suite.COMMANDS.values(), *SCRIPTS]
    calls.clear()
    assert suite.main() == 0
    assert calls == SCRIPTS and "4 nearest neighbours: finished before" in capfd.readouterr().out
    assert [len(row["values"]) for row in report.measured()] == [1, 1, 1, 1, 3, 3]
    for row in studies.rows("benchmarks"):
        assert (row["seed"], row["test seconds"], row["machine"]) == (0, 2.0, studies.machine())


def test_an_interrupted_suite_goes_on_where_it_was(recorded, calls, monkeypatch):
    call = subprocess.call

    def stops(command, env):
        if len(calls) == 2:
            raise KeyboardInterrupt
        return call(command, env)

    monkeypatch.setattr(subprocess, "call", stops)
    assert suite.main() == 130
    monkeypatch.setattr(subprocess, "call", call)
    assert suite.main() == 0
    assert calls == [*suite.COMMANDS.values(), *SCRIPTS]


def test_a_command_that_fails_stops_the_suite(recorded, monkeypatch, capfd):
    monkeypatch.setattr(suite, "COMMANDS", {"bad": "knn_kmnist.py -k 0"})
    assert suite.main() == 2 and studies.rows("benchmarks") == []
    assert re.search(r"knn_kmnist.py -k 0 --json \S+ ended with status 2; finished rows", capfd.readouterr().err)


def test_every_recorded_study_has_its_script_and_every_command_good_options():
    scripts = {re.search(r"benchmarks/\w+\.py", row["command"]) for row in studies.rows() if row["study"] != "ladder"}
    scripts = {match[0] for match in scripts if match}
    assert len(scripts) >= len(suite.STUDIES)
    assert [script for script in scripts if not (CHECKOUT / script).exists()] == []
    for command in suite.COMMANDS.values():
        script, *options = command.split()
        {f"{module.__name__}.py": module for module in COMMANDS}[script].new_parser().parse_args(options)
    assert [row.name for row in report.ROWS if row.study == "benchmarks"] == list(suite.COMMANDS)
    assert {row.published for row in report.ROWS if row.published} <= {name for name, _, _ in report.PUBLISHED}


def documents():
    return [path.read_text(encoding="utf-8") for path in report.DOCUMENTS]


def test_documents_figure_and_results_agree():
    assert report.rendered(documents()) == documents(), "run `python benchmarks/report.py`"
    assert report.drawn_digest() == report.digest(), "run `python benchmarks/report.py`"


@pytest.mark.parametrize(("metric", "written"), [("trustworthiness", "0.123"), ("test accuracy", "12.35")])
def test_a_changed_result_would_be_noticed(monkeypatch, metric, written):
    rows, before = studies.rows(), report.digest()
    for row in rows:
        if row["metric"] == metric:
            row["value"] = 0.12345
    monkeypatch.setattr(studies, "rows", lambda study: [row for row in rows if row["study"] == study])
    assert written in "".join(report.rendered(documents())) and documents() != report.rendered(documents())
    assert (report.digest() != before) == (metric == "test accuracy")


def test_a_table_without_its_place_is_named():
    with pytest.raises(ValueError, match="0 places .* <!-- results: maps -->"):
        report.rendered([text.replace("results: maps", "results: map") for text in documents()])


def test_rows_that_a_changed_study_left_behind_are_named(monkeypatch):
    row = {"method": "m", "metric": "test accuracy", "seed": 0}
    monkeypatch.setattr(studies, "rows", lambda study: [row | {"parameters": {"epochs": n}} for n in (1, 2)])
    with pytest.raises(ValueError, match="2 settings of s, m: take the old rows out"):
        report.found("s", "m")


def test_a_table_says_on_which_machine_its_seconds_were_taken():
    here, there, never = ([{"seconds": s, "machine": m}] for s, m in ((1, "here"), (2, "there"), (None, "nowhere")))
    assert report.timed_on({"a": here, "b": here, "c": never}) == "\n\nMachine of the seconds: here."
    assert report.timed_on({"a": here, "b": there, "c": here}).endswith("one alone. a, c: here; b: there.")
    assert report.timed_on({"c": never}) == ""


def test_the_figure_is_the_same_again_and_says_what_it_shows():
    from PIL import Image

    picture = report.draw()
    assert picture == report.draw()
    assert Image.open(io.BytesIO(picture)).info["data"] == report.digest()


def test_the_old_release_is_marked_wherever_it_stands():
    old = [f"{value[0]:.2f}" for _, *values in report.PUBLISHED for value in values if value and value[1] == report.OLD]
    assert len(old) == 10
    assert all(f"| {figure}\\* |" in report.published_table() for figure in old)
    assert "\\*" not in report.measured_table()


# The files we write, read by others


def test_the_data_sets_own_scripts_read_our_npz(kmnist_folder, small, tmp_path):
    assert kuzushiji_command(["download", "kmnist", "--to", str(tmp_path / "to")]) == 0
    names = ["kmnist-train-imgs.npz", "kmnist-test-imgs.npz", "kmnist-train-labels.npz", "kmnist-test-labels.npz"]
    assert sorted(names) == sorted(contents(tmp_path / "to"))
    for key, part in registry.PARTS["kmnist"].items():
        assert np.array_equal(np.load(tmp_path / "to" / part.name)["arr_0"], small.arrays[key])


def test_a_reader_of_mnists_files_reads_our_idx(kmnist_folder, small, tmp_path):
    import mnist

    assert kuzushiji_command(["download", "kmnist", "--format", "idx", "--to", str(tmp_path)]) == 0
    reader = mnist.MNIST(str(tmp_path), return_type="numpy", gz=True)
    for split, (images, labels) in {"train": reader.load_training(), "test": reader.load_testing()}.items():
        assert np.array_equal(images.reshape(-1, 28, 28), small.arrays[split, "images"])
        assert np.array_equal(labels, small.arrays[split, "labels"])
