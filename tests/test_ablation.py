"""The study that takes the recipe apart: its references are what they are said to be; each row changes one thing."""

import inspect
from collections import Counter

import ablation
import numpy as np
import pytest
import trainings

from kuzushiji import networks
from kuzushiji.augment import WritingVariations

STEPS, IMAGES = 1688, np.random.default_rng(0).integers(0, 256, (50, 28, 28), dtype=np.uint8)
# What the layers of each changed network have more or less than its reference's, and its parameters.
NETWORKS = {
    "final without depth": ({"Conv2D": -2, "BatchNormalization": -2, "ReLU": -2}, 240_426),
    "final without normalisation": ({"BatchNormalization": -7}, 407_642),
    "final without residual connections": ({"Add": -2}, 409_322),
    "final without global pooling": ({"GlobalMaxPooling2D": -1, "Flatten": 1}, 470_762),
    "final without global max": ({"GlobalMaxPooling2D": -1, "GlobalAveragePooling2D": 1}, 409_322),
    "final without max pooling": ({"MaxPooling2D": -2, "AveragePooling2D": 2}, 409_322),
    "baseline with depth": ({"Conv2D": 2, "ReLU": 2}, 1_246_058),
    "baseline with normalisation": ({"BatchNormalization": 2}, 1_200_170),
    "baseline with residual connections": ({"Add": 1, "Cropping2D": 1}, 1_199_882),
    "baseline with global pooling": ({"Flatten": -1, "GlobalMaxPooling2D": 1}, 28_426),
    "baseline with average pooling": ({"MaxPooling2D": -1, "AveragePooling2D": 1}, 1_199_882),
}
OTHERS = {"augmentation": "variations", "smoothing": "loss", "schedule": "rate"}


def facts(model):
    """What a training consists of: layers, amounts of the variations, optimiser, rate, loss."""
    varied = model.layers[0] if isinstance(model.layers[0], WritingVariations) else None
    optimizer = model.optimizer.get_config() | {"name": type(model.optimizer).__name__}  # for a numbered one
    network = (model.layers[-1] if varied else model).layers
    return {
        "layers": [(type(layer).__name__, str(layer.output.shape), layer.count_params()) for layer in network],
        "variations": varied and {name: getattr(varied, name) for name in (*ablation.PARTS, "share")},
        "rate": optimizer.pop("learning_rate"),
        "optimizer": optimizer,
        "loss": model.loss.get_config(),
    }


@pytest.fixture(scope="module")
def built():
    return {method: facts(ablation.model_of(recipe, STEPS)) for method, recipe in ablation.METHODS.items()}


def test_the_references_are_the_shipped_recipe_and_the_published_network(built):
    assert built["final"] == facts(trainings.residual_model(STEPS)) and built["final"]["variations"]["shift"] == 2
    makers = {ablation.final_network: networks.residual_network, ablation.baseline_network: trainings.baseline_model}
    for (ours, theirs), recipe in zip(makers.items(), (ablation.FINAL, ablation.BASELINE), strict=True):
        made = [networks.keras.utils.set_random_seed(0) or make() for make in (lambda: ours(recipe), theirs)]  # noqa: B023
        assert np.allclose(*(trainings.outputs_of(model, IMAGES) for model in made), atol=1e-5)
        assert made[0].count_params() == made[1].count_params()
    made[1].loss = networks.keras.losses.CategoricalCrossentropy()  # which is what its name stands for
    found = facts(made[1])
    assert all(built["baseline"][name] == found[name] for name in ("variations", "rate", "optimizer", "loss"))


@pytest.mark.parametrize("method", list(ablation.METHODS)[2:])
def test_each_row_changes_one_thing(built, method):
    reference = method.split()[0]
    recipe, whole, ours, theirs = (found[name] for found in (ablation.METHODS, built) for name in (method, reference))
    (setting,) = (name for name in whole if recipe[name] != whole[name])
    changed = {name for name in theirs if ours[name] != theirs[name]}
    if method in NETWORKS:
        more, less = (Counter(kind for kind, *_ in found["layers"]) for found in (ours, theirs))
        more.subtract(less)
        weights = sum(count for *_, count in ours["layers"])
        assert changed == {"layers"} and ({kind: n for kind, n in more.items() if n}, weights) == NETWORKS[method]
    elif setting == "optimizer":  # whose rate is another number, but for decay
        assert changed == ({"optimizer"} if method.endswith("decay") else {"optimizer", "rate"})
    else:
        assert changed == {OTHERS[setting]}
    if ": " in method:
        assert ours["variations"] == theirs["variations"] | {method.split(": ")[1]: 0}


def test_no_part_is_forgotten_a_constant_rate_is_the_mean_of_its_cycle_and_first_seeds_come_first():
    assert {*ablation.PARTS, "share", "seed", "options"} == {*inspect.signature(WritingVariations).parameters}
    cycle = trainings.one_cycle(STEPS, 2.0)
    assert np.isclose(np.mean([cycle(step) for step in range(0, STEPS, 8)]), 1, rtol=0.02)
    assert [seed for *_, seed in ablation.RUNS] == sorted([0, 1, 2] * len(ablation.METHODS))
