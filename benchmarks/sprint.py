"""Train notebook 03's sprint on three seeds, on the backend that KERAS_BACKEND names (TensorFlow by default).

The study is "sprint" on TensorFlow and "backends" on any other: `KERAS_BACKEND=torch python benchmarks/sprint.py`.
"""

import os

import common


def measure(method, parameters, seed):
    import trainings

    return trainings.trained(method, parameters, seed, trainings.sprint_model)[1]


def main():
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    study, method, command = "sprint", "sprint", "python benchmarks/sprint.py"
    if backend != "tensorflow":
        study, method, command = "backends", f"sprint on {backend}", f"KERAS_BACKEND={backend} {command}"
    parameters = {"epochs": 2, "batch_size": 128, "images": 60000, "backend": backend}
    runs = [(method, parameters, seed) for seed in (0, 1, 2)]
    common.run_study(study, runs, measure, ["keras", backend, "numpy"], command)


if __name__ == "__main__":
    common.run(main)
