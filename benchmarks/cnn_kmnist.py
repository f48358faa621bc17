"""A convolutional network on Kuzushiji-MNIST or Kuzushiji-49: the published baseline, or notebook 03's final network.

The test images are read once, at the end. Published figures, and notebook 03's, come from a training on all training
images: --validation_images 0.
"""

import sys
import tempfile
import time
from pathlib import Path

import common
import numpy as np

from kuzushiji import DataError
from kuzushiji.files import replacing

EPOCHS = {"simple": 12, "residual": 11}  # as published, and as in the study final.py
SIMPLE_ONLY = ("l1_size", "l2_size", "fc1_size", "dropout_1", "dropout_2")


def new_parser():
    parser = common.new_parser("cnn_kmnist.py", __doc__)
    add = parser.add_argument
    add(
        "--recipe",
        choices=["simple", "residual"],
        default="simple",
        help='simple: the published "Keras simple CNN" with Adadelta(1.0), the default rate when it was published; '
        "residual: the final network of notebook 03 with its augmentation and one-cycle schedule (default: simple)",
    )
    add(
        "-e",
        "--epochs",
        type=common.whole(1),
        metavar="N",
        help=f"passes over the training images (default: {EPOCHS['simple']} for simple, as published, where the W&B "
        f"script had 10; {EPOCHS['residual']} for residual)",
    )
    add("-b", "--batch_size", type=common.whole(1), default=128, metavar="N", help="images a step (default: 128)")
    for number, size in ((1, 32), (2, 64)):
        text = f"filters of convolution {number} (simple; default: {size})"
        add(f"--l{number}_size", type=common.whole(1), default=size, metavar="N", help=text)
    add("--fc1_size", type=common.whole(1), default=128, metavar="N", help="units, dense layer (simple; default: 128)")
    for number, share in ((1, 0.25), (2, 0.5)):
        text = f"rate of dropout {number} (simple; default: {share})"
        add(f"--dropout_{number}", type=common.rate, default=share, metavar="SHARE", help=text)
    add(
        "--num_classes",
        type=common.whole(1),
        metavar="N",
        help="how many classes the data have (default: what the data set has, 10 or 49; another number is an error)",
    )
    return parser


def settle(options):
    """Give the options left out their values; raises DataError for those that contradict each other or the data."""
    if options.recipe != "simple":
        parser = new_parser()
        changed = [name for name in SIMPLE_ONLY if getattr(options, name) != parser.get_default(name)]
        if changed:
            raise DataError(f"--{changed[0]} belongs to --recipe simple, and this is {options.recipe}")
    classes = common.classes_of(options.dataset)
    if options.num_classes not in (None, classes):
        raise DataError(
            f"--num_classes {options.num_classes}, but {options.dataset} has {classes}: leave it out, or name --dataset"
        )
    options.num_classes = classes
    options.epochs = options.epochs or EPOCHS[options.recipe]


def settings(options, images):
    """The parameters under which the studies baseline.py and final.py record the same training on so many images."""
    shared = {"epochs": options.epochs, "batch_size": options.batch_size, "images": images}
    if options.recipe == "simple":
        return {"optimizer": "Adadelta", "learning_rate": 1.0, **shared}
    return {**shared, "precision": "mixed_bfloat16"}


def new_model(options, steps):
    """The compiled model of the recipe, for `steps` batches of training, and the network in it, which reads."""
    import keras
    import trainings

    from kuzushiji.augment import WritingVariations
    from kuzushiji.networks import residual_network

    keras.utils.set_random_seed(options.seed)
    if options.recipe == "simple":
        dropouts = (options.dropout_1, options.dropout_2)
        filters = (options.l1_size, options.l2_size)
        network = trainings.baseline_network(options.num_classes, filters, options.fc1_size, dropouts)
        network.compile(keras.optimizers.Adadelta(1.0), "categorical_crossentropy", metrics=["accuracy"])
        return network, network
    network = trainings.in_16_bits(residual_network, classes=options.num_classes)
    model = keras.Sequential([WritingVariations(), network])
    model.build((None, 28, 28, 1))
    trainings.compile_residual(model, steps)
    return model, network


def read(model, images):
    """Outputs [n, classes] of a network for uint8 images [n, 28, 28]."""
    return model.predict(images[..., None] / np.float32(255), batch_size=500, verbose=0)


def validation(data, network, loss):
    """What is measured after each epoch, as a function; None where there is nothing to validate on."""
    if data.to_validate() is None:
        return None
    import keras

    images, labels = data.to_validate()
    targets = np.eye(len(data.names), dtype="float32")[labels]

    def measure():
        outputs = read(network, images)
        predicted = outputs.argmax(axis=1)
        cost = float(np.mean(keras.ops.convert_to_numpy(keras.losses.get(loss)(targets, outputs))))
        score = data.score(labels, predicted)
        accuracy = float((predicted == labels).mean())
        return {"val_loss": cost, "val_accuracy": accuracy, f"{data.dataset}_val_acc": score}

    return measure


def reporter(options, data, log):
    """What is done with each finished epoch: a line on the terminal, and a step in the log."""
    from tqdm import tqdm

    epochs = iter(range(1, options.epochs + 1))

    def report(row):
        epoch = next(epochs)
        line = f"epoch {epoch}/{options.epochs}: {row['seconds']:.0f} s, training {100 * row['accuracy']:.2f} %"
        if f"{data.dataset}_val_acc" in row:
            what = "TEST images as validation" if data.habit else "validation"
            line += f", {what} {100 * row[f'{data.dataset}_val_acc']:.2f} %"
        tqdm.write(line, file=sys.stdout)
        sys.stdout.flush()
        if log:
            log.log({"epoch": epoch, **row})

    return report


def save(model, path):
    """Save a network where Keras can load it, without harming what stood there until it is complete."""
    with replacing(path) as target, tempfile.TemporaryDirectory(dir=target.parent) as folder:
        model.save(Path(folder) / "model.keras")
        (Path(folder) / "model.keras").replace(target)
    print(f"saved: {path}")


def run(options):
    settle(options)
    path, data = common.begin(options, ".keras")
    config = common.configuration(options, data, "cnn")
    log = common.start_log(options, config)

    import trainings

    images, labels = (array[data.part] for array in data.train)
    epochs = trainings.Epochs(images, labels, options.seed, options.batch_size, options.num_classes)
    model, network = new_model(options, options.epochs * len(epochs))
    print(f"{len(images):,} images to train on; validated on {data.validated_on}")
    measure, report = validation(data, network, model.loss), reporter(options, data, log)
    history = trainings.fit(model, epochs, options.epochs, measure=measure, report=report)
    if path:
        save(network, path)
    started = time.perf_counter()
    predicted = read(network, data.test[0]).argmax(axis=1)
    seconds = {"training": sum(row["seconds"] for row in history), "test": time.perf_counter() - started}
    history = [{measure: round(value, 5) for measure, value in row.items()} for row in history]
    last = history[-1].get(f"{data.dataset}_val_acc")
    packages = ["keras", model_backend(), "numpy"]
    common.finish(
        options, data, log, config, predicted, seconds, packages, last,
        settings=settings(options, len(images)), history=history,
    )  # fmt: skip


def model_backend():
    import keras

    return keras.backend.backend()


def main(arguments=None):
    return common.command(new_parser(), run, arguments)


if __name__ == "__main__":
    sys.exit(main())
