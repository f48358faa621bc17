"""The records of the studies, and the studies themselves: what is written, what is refused, what is not run again."""

import ast
import json
from pathlib import Path

import numpy as np
import pytest

import kuzushiji
from kuzushiji import DataError, studies

ROOT = Path(__file__).resolve().parent.parent
ROW = {"method": "m", "parameters": {"epochs": 3}, "metric": "test accuracy", "seed": 0, "value": 0.5, "seconds": 2.0}


@pytest.fixture
def results(monkeypatch, tmp_path):
    """An empty file of results, on what passes for the real data."""
    monkeypatch.setattr(studies, "RESULTS", tmp_path / "results.json")
    monkeypatch.setattr(studies, "bundled", lambda name: tmp_path / "none")
    monkeypatch.setattr(studies, "kmnist_source", lambda: "kmnist")
    return tmp_path / "results.json"


def test_a_row_is_written_with_all_that_repeats_it_and_replaces_the_one_it_repeats(results, capsys):
    studies.record("mine", "python benchmarks/mine.py", [ROW, {**ROW, "seed": 1, "value": 0.7}], ["numpy"])
    studies.record("mine", "python benchmarks/mine.py", [{**ROW, "value": 0.6}], ["numpy"])
    studies.record("other", "python benchmarks/other.py", [ROW])
    table = kuzushiji.recorded("mine")
    assert table["value"].tolist() == [0.6, 0.7] and table["seconds"].tolist() == [2.0, 2.0]
    assert table["versions"][0] == {"numpy": np.__version__} and len(table["date"][0]) == 10
    label = capsys.readouterr().out
    for part in ("'mine'", "seeds 0, 1", studies.machine(), table["date"][0], "python benchmarks/mine.py"):
        assert part in label
    assert len(studies.rows()) == 3 and results.read_text(encoding="utf-8").count("\n") == 5  # a line for each row


def test_what_is_finished_depends_on_method_parameters_and_seed(results):
    studies.record("mine", "", [ROW])
    assert studies.finished("mine", "m", {"epochs": 3}, 0)
    for other in (("mine", "n", {"epochs": 3}, 0), ("mine", "m", {"epochs": 4}, 0), ("mine", "m", {"epochs": 3}, 1)):
        assert not studies.finished(*other)


@pytest.mark.parametrize("what", ["eigenkana", "quick"])
def test_only_the_whole_real_data_are_recorded(results, monkeypatch, what):
    if what == "quick":
        monkeypatch.setenv("KUZUSHIJI_QUICK", "1")
    else:
        monkeypatch.setattr(studies, "kmnist_source", lambda: "eigenkana")
    with pytest.raises(DataError, match="never recorded"):
        studies.record("mine", "", [ROW])
    assert not results.exists()


def test_a_study_without_a_record_is_named(results):
    studies.record("mine", "", [ROW])
    with pytest.raises(KeyError, match="no study 'yours' is recorded, expected one of mine"):
        studies.recorded("yours")


def test_every_row_of_the_file_says_where_and_when_or_that_nobody_wrote_it_down():
    rows = json.loads(studies.RESULTS.read_text(encoding="utf-8"))
    assert len({studies.identity(row) for row in rows}) == len(rows)
    for row in rows:
        assert row["machine"] and row["date"] and row["command"] and "5 February 2019" in row["data"]
        assert (row["machine"] == "not recorded") == (row["date"] == "not recorded")


TRAININGS = [(name, run) for name in ("baseline", "final") for run in __import__(name).RUNS]


@pytest.mark.parametrize(("name", "run"), TRAININGS, ids=str)
def test_what_is_recorded_is_not_trained_again(name, run):
    assert studies.finished(name, *run)


@pytest.mark.parametrize(("name", "study"), [("baseline", "baseline"), ("sprint", "sprint"), ("final", "final")])
def test_a_study_trains_what_is_missing_records_it_and_forgets_its_state(results, monkeypatch, tmp_path, name, study):
    import trainings

    script = __import__(name)
    random = np.random.default_rng(0)
    images, labels = random.integers(0, 256, (200, 28, 28), dtype=np.uint8), random.integers(0, 10, 200)
    monkeypatch.setattr(kuzushiji, "load_kmnist", lambda split: (images, labels))
    monkeypatch.setattr(trainings, "build_folder", lambda: tmp_path)
    monkeypatch.setattr(trainings, "baseline_network", lambda: small(trainings, "softmax"))
    monkeypatch.setattr(trainings, "residual_network", lambda *_, **__: small(trainings, None))
    monkeypatch.setattr(kuzushiji.networks, "residual_network", lambda *_, **__: small(trainings, None))
    settings = {"learning_rate": 1.0, "epochs": 1, "batch_size": 100, "images": 150}
    monkeypatch.setattr(script, "RUNS", [("one", settings, 0), ("two", settings, 1)], raising=False)
    monkeypatch.setattr(script, "SEEDS", (0, 1), raising=False)
    monkeypatch.setattr(script, "DATA", tmp_path, raising=False)
    monkeypatch.setattr(script, "write_facts", lambda: (tmp_path / "facts").touch(), raising=False)
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    script.main()
    rows = studies.rows(study)
    assert {row["seed"] for row in rows} == {0, 1} and all(0 <= row["value"] <= 10 for row in rows)
    assert all(row["history"] for row in rows if row["metric"] == "test accuracy")
    assert list((tmp_path / "trainings").iterdir()) == []
    if name == "final":
        with np.load(tmp_path / "validation_logits.npz") as stored:
            assert stored["logits"].shape == (20, 10) and np.array_equal(stored["labels"], labels[stored["rows"]])
        assert (tmp_path / "facts").exists()
    monkeypatch.setattr(script, "train", lambda *_: pytest.fail("trained again"))
    script.main()


def small(trainings, activation):
    layers, inputs = trainings.layers, trainings.keras.Input((28, 28, 1))
    outputs = layers.Dense(10, activation=activation, dtype="float32")(layers.Flatten()(inputs))
    return trainings.keras.Model(inputs, outputs)


def functions(source):
    """The functions that a source defines at its top, by name, without docstrings, as comparable text."""
    found = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef):
            if ast.get_docstring(node) is not None:
                node.body = node.body[1:]
            found[node.name] = ast.dump(node)
    return found


# What a notebook teaches and a study needs stands in both: (notebook, script, functions).
SHARED = [
    (
        "02_dimensionality_reduction",
        "maps.py",
        ["t_sne", "u_map", "sampled_quality", "global_order", "ten_nn", "quality"],
    ),
    ("02_dimensionality_reduction", "maps.py", ["distances_of", "foreign_land"]),
    ("02_dimensionality_reduction", "neighbours.py", ["pca_and_neighbours", "accuracy_of_samples"]),
    ("02_dimensionality_reduction", "eigenkana.py", ["shapes_of", "directions_of", "fit_mixture", "in_bytes"]),
    ("03_cnn_from_scratch", "final.py", ["split", "surprise", "fit_temperature"]),
    ("03_cnn_from_scratch", "trainings.py", ["one_cycle"]),
    ("04_read_new_characters", "degradations.py", ["scan", "turned", "scaled", "noisy", "coloured", "uneven_light"]),
    ("04_read_new_characters", "degradations.py", ["as_jpeg", "plain", "share_read", "measure"]),
    ("04_read_new_characters", "unknowns.py", ["printed", "variants", "features_and_logits", "on_unit_sphere"]),
    ("04_read_new_characters", "unknowns.py", ["scores", "auroc", "standard_error"]),
]


@pytest.mark.parametrize(("notebook", "script", "names"), SHARED, ids=lambda value: str(value))
def test_a_study_measures_as_its_notebook_teaches(notebook, script, names):
    cells = json.loads((ROOT / "notebooks" / f"{notebook}.ipynb").read_text(encoding="utf-8"))["cells"]
    taught = {}
    for cell in cells:
        if cell["cell_type"] == "code":
            taught |= functions("".join(cell["source"]))
    used = functions((ROOT / "benchmarks" / script).read_text(encoding="utf-8"))
    for name in names:
        assert taught[name] == used[name], name
