"""Fit the eigenkana on KMNIST's training set and name their shapes: writes data/eigenkana.npz.

    python benchmarks/eigenkana.py

Prints how many parents of the certain specimens name a shape. Another machine rounds some components by one step.
"""

from kuzushiji import load_kmnist, load_specimens
from kuzushiji.eigenkana import fit, named, save_model
from kuzushiji.paths import CHECKOUT


def main():
    images, labels = load_kmnist("train", source="kmnist")
    specimens, table = load_specimens(source="kmnist")
    certain = table["certain"]
    mixture = named(fit(images, labels), specimens[certain], table["label"][certain], table["parent"][certain])
    save_model(mixture, CHECKOUT / "data" / "eigenkana.npz")
    print(f"{len(set(mixture.parents))} of {table['parent'][certain].nunique()} parents name a shape")


if __name__ == "__main__":
    main()
