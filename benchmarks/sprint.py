"""Train notebook 03's sprint on three seeds, on the backend that KERAS_BACKEND names (TensorFlow by default).

    python benchmarks/sprint.py
    KERAS_BACKEND=torch python benchmarks/sprint.py

Runs what benchmarks/results.json lacks of it: the study "sprint" on TensorFlow, "backends" on any other.
"""

import os

import common

from kuzushiji import studies

SEEDS = (0, 1, 2)


def train(study, command, method, parameters, seed):
    """Train one network, and record it."""
    import trainings
    from trainings import keras

    from kuzushiji import load_kmnist

    keras.utils.set_random_seed(seed)
    model = trainings.sprint_network()
    data = trainings.Epochs(*load_kmnist("train"), seed, parameters["batch_size"])
    trainings.compile_residual(model, parameters["epochs"] * len(data))
    name = f"sprint-{parameters['backend']}-{seed}"
    history = trainings.fit(model, data, parameters["epochs"], name, report=trainings.said(f"{method}, seed {seed}"))
    value = trainings.accuracy(model, *load_kmnist("test"))
    row = trainings.row_of(method, parameters, seed, "test accuracy", value, history)
    studies.record(study, command, [row], ["keras", parameters["backend"], "numpy"])
    trainings.forget(name)


def main():
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    study, method, command = "sprint", "sprint", "python benchmarks/sprint.py"
    if backend != "tensorflow":
        study, method, command = "backends", f"sprint on {backend}", f"KERAS_BACKEND={backend} {command}"
    parameters = {"epochs": 2, "batch_size": 128, "images": 60000, "backend": backend}
    for run in studies.missing(study, [(method, parameters, seed) for seed in SEEDS]):
        train(study, command, *run)


if __name__ == "__main__":
    common.run_study(main)
