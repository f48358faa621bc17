"""Measure what eight kinds of bad picture cost: 10,000 test images of each kind, prepared in two ways.

Notebook 04 shows the same functions, and measures a sample of 200.
"""

import hashlib
import io
import time

import common
import numpy as np
from PIL import Image

from kuzushiji import load_kmnist, prepare, reading


def scan(image, scale=4.0):
    """Dark ink on white paper, larger: uint8 [28, 28] to [28 scale, 28 scale]."""
    side = round(28 * scale)
    return np.array(Image.fromarray(255 - image).resize((side, side), Image.Resampling.BICUBIC))


def turned(image, random):
    """Turned by up to ten degrees, either way."""
    picture = Image.fromarray(scan(image))
    return np.array(picture.rotate(random.uniform(-10, 10), Image.Resampling.BICUBIC, expand=True, fillcolor=255))


def scaled(image, random):
    """Between 28 and 220 pixels, somewhere on a sheet of 300."""
    small = scan(image, random.uniform(1, 7.8))
    top, left = random.integers(0, 300 - len(small), 2)
    around = (top, 300 - len(small) - top), (left, 300 - len(small) - left)
    return np.pad(small, around, constant_values=255)


def noisy(image, random, strength=30):
    """With noise at each pixel, of which `strength` is the standard deviation."""
    return np.clip(scan(image) + random.normal(0, strength, (112, 112)), 0, 255).astype(np.uint8)


def coloured(image, random):
    """Ink of one random dark colour on paper of one random light colour."""
    ink, paper = random.uniform(0, 90, 3), random.uniform(150, 255, 3)
    share = scan(image)[..., None] / 255
    return np.uint8(share * paper + (1 - share) * ink)


def uneven_light(image, random):
    """A soft shadow from a random side, down to a third of the light."""
    angle, (y, x) = random.uniform(0, 2 * np.pi), np.mgrid[-1:1:112j, -1:1:112j]
    across = np.cos(angle) * x + np.sin(angle) * y
    return np.uint8(scan(image) * (1 / 3 + 2 / 3 / (1 + np.exp(-4 * across))))


def as_jpeg(image, random):
    """Twice as large, saved as a JPEG file of low quality, and opened again."""
    buffer = io.BytesIO()
    Image.fromarray(scan(image, 2)).save(buffer, "JPEG", quality=int(random.integers(10, 41)))
    return np.array(Image.open(buffer))


degradations = {
    "as it is": lambda image, random: image,
    "scanned": lambda image, random: scan(image),
    "inverted": lambda image, random: 255 - scan(image),
    "scaled": scaled,
    "coloured paper": coloured,
    "JPEG": as_jpeg,
    "uneven light": uneven_light,
    "noisy": noisy,
    "turned": turned,
}


def plain(picture):
    """Grey, light ink, 28x28, and nothing else."""
    grey = picture if picture.ndim == 2 else picture @ np.array([0.299, 0.587, 0.114])
    grey = grey if grey.mean() < 128 else 255 - grey
    return prepare.resize(grey, 28, 28).clip(0, 255).astype(np.uint8)


def share_read(images, labels):
    """The share of images uint8 [n, 28, 28] that the shipped network reads right."""
    return float((reading.logits_of(images).argmax(axis=1) == labels).mean())


def measure(degrade, images, labels):
    """Accuracy on degraded pictures, prepared in both ways.

    The random amounts depend on the number of the image alone.
    """
    prepared, resized = [], []
    for number, image in enumerate(images):
        picture = degrade(image, np.random.default_rng(number))
        prepared.append(prepare.prepare(picture))
        resized.append(plain(picture))
    return {
        "accuracy, prepared": share_read(np.stack(prepared), labels),
        "accuracy, plain": share_read(np.stack(resized), labels),
    }


def weights_of(network):
    """The first 12 hexadecimal digits of the SHA-256 over all weights of a network: another network, other digits."""
    return hashlib.sha256(b"".join(array.tobytes() for array in network.get_weights())).hexdigest()[:12]


def main():
    settings = {"images": 10000, "weights": weights_of(reading.network())}
    kinds = {f"degraded: {name}": degrade for name, degrade in degradations.items()}

    def measured(method, parameters, seed):
        images, labels = load_kmnist("test")
        started = time.perf_counter()
        found = measure(kinds[method], images, labels) if method in kinds else {"accuracy": share_read(images, labels)}
        return common.rows_of(found, time.perf_counter() - started)

    runs = [(method, settings, 0) for method in ("untouched", *kinds)]
    common.run_study("degradations", runs, measured, ["keras", "tensorflow", "numpy", "pillow", "scipy"])


if __name__ == "__main__":
    common.run(main)
