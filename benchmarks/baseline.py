"""Train the published baseline, three seeds of twelve epochs, and three epochs at Adadelta's default rate of today."""

import common

RECIPE = {"optimizer": "Adadelta", "learning_rate": 1.0, "epochs": 12, "batch_size": 128, "images": 60000}
RUNS = [("baseline", RECIPE, seed) for seed in (0, 1, 2)]
RUNS.append(("baseline, default rate", RECIPE | {"learning_rate": 0.001, "epochs": 3}, 0))


def measure(method, settings, seed):
    import trainings

    def make(steps):
        return trainings.baseline_model(settings["learning_rate"])

    return trainings.trained(method, settings, seed, make)[1]


def main():
    common.run_study("baseline", RUNS, measure, ["keras", "tensorflow", "numpy"])


if __name__ == "__main__":
    common.run(main)
