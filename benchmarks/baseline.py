"""Train the published baseline, three seeds of twelve epochs, and three epochs at Adadelta's default rate of today.

    python benchmarks/baseline.py

Runs what benchmarks/results.json lacks of it; interrupted, it goes on after the last finished epoch.
"""

from kuzushiji import studies

STUDY, COMMAND = "baseline", "python benchmarks/baseline.py"


def parameters(learning_rate, epochs):
    return {
        "optimizer": "Adadelta", "learning_rate": learning_rate, "epochs": epochs, "batch_size": 128, "images": 60000,
    }  # fmt: skip


RUNS = [("baseline", seed, parameters(1.0, 12)) for seed in (0, 1, 2)]
RUNS.append(("baseline, default rate", 0, parameters(0.001, 3)))


def train(method, seed, settings):
    """Train one network; returns its row."""
    import trainings
    from trainings import keras

    from kuzushiji import load_kmnist

    keras.utils.set_random_seed(seed)
    model = trainings.baseline_network()
    optimizer = keras.optimizers.Adadelta(settings["learning_rate"])
    model.compile(optimizer, "categorical_crossentropy", metrics=["accuracy"])
    data = trainings.Epochs(*load_kmnist("train"), seed, settings["batch_size"])
    name = f"{method}-{seed}".replace(", ", "-").replace(" ", "-")
    history = trainings.fit(model, data, settings["epochs"], name, report=trainings.said(f"{method}, seed {seed}"))
    value = trainings.accuracy(model, *load_kmnist("test"))
    studies.record(
        STUDY, COMMAND, [trainings.row_of(method, settings, seed, "test accuracy", value, history)],
        ["keras", keras.backend.backend(), "numpy"],
    )  # fmt: skip
    trainings.forget(name)


def main():
    missing = [run for run in RUNS if not studies.finished(STUDY, run[0], run[2], run[1])]
    if missing:
        studies.check_data()
    for run in missing:
        train(*run)


if __name__ == "__main__":
    main()
