"""Train the published baseline, three seeds of twelve epochs, and three epochs at Adadelta's default rate of today.

    python benchmarks/baseline.py

Runs what benchmarks/results.json lacks of it; interrupted, it goes on after the last finished epoch.
"""

import common

from kuzushiji import studies

STUDY, COMMAND = "baseline", "python benchmarks/baseline.py"


def parameters(learning_rate, epochs):
    return {
        "optimizer": "Adadelta", "learning_rate": learning_rate, "epochs": epochs, "batch_size": 128, "images": 60000,
    }  # fmt: skip


RUNS = [("baseline", parameters(1.0, 12), seed) for seed in (0, 1, 2)]
RUNS.append(("baseline, default rate", parameters(0.001, 3), 0))


def train(method, settings, seed):
    """Train one network, and record it."""
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
    for run in studies.missing(STUDY, RUNS):
        train(*run)


if __name__ == "__main__":
    common.run_study(main)
