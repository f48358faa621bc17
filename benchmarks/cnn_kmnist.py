"""A convolutional network on Kuzushiji-MNIST or Kuzushiji-49: the published baseline, or notebook 03's final network.

The test images are read once, at the end. Published figures, and notebook 03's, come from a training on all training
images: --validation_images 0.
"""

import time

import common
import numpy as np

from kuzushiji import DataError, load_classmap

EPOCHS = {"simple": 12, "residual": 11}  # as published, and as in the study final.py
SIMPLE_ONLY = {
    "l1_size": (32, "filters of convolution 1"),
    "l2_size": (64, "filters of convolution 2"),
    "fc1_size": (128, "units, dense layer"),
    "dropout_1": (0.25, "rate of dropout 1"),
    "dropout_2": (0.5, "rate of dropout 2"),
}


def new_parser():
    parser = common.new_parser(__doc__)
    add = parser.add_argument
    recipes = (
        'simple: the published "Keras simple CNN" with Adadelta(1.0), the default rate when it was published; '
        "residual: the final network of notebook 03 with its augmentation and one-cycle schedule (default: %(default)s)"
    )
    add("--recipe", choices=["simple", "residual"], default="simple", help=recipes)
    simple = f"{EPOCHS['simple']} for simple, as published, where the W&B script had 10"
    passes = f"passes over the training images (default: {simple}; {EPOCHS['residual']} for residual)"
    add("-e", "--epochs", type=common.whole_number(1), metavar="N", help=passes)
    add("-b", "--batch_size", type=common.whole_number(1), default=128, help="images a step (default: %(default)s)")
    for name, (value, what) in SIMPLE_ONLY.items():
        add(f"--{name}", type=type(value), default=value, help=f"{what} (simple; default: %(default)s)")
    classes = "how many classes the data have (default: what the data set has, 10 or 49; another number is an error)"
    add("--num_classes", type=int, metavar="N", help=classes)
    return parser


def settled(options):
    """The options, those left out with their values; raises DataError for what contradicts the recipe or the data."""
    if options.recipe != "simple":
        for name, (value, _) in SIMPLE_ONLY.items():
            if getattr(options, name) != value:
                raise DataError(f"--{name} belongs to --recipe simple, and this is {options.recipe}")
    classes = len(load_classmap(options.dataset))
    if options.num_classes not in (None, classes):
        raise DataError(
            f"--num_classes {options.num_classes}, but {options.dataset} has {classes}: leave it out, or name --dataset"
        )
    options.num_classes, options.epochs = classes, options.epochs or EPOCHS[options.recipe]
    return options


def validation(model, data):
    """What is measured after each epoch; nothing where there is nothing to validate on."""
    import trainings

    images, labels = data.validation
    if len(images) == 0:
        return {}
    targets = np.eye(model.output_shape[-1], dtype="float32")[labels]
    loss, accuracy = model.evaluate(images[..., None] / np.float32(255), targets, batch_size=500, verbose=0)
    score = data.score(labels, trainings.outputs_of(model, images).argmax(axis=1))
    return {"val_loss": loss, "val_accuracy": accuracy, f"{data.dataset}_val_acc": score}


def main(arguments=None):
    options = settled(new_parser().parse_args(arguments))
    run = common.Run(options, "cnn", ".keras")
    data = run.data

    import trainings
    from trainings import keras

    keras.utils.set_random_seed(options.seed)
    epochs = trainings.Epochs(*data.part, options.seed, options.batch_size, options.num_classes)
    if options.recipe == "residual":
        model = trainings.residual_model(options.epochs * len(epochs), options.num_classes)
        network = model.layers[-1]  # without the variations
    else:
        sizes, dropouts = (options.l1_size, options.l2_size), (options.dropout_1, options.dropout_2)
        network = model = trainings.baseline_model(1.0, options.num_classes, sizes, options.fc1_size, dropouts)
    print(f"{len(data.part[0]):,} images to train on; validated on {data.validated_on}")

    history = trainings.fit(model, epochs, options.epochs, measure=lambda: validation(model, data), log=run.log)
    if run.path:
        trainings.save(network, run.path)
    started = time.perf_counter()
    predicted = trainings.outputs_of(network, data.test[0]).argmax(axis=1)
    seconds = {"training": sum(row["seconds"] for row in history), "test": time.perf_counter() - started}
    packages = ["keras", keras.backend.backend(), "numpy"]
    last = history[-1].get(f"{data.dataset}_val_acc")
    run.finish(predicted, seconds, packages, last, history=history)


if __name__ == "__main__":
    common.run(main)
