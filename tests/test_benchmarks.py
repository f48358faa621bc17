"""The benchmark commands: what they measure, log, save and refuse; the suite that runs them; tables and figure."""

import json
import os
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import cnn_kmnist
import common
import joblib
import knn_kmnist
import numpy as np
import pytest
import report
import suite
import svm_kmnist
import trainings
from conftest import CHECKOUT, Release
from PIL import Image

from kuzushiji import DataError, load_classmap, studies


def readable(n, classes, random):
    """`n` images that say their class by the places of two strokes, as images and labels."""
    labels, images = np.arange(n) % classes, random.integers(1, 32, (n, 28, 28))
    images[np.arange(n), labels // 7 * 4 + 1] = 255
    images[np.arange(n), :, labels % 7 * 4 + 1] = 255
    return images, labels


@pytest.fixture
def arrays(isolated, monkeypatch, tmp_path):
    """A small KMNIST and K49 that can be learned, as official files; {("train", "images"): array} of KMNIST."""
    monkeypatch.setenv("WANDB_MODE", "disabled")
    monkeypatch.setenv("KUZUSHIJI_DATA", str(tmp_path / "official"))
    Release("k49", tmp_path / "official", monkeypatch, 49, {"train": 500, "test": 120}, readable)
    return Release("kmnist", tmp_path / "official", monkeypatch, 10, make=readable).arrays


def measured(module, tmp_path, arguments=""):
    module.main([*arguments.split(), "--json", str(tmp_path / "result.json")])
    return json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("module", "theirs"), [(knn_kmnist, report.WANDB_KNN), (cnn_kmnist, report.WANDB_CNN)])
def test_names_and_defaults_are_those_of_the_wandb_scripts(module, theirs):
    ours = {"/".join(action.option_strings): action.default for action in module.new_parser()._actions}
    for option, value in theirs.items():  # three depend on the machine, the recipe and the data
        assert ours[option] == (None if option in ("--data_home", "-e/--epochs", "--num_classes") else value)
    for recipe, study in (("simple", "baseline"), ("residual", "final")):  # whose rows stand in the table
        assert {row["parameters"]["epochs"] for row in report.found(study, study)} == {cnn_kmnist.EPOCHS[recipe]}


@pytest.mark.parametrize(
    ("module", "arguments", "said"),
    [
        (knn_kmnist, "-k 0", "0 is not a whole number of 1 or more"),
        (cnn_kmnist, "--validate_on_test --validation_images 9", "not allowed with"),
        (cnn_kmnist, "--recipe residual --l1_size 8", "--l1_size belongs to --recipe simple"),
        (cnn_kmnist, "--validation_images 300", "leaves none of the 300 training images"),
        (svm_kmnist, "--validation_images 0", "leaves nothing"),
        (knn_kmnist, "--data_home /no/such/folder", "/no/such/folder"),
    ],
)
def test_a_bad_option_is_named_before_anything_is_measured(arrays, capfd, module, arguments, said):
    with pytest.raises((SystemExit, DataError)) as refused:
        module.main(arguments.split())
    out, error = capfd.readouterr()
    assert said in error + str(refused.value) and "accuracy" not in out


@pytest.mark.parametrize(("error", "status"), [(DataError("two\nlines"), 2), (KeyboardInterrupt(), 130)])
def test_a_script_ends_with_one_line_and_a_status(capsys, error, status):
    with pytest.raises(SystemExit) as end:
        common.run(Mock(side_effect=error))
    assert end.value.code == status and capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("module", [knn_kmnist, svm_kmnist, cnn_kmnist])
def test_eigenkana_and_quick_mode_are_refused(isolated, monkeypatch, module):
    for quick, said in (("0", "kmnist"), ("1", "KUZUSHIJI_QUICK")):
        monkeypatch.setenv("KUZUSHIJI_QUICK", quick)
        with pytest.raises(DataError, match=said):
            module.main([])


@pytest.mark.parametrize(
    ("arguments", "aside"),
    [("", 6000), ("--quick_run", 600), ("--validation_images 0", 0), ("--validate_on_test", 0)],
)
def test_validation_images_come_off_the_training_set(monkeypatch, arguments, aside):
    rows = {"train": np.arange(60000), "test": np.arange(60000, 70000)}
    monkeypatch.setattr(common, "load_kmnist", lambda split, *_: (rows[split], rows[split]))
    data = common.Data(knn_kmnist.new_parser().parse_args(["--seed", "5", *arguments.split()]))
    order = np.random.default_rng(0).permutation(len(data.train[0]))  # as in notebook 03, whatever the seed
    assert np.array_equal(data.part, [np.sort(order[aside:])] * 2)
    assert (len(order), len(data.test[0])) == ((6000, 1000) if "quick" in arguments else (60000, 10000))
    assert np.array_equal(data.validation, data.test if "on_test" in arguments else [np.sort(order[:aside])] * 2)


@pytest.mark.parametrize(("dataset", "score"), [("kmnist", 2 / 3), ("k49", 0.75)])
def test_kuzushiji_49_is_scored_by_the_mean_over_the_classes_that_have_test_images(arrays, dataset, score):
    data = common.Data(knn_kmnist.new_parser().parse_args(["--dataset", dataset]))
    assert np.isclose(data.score(np.array([0, 0, 2]), np.array([0, 1, 2])), score)


@pytest.mark.parametrize("arguments", ["", "--pca 20 --weights uniform"])
def test_neighbours_are_those_of_the_training_images_alone(arrays, tmp_path, arguments):
    result = measured(knn_kmnist, tmp_path, f"-m {tmp_path}/model {arguments}")
    model = joblib.load(tmp_path / "model.joblib")
    train, test = (common.flat(arrays[split, "images"]) for split in ("train", "test"))
    assert model.score(test, arrays["test", "labels"]) == result["value"] and result["metric"] == "test accuracy"
    if arguments:
        assert np.allclose(model[0].mean_, train.mean(axis=0), atol=1e-3)
        train, model = model[0].transform(train), model[1]
    assert np.allclose(model._fit_X, train, atol=0.1)
    assert result["configuration"]["n_validation"] == 30 and 0 <= result["validation"] <= 1


def test_the_support_vector_machine_takes_the_best_pair(arrays, monkeypatch, tmp_path):
    monkeypatch.setattr(svm_kmnist, "COSTS", (1e-9, 10))
    monkeypatch.setattr(svm_kmnist, "GAMMAS", (1e9, 1))
    result = measured(svm_kmnist, tmp_path, f"-m {tmp_path}/model")
    assert result["chosen"] == {"C": 10, "gamma, x scale": 1} and result["value"] > 0.9
    model = joblib.load(tmp_path / "model.joblib")
    assert model.score(svm_kmnist.scaled(arrays["test", "images"]), arrays["test", "labels"]) == result["value"]


@pytest.mark.parametrize("recipe", ["simple", "residual"])
def test_a_network_is_trained_on_its_part_alone_and_can_be_loaded(arrays, monkeypatch, tmp_path, recipe):
    trained, read, fit, outputs_of = [], [], trainings.fit, trainings.outputs_of
    monkeypatch.setattr(trainings, "fit", lambda *given, **more: trained.append(given[1]) or fit(*given, **more))
    monkeypatch.setattr(trainings, "outputs_of", lambda *given: read.append(len(given[1])) or outputs_of(*given))
    result = measured(cnn_kmnist, tmp_path, f"-e 2 -b 64 --recipe {recipe} -m {tmp_path}/network")
    aside = np.sort(np.random.default_rng(0).permutation(300)[:30])
    assert np.array_equal(trained[0].images, np.delete(arrays["train", "images"], aside, axis=0))
    assert read == [30, 30, 20]  # the test images once
    model = trainings.keras.models.load_model(tmp_path / "network.keras")
    sizes = {"simple": 1_199_882, "residual": trainings.residual_network().count_params()}  # the first as published
    assert model.count_params() == sizes[recipe]
    assert np.isclose(trainings.accuracy(model, arrays["test", "images"], arrays["test", "labels"]), result["value"])
    assert len(result["history"]) == 2 and result["validation"] == result["history"][-1]["kmnist_val_acc"]


@pytest.fixture
def logged(monkeypatch, tmp_path):
    """The runs that wandb itself starts, offline in this test's folder: (run, what it was given, its summary)."""
    wandb = pytest.importorskip("wandb", reason="needs the package wandb: make setup-dev")
    for name in (name for name in os.environ if name.startswith("WANDB_")):
        monkeypatch.delenv(name)
    for name in ("WANDB_DIR", "WANDB_CONFIG_DIR", "WANDB_CACHE_DIR", "WANDB_DATA_DIR", "HOME", "NETRC"):
        monkeypatch.setenv(name, str(tmp_path))
    runs, log, finish = {}, wandb.Run.log, wandb.Run.finish
    monkeypatch.setattr(wandb.Run, "log", lambda run, row: runs.setdefault(run, []).append(row) or log(run, row))
    monkeypatch.setattr(wandb.Run, "finish", lambda run: runs[run].append(dict(run.summary)) or finish(run))
    yield runs
    wandb.teardown()


def test_a_network_logs_what_its_file_says(arrays, logged, tmp_path):
    result = measured(cnn_kmnist, tmp_path, "-q --dataset k49 -e 2 --l1_size 2 --l2_size 2")
    ((run, (*epochs, last, summary)),) = logged.items()
    assert run.settings.mode == "offline" and dict(run.config) == result["configuration"]
    for number, (row, kept) in enumerate(zip(epochs, result["history"], strict=True), 1):
        assert row == pytest.approx({"epoch": number} | kept, abs=1e-5)
    assert {"loss", "accuracy", "val_loss", "val_accuracy", "k49_val_acc"} <= set(epochs[0])
    assert summary["k49_test_acc"] == pytest.approx(result["value"], abs=1e-5)
    captions = [image._caption for image in last["examples"]]
    assert [caption[0] for caption in captions] == list(load_classmap("k49")["char"])
    assert captions[33].startswith("め me, read as ") and result["metric"] == "test balanced accuracy"


def test_neighbours_log_what_their_file_says_and_go_on_without_a_login(arrays, logged, tmp_path, capfd):
    result = measured(knn_kmnist, tmp_path, "-q")
    ((run, (row, examples, summary)),) = logged.items()
    assert dict(run.config) == result["configuration"] and len(examples["examples"]) == 10
    logged = [row["kmnist_val_acc"], summary["kmnist_test_acc"]]
    assert logged == pytest.approx([result["validation"], result["value"]], abs=1e-5)
    knn_kmnist.main([])  # without -q
    assert "W&B: no login on this machine" in capfd.readouterr().out


def test_without_the_package_it_says_so_and_goes_on(arrays, monkeypatch, tmp_path, capfd):
    monkeypatch.delenv("WANDB_MODE")
    monkeypatch.setitem(sys.modules, "wandb", None)
    assert measured(knn_kmnist, tmp_path, "-q")["value"] > 0.5
    assert "W&B: the package wandb is not installed" in capfd.readouterr().out


@pytest.fixture
def calls(monkeypatch, tmp_path):
    """Every command that the suite runs, in order; none runs really, the third is stopped, the fourth fails."""
    ran = []
    monkeypatch.setattr(studies, "RESULTS", tmp_path / "results.json")
    monkeypatch.setattr(studies, "bundled", lambda name: tmp_path / "none")
    monkeypatch.setattr(studies, "check_data", lambda: None)
    monkeypatch.setattr(common, "BUILD", tmp_path)

    def call(command, env):
        ran.append(" ".join([Path(command[1]).name, *command[2:]]).partition(" --json")[0])
        if "--json" in command:
            result = {"metric": "test accuracy", "value": 0.9, "validation": None, "versions": []}
            common.write_json(command[-1], result | {"peak memory, MB": 5, "seconds": {"training": 1.0, "test": 2.0}})
        return {3: 130, 4: 1}.get(len(ran), 0)

    monkeypatch.setattr(subprocess, "call", call)
    return ran


def test_the_suite_goes_on_where_it_was_stopped_and_runs_each_command_once(calls):
    commands, scripts = list(suite.COMMANDS.values()), [f"{study}.py" for study in suite.STUDIES]
    assert all((CHECKOUT / "benchmarks" / script).exists() for script in scripts)
    with pytest.raises(KeyboardInterrupt):
        suite.main()
    with pytest.raises(DataError, match=r"knn_kmnist.py --pca 60 --json \S+ ended with status 1"):
        suite.main()
    suite.main()
    assert calls == [*commands[:3], commands[2], *commands[2:], *scripts]
    suite.main()
    assert calls[-len(scripts) - 1 :] == [scripts[-1], *scripts]
    assert [(row["seconds"], row["test seconds"]) for row in studies.rows("benchmarks")] == [(1.0, 2.0)] * len(commands)


DOCUMENTS = [path.read_text(encoding="utf-8") for path in report.DOCUMENTS]


def test_documents_figure_and_results_agree():
    assert report.rendered(DOCUMENTS) == DOCUMENTS, "run `python benchmarks/report.py`"
    assert Image.open(report.FIGURE).info["data"] == report.digest(), "run `python benchmarks/report.py`"
    assert report.draw() == report.draw()


def test_a_table_without_its_place_and_rows_that_a_changed_study_left_behind_are_named(monkeypatch):
    with pytest.raises(ValueError, match="0 places .* <!-- results: maps -->"):
        report.rendered([text.replace("results: maps", "results: map") for text in DOCUMENTS])
    row = {"method": "m", "metric": "test accuracy", "seed": 0}
    monkeypatch.setattr(studies, "rows", lambda study: [row | {"parameters": {"epochs": n}} for n in (1, 2)])
    with pytest.raises(ValueError, match="2 settings of s, m: take the old rows out"):
        report.found("s", "m")
