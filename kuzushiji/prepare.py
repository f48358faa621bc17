"""From any picture of one character to 28x28, as CODH prepared KMNIST; notebook 04 shows every step and measures it.

What KMNIST is like, measured on its training images: ink is light on a black ground; the longer side of the ink spans
all 28 pixels; the shorter one lies in the middle, with its proportion kept; the paper is exactly 0 and the ink 255.
"""

import io
import os
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from scipy import ndimage

from .paths import DataError

SIDE = 28
SMALLEST = 8  # pixels along the longer side of a picture; no stroke can be told from another in fewer
WORKING = 1024  # larger pictures are averaged down to this side, more than 28 pixels can ever show
FORMATS = ("PNG", "JPEG", "MPO", "GIF", "BMP", "TIFF", "WEBP", "JPEG2000", "AVIF", "PPM", "ICO")  # none runs programs
FAINTEST = 0.1  # contrast of ink to paper, as a share of the paper's brightness, below which there is no ink
DARKEST = 0.2  # brightness of paper below which contrast is not taken for larger than it is
SPECK = 0.02  # share of the largest connected piece of ink below which a piece is dirt
BLOT = 0.01  # share of the 28x28 pixels that the largest connected piece has at least in a character


def prepare(picture):
    """A picture of one character as uint8 [28, 28] in KMNIST's manner: 0 paper, 255 ink.

    `picture` is a path, the bytes of a file, a Pillow image, or an array: [h, w] or [h, w, 1] grey, [h, w, 3] RGB, [h,
    w, 4] RGBA; bool, integers, or floats from 0 to 1. Of several frames the first is read. Ink may be darker or lighter
    than the paper. Raises DataError for what is no picture, is damaged, too large, too small or blank.
    """
    try:
        return steps(shrink(brightness(pixels(picture)), WORKING))["contrast"]
    except DataError as error:
        name = picture if isinstance(picture, (str, os.PathLike)) else "the picture"
        raise DataError(f"{name} {error}") from None  # the message says it all


def steps(light):
    """Every step from a grey picture (float32 [h, w], 0 black to 1 white) to KMNIST's manner, by name, in order.

    "grey" and "dark ink" are brightness from 0 to 1, "even light" and "crop" ink from 0 to 1, "28x28" the same resized
    and "contrast" the result, uint8 [28, 28]. Raises DataError where there is no ink.
    """
    dark = dark_ink(light)
    ink = even_light(dark)
    cut = crop(ink)
    small = resize(square(cut), SIDE, SIDE).clip(0, 1)
    found = {"grey": light, "dark ink": dark, "even light": ink, "crop": cut, "28x28": small}
    return found | {"contrast": contrast(small)}


def dark_ink(light):
    """The picture, inverted if its ink is the lighter part: ink is the minority, so brightness is skewed towards it."""
    small = shrink(light, 2 * SIDE)
    return 1 - light if ((small - plane(small)) ** 3).sum() > 0 else light  # without the light from one side


def plane(light, rounds=1):
    """The plane that fits the brightness best: light from one side. Each further round leaves out what lies below."""
    y, x = (grid.ravel() for grid in np.indices(light.shape))
    terms = np.stack([x, y, np.ones_like(x)], axis=1).astype(np.float32)
    fitted = np.full(light.size, -np.inf, np.float32)
    for _ in range(rounds):
        used = light.ravel() >= fitted
        fitted = terms @ np.linalg.lstsq(terms[used], light.ravel()[used], rcond=None)[0] - 1e-4
    return fitted.reshape(light.shape)


def even_light(light):
    """How much ink is where: the share of the paper's brightness that is missing; float32 [h, w], 0 paper to 1.

    The paper is what a grey closing leaves (each pixel takes the lightest of its surroundings, then the darkest of
    those): strokes narrower than a third of the picture vanish, light and shadow stay. DataError where all is paper.
    """
    small = shrink(light, 2 * SIDE)
    window = max(3, max(small.shape) // 3)
    slope = plane(small, rounds=4)  # above the ink, so on the paper
    closed = ndimage.grey_closing(small - slope, size=(window, window), mode="nearest")
    blank = resize(slope + ndimage.gaussian_filter(closed, window / 4, mode="nearest"), *light.shape)
    ink = ((blank - light) / np.maximum(blank, DARKEST)).clip(0, 1)
    if shrink(ink, 128).max() < FAINTEST:
        raise DataError("is blank: no ink stands out from the paper; expected a picture of one character")
    return ink


def crop(ink):
    """Cut to the smallest box that holds all pieces of ink but specks; twice, since the first look is a coarse one."""
    for _ in range(2):
        small = shrink(ink, 128)
        (level, spread), full = paper(small), small.max()
        faint = min(max(0.1 * full, level + 5 * spread), 0.4 * full)
        pieces, count = ndimage.label(small > faint, np.ones((3, 3)))  # numbered from 1; 0 is paper
        dark = ndimage.maximum(small, pieces, range(count + 1)) > 0.4 * full
        areas = np.bincount(pieces.ravel(), minlength=count + 1) * dark
        places = np.argwhere((areas > SPECK * areas.max())[pieces])
        scale = np.divide(ink.shape, small.shape)
        top, left = (places.min(axis=0) * scale).astype(int)
        bottom, right = np.ceil((places.max(axis=0) + 1) * scale).astype(int)
        ink = ink[top:bottom, left:right]
    if areas.max() < BLOT * small.size:
        raise DataError("holds specks and no strokes: expected a picture of one character, with little around it")
    return ink


def paper(ink):
    """How much ink the paper itself seems to have (its texture and noise): median, and median distance from it."""
    blank = ink[ink < np.percentile(ink, 99) / 2]
    level = np.median(blank) if len(blank) else 0
    return level, np.median(np.abs(blank - level)) if len(blank) else 0


def square(ink):
    """Fill the shorter side up with paper, equally on both sides; KMNIST has no margin along the longer one."""
    missing = max(ink.shape) - np.array(ink.shape)
    return np.pad(ink, [(length // 2, length - length // 2) for length in missing])


def contrast(ink):
    """Stretch ink [28, 28] so that paper is 0 and full ink 255, as in KMNIST; uint8."""
    full, (level, spread) = max(np.percentile(ink, 99), 1e-3), paper(ink)
    return np.rint(255 * ((ink - level - spread) / (full - level - spread)).clip(0, 1)).astype(np.uint8)


def resize(array, height, width, resample="BICUBIC"):
    """Resize float32 [h, w]; smaller pictures are averaged (anti-aliased), larger ones interpolated."""
    picture = Image.fromarray(np.asarray(array, np.float32))
    return np.asarray(picture.resize((width, height), Image.Resampling[resample]))


def shrink(array, side):
    """Average float32 [h, w] down so that its longer side is at most `side` pixels; smaller ones are left alone."""
    longer = max(array.shape)
    height, width = (max(1, round(length * min(side, longer) / longer)) for length in array.shape)
    return resize(array, height, width, "BOX")


def pixels(picture):
    """The pixels of anything that `prepare` takes, as `brightness` takes them. DataError."""
    if isinstance(picture, Image.Image):
        return pixels_of(picture)
    if isinstance(picture, (str, os.PathLike)):
        try:
            picture = Path(picture).read_bytes()
        except OSError as error:
            raise DataError(f"cannot be read ({error.strerror}): name a file that holds a picture") from None
    if not isinstance(picture, bytes):
        return np.asarray(picture)
    if not picture:
        raise DataError("is empty (0 bytes): save or copy the picture again")
    Image.init()
    try:
        with warnings.catch_warnings(action="ignore"):
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(picture), formats=[name for name in FORMATS if name in Image.OPEN]) as opened:
                opened.draft("L", (WORKING, WORKING))  # a JPEG can be decoded at an eighth of its size
                return pixels_of(ImageOps.exif_transpose(opened))
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        what = f"would unpack to more than {Image.MAX_IMAGE_PIXELS:,} pixels: cut the character out, or scale it down"
    except UnidentifiedImageError:
        what = "is not a picture that can be read: save it as PNG, JPEG, GIF, BMP, TIFF or WebP"
    except Exception as error:  # decoders raise nearly everything on damaged files
        what = f"is truncated or damaged ({error}): save or copy the picture again"
    raise DataError(what)


def pixels_of(image):
    """The pixels of a Pillow image of any mode: [h, w], grey of any depth, or [h, w, 4]."""
    if image.mode in ("I", "F") or image.mode.startswith("I;"):  # 16 or 32 bits
        return np.asarray(image)
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        return np.asarray(image.convert("RGBA"))
    return np.asarray(image.convert("RGB").convert("L"))


def brightness(array):
    """The brightness in an array as `prepare` takes it, laid on white paper: float32 [h, w] from 0 to 1. DataError."""
    size, channels = array.shape[:2], array.shape[2:]
    if array.dtype.kind not in "buif" or array.ndim < 2 or array.size == 0 or channels not in ((), (1,), (3,), (4,)):
        found = f"is an array {array.dtype} {list(array.shape)}"
        raise DataError(f"{found}, expected numbers [h, w], [h, w, 3] or [h, w, 4]: give one picture at a time")
    if max(size) < SMALLEST:
        raise DataError(f"is {size[1]} x {size[0]} pixels, expected at least {SMALLEST} along one side")
    most = 255 if array.dtype == np.uint8 else float(array.max())
    values = array.astype(np.float32) / (max(1, most) if np.isfinite(most) else 1)
    colour = channels in ((3,), (4,))
    light = values[..., :3] @ np.array([0.299, 0.587, 0.114], np.float32) if colour else values.reshape(size)
    if channels == (4,):
        opaque = values[..., 3]
        light = opaque * light + 1 - opaque
        if np.ptp(light) < FAINTEST / 2 < np.ptp(opaque):  # white ink on nothing: what is opaque is the ink
            light = 1 - opaque
    if not np.isfinite(light).all():
        raise DataError("holds values that are not finite numbers: replace them by the brightness of the paper")
    light = light - min(0, light.min())
    return light / max(1, light.max())
