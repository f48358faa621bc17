"""The records of the studies, and what all studies do: what is written, what is refused, what is not run again."""

import ast
import json
import subprocess
import sys
from unittest.mock import Mock

import ablation
import common
import numpy as np
import pytest
import trainings

from kuzushiji import DataError, studies
from kuzushiji.paths import CHECKOUT

ROW = {"method": "m", "parameters": {"epochs": 3}, "metric": "test accuracy", "seed": 0, "value": 0.5, "seconds": 2.0}
RUN = ("m", {"epochs": 3}, 0)


@pytest.fixture
def results(monkeypatch, tmp_path):
    """An empty file of results, on what passes for the real data."""
    monkeypatch.setattr(studies, "RESULTS", tmp_path / "results.json")
    monkeypatch.setattr(studies, "bundled", lambda name: tmp_path / "none")
    monkeypatch.setattr(studies, "kmnist_source", lambda: "kmnist")
    monkeypatch.setattr(common, "BUILD", tmp_path)
    return tmp_path / "results.json"


def test_a_row_is_written_with_all_that_repeats_it_and_replaces_the_one_it_repeats(results, capsys):
    studies.record("mine", "python benchmarks/mine.py", [ROW, {**ROW, "seed": 1, "value": 0.7}], ["numpy"])
    studies.record("mine", "python benchmarks/mine.py", [{**ROW, "value": 0.6}], ["numpy"])
    studies.record("other", "python benchmarks/other.py", [ROW])
    table = studies.recorded("mine")
    assert table["value"].tolist() == [0.6, 0.7] and table["seconds"].tolist() == [2.0, 2.0]
    assert table["versions"][0] == {"numpy": np.__version__} and len(studies.rows()) == 3
    parts, label = ("'mine'", "seeds 0, 1", studies.machine(), table["date"][0], "mine.py"), capsys.readouterr().out
    assert [part for part in parts if part not in label] == []
    with pytest.raises(KeyError, match="no study 'yours' is recorded, expected one of mine, other"):
        studies.recorded("yours")


@pytest.mark.parametrize(("quick", "source"), [("0", "eigenkana"), ("1", "kmnist")])
def test_only_the_whole_real_data_are_recorded(results, monkeypatch, quick, source):
    monkeypatch.setenv("KUZUSHIJI_QUICK", quick)
    monkeypatch.setattr(studies, "kmnist_source", lambda: source)
    for refused in (lambda: studies.record("mine", "", [ROW]), lambda: studies.missing("mine", [RUN])):
        with pytest.raises(DataError, match="never recorded"):
            refused()


def test_a_study_runs_what_is_missing_and_keeps_what_was_finished_before_it_was_stopped(results):
    runs = [RUN, ("m", {"epochs": 4}, 0), ("m", {"epochs": 3}, 1), ("n", {"epochs": 3}, 0)]
    measured = []

    def measure(*run):
        common.state_folder(*run).mkdir(parents=True, exist_ok=True)
        measured.append(run)
        if len(measured) == 3:
            raise KeyboardInterrupt
        return common.rows_of({"accuracy": 0.98765}, 1.26)

    with pytest.raises(KeyboardInterrupt):
        common.run_study("mine", runs, measure, ["numpy"])
    assert len(studies.rows("mine")) == 2 and len({common.state_folder(*run) for run in runs}) == 4
    assert list((results.parent / "trainings").iterdir()) == [common.state_folder(*runs[2])]
    assert common.run_study("mine", runs, measure, ["numpy"]) == runs[2:] and measured == [*runs[:3], *runs[2:]]
    assert {(row["value"], row["seconds"]) for row in studies.rows("mine")} == {(0.9877, 1.3)}


def test_a_finished_study_knows_it_before_it_loads_a_large_library():
    code = "import sys, maps, neighbours, baseline, final, sprint\n"
    code += "[study.main() for study in (maps, neighbours, baseline, final, sprint)]\n"
    code += "assert not {'umap', 'openTSNE', 'keras', 'tensorflow'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT / "benchmarks", check=True)


@pytest.mark.parametrize("name", ["baseline", "sprint", "final"])
def test_a_training_is_recorded_with_its_history_and_ships_what_it_should(results, monkeypatch, tmp_path, name):
    script, random = __import__(name), np.random.default_rng(0)
    images, labels = random.integers(0, 256, (40, 28, 28), dtype=np.uint8), random.integers(0, 10, 40)
    for module in (trainings, script):
        monkeypatch.setattr(module, "load_kmnist", lambda split: (images, labels), raising=False)
    settings = {"learning_rate": 1.0, "epochs": 2, "batch_size": 20, "images": 30}
    runs = [("final, on 54,000", settings, 0), *(("final", settings | {"images": 40}, seed) for seed in (0, 1))]
    monkeypatch.setattr(script, "RUNS", runs, raising=False)
    monkeypatch.setattr(script, "DATA", tmp_path, raising=False)
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    script.main()
    rows = [row for row in studies.rows(name) if row["metric"] == "test accuracy"]
    assert {0, 1} <= {row["seed"] for row in rows} and all(len(row["history"]) == 2 for row in rows)
    if name == "final":
        assert {row["metric"] for row in studies.rows(name)} >= {"validation accuracy", "temperature"}
        with np.load(tmp_path / "validation_logits.npz") as stored:
            assert stored["logits"].shape == (4, 10) and np.array_equal(stored["labels"], labels[stored["rows"]])
            checked = trainings.keras.models.load_model(tmp_path / "kmnist_cnn_54000.keras")
            assert np.allclose(trainings.outputs_of(checked, images[stored["rows"]]), stored["logits"], atol=1e-4)
        shipped = trainings.keras.models.load_model(tmp_path / "kmnist_cnn.keras")
        recorded = {row["seed"]: row["value"] for row in rows if row["method"] == "final"}
        assert trainings.accuracy(shipped, images, labels) == pytest.approx(recorded[0], abs=0.05)  # of 40; in 32 bits
        assert json.loads((tmp_path / "kmnist_cnn.json").read_text())["test accuracy by seed"] == [*recorded.values()]


def test_an_ablation_goes_on_within_a_row(results, monkeypatch):
    images, labels = np.zeros((40, 28, 28), np.uint8), np.arange(40) % 10
    for module in (trainings, ablation):
        monkeypatch.setattr(module, "load_kmnist", lambda split: (images, labels))
    recipe = ablation.METHODS["baseline with augmentation"] | {"epochs": 2, "batch_size": 20}
    monkeypatch.setattr(ablation, "RUNS", [("baseline with augmentation", recipe, 0)])
    read = Mock(side_effect=[0.1, KeyboardInterrupt, 0.2, 0.3, 0.4])  # stopped in the second epoch
    monkeypatch.setattr(trainings, "accuracy", read)
    with pytest.raises(KeyboardInterrupt):
        ablation.main()
    assert studies.rows("ablation") == []
    ablation.main()
    test, validation = studies.rows("ablation")
    assert [epoch["validation accuracy"] for epoch in test["history"]] == [0.1, 0.2]
    assert (test["value"], validation["value"], test["weights"]) == (0.3, 0.4, 1_199_882)
    ablation.main()
    assert read.call_count == 5


def test_another_backend_than_the_studys_is_refused(monkeypatch):
    monkeypatch.setattr(trainings.keras.backend, "backend", lambda: "jax")
    with pytest.raises(DataError, match="recorded on tensorflow, and Keras runs on jax: set KERAS_BACKEND=tensorflow"):
        trainings.trained("baseline", {"batch_size": 128, "epochs": 1}, 0, None)


def functions(source):
    """The functions that a source defines at its top, by name, without docstrings, as comparable text."""
    found = {node.name: node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)}
    for node in found.values():
        node.body = node.body[ast.get_docstring(node) is not None :]
    return {name: ast.dump(node) for name, node in found.items()}


SHARED = """
maps 02 t_sne u_map nearest_rows sampled_quality distances_of global_order ten_nn quality foreign_land
neighbours 02 pca_and_neighbours accuracy_of_samples
eigenkana 02 shapes_of directions_of fit_mixture in_bytes
final 03 split surprise fit_temperature
trainings 03 one_cycle
degradations 04 scan turned scaled noisy coloured uneven_light as_jpeg plain share_read measure
unknowns 04 printed variants features_and_logits on_unit_sphere scores auroc standard_error
"""


@pytest.mark.parametrize("line", SHARED.split("\n")[1:-1])
def test_a_study_measures_as_its_notebook_teaches(line):  # script, number of the notebook, functions in both
    script, number, *names = line.split()
    (notebook,) = (CHECKOUT / "notebooks").glob(f"{number}_*.ipynb")
    cells, taught = json.loads(notebook.read_text(encoding="utf-8"))["cells"], {}
    for cell in cells:
        taught |= functions("".join(cell["source"])) if cell["cell_type"] == "code" else {}
    used = functions((CHECKOUT / "benchmarks" / f"{script}.py").read_text(encoding="utf-8"))
    assert {name: taught[name] for name in names} == {name: used.get(name) for name in names}
