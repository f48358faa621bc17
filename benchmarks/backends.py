"""Train notebook 03's sprint on the backend that KERAS_BACKEND names, over three seeds, and record the test accuracy.

    KERAS_BACKEND=torch python benchmarks/backends.py

The rows go to benchmarks/results.json (source "backends") with KUZUSHIJI_MAINTAIN=1, as in `make notebooks`.
"""

import keras
import numpy as np

from kuzushiji import load_kmnist, training
from kuzushiji.results import record, recorded
from kuzushiji.training import Batches, fit


def main():
    backend = keras.backend.backend()
    images, labels = load_kmnist("train", source="kmnist")
    images_test, labels_test = load_kmnist("test", source="kmnist")
    accuracies, seconds, seeds = [], [], [0, 1, 2]
    for seed in seeds:
        keras.utils.set_random_seed(seed)
        model = training.sprint_network()
        batches = Batches(images, labels, seed)
        training.compile_residual(model, training.SPRINT_EPOCHS * len(batches))
        history = fit(model, batches, training.SPRINT_EPOCHS, f"sprint-{backend}", keep=False)
        outputs = model.predict(images_test[..., None] / np.float32(255), batch_size=500, verbose=0)
        accuracies.append(round(float((outputs.argmax(axis=1) == labels_test).mean()), 4))
        seconds.append(sum(row["seconds"] for row in history))
        print(f"{backend}, seed {seed}: test accuracy {100 * accuracies[-1]:.2f} %, {seconds[-1]:.0f} s", flush=True)
    parameters = {"backend": backend, "epochs": training.SPRINT_EPOCHS, "batch_size": 128, "images": len(images)}
    row = {"method": f"sprint on {backend}", "parameters": parameters, "metric": "test accuracy", "values": accuracies}
    others = [row for row in recorded("backends") if row["parameters"]["backend"] != backend]
    row |= {"seeds": seeds, "seconds": round(sum(seconds) / len(seconds), 1)}
    record("backends", [*others, row], ["keras", backend])


if __name__ == "__main__":
    main()
