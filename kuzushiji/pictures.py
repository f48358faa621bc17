"""From any picture of one character to 28x28, as CODH prepared KMNIST; notebook 04 shows every step and measures it.

What KMNIST is like, measured on its training images: ink is light on a black ground; the longer side of the ink spans
all 28 pixels; the shorter one lies in the middle, with its proportion kept; the paper is exactly 0 and the ink 255.
"""

import io
import warnings
from pathlib import Path

import numpy as np

from .errors import DataError

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

    `picture` is a path, the bytes of a file, an open binary file, a Pillow image, or an array: [h, w] or [h, w, 1]
    grey, [h, w, 3] RGB, [h, w, 4] RGBA; bool, integers, or floats from 0 to 1. Ink may be darker or lighter than the
    paper. Raises DataError for what is no picture, is damaged, too large, too small or blank.
    """
    return prepare_with_note(picture)[0]


def prepare_with_note(picture):
    """As `prepare`; returns the image and a note, which says where only the first of several frames was used."""
    light, name, note = load_grey(picture)
    try:
        return steps(light)["contrast"], note
    except DataError as error:
        raise DataError(f"{name} {error}") from error


def steps(light):
    """Every step from a grey picture (float32 [h, w], 0 black to 1 white) to KMNIST's manner, by name, in order.

    "grey" and "dark ink" are brightness from 0 to 1, "even light" and "crop" ink from 0 to 1, "28x28" the same resized
    and "contrast" the result, uint8 [28, 28]. Raises DataError where there is no ink.
    """
    found = {"grey": light, "dark ink": dark_ink(light)}
    found["even light"] = even_light(found["dark ink"])
    found["crop"] = crop(found["even light"])
    found["28x28"] = resize(square(found["crop"]), SIDE, SIDE).clip(0, 1)
    found["contrast"] = contrast(found["28x28"])
    return found


def dark_ink(light):
    """The picture, inverted if its ink is the lighter part: ink is the minority, whatever the light on the paper.

    The skewness of the brightness tells it, after the plane that fits best (light from one side) is taken away.
    """
    small = shrink(light, 2 * SIDE)
    return 1 - light if ((small - plane(small)) ** 3).sum() > 0 else light


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
    those): strokes narrower than a third of the picture vanish, light and shadow stay. Raises DataError where all is
    paper.
    """
    from scipy.ndimage import gaussian_filter, grey_closing

    small = shrink(light, 2 * SIDE)
    window = max(3, max(small.shape) // 3)
    slope = plane(small, rounds=4)  # above the ink, so on the paper
    closed = grey_closing(small - slope, size=(window, window), mode="nearest")
    blank = resize(slope + gaussian_filter(closed, window / 4, mode="nearest"), *light.shape)
    ink = ((blank - light) / np.maximum(blank, DARKEST)).clip(0, 1)
    if shrink(ink, 128).max() < FAINTEST:
        raise DataError("is blank: no ink stands out from the paper; expected a picture of one character")
    return ink


def crop(ink):
    """Cut to the smallest box that holds all pieces of ink but specks; twice, since the first look is a coarse one."""
    from scipy.ndimage import find_objects, label, maximum

    for _ in range(2):
        small = shrink(ink, 128)
        (level, spread), full = paper(small), small.max()
        faint = min(max(0.1 * full, level + 5 * spread), 0.4 * full)
        pieces, count = label(small > faint, np.ones((3, 3)))
        dark = maximum(small, pieces, np.arange(1, count + 1)) > 0.4 * full
        areas = np.bincount(pieces.ravel(), minlength=count + 1)[1:] * dark
        boxes = [box for box, area in zip(find_objects(pieces), areas, strict=True) if area > SPECK * areas.max()]
        sides = []
        for axis in (0, 1):
            scale = ink.shape[axis] / small.shape[axis]
            first, last = min(box[axis].start for box in boxes), max(box[axis].stop for box in boxes)
            sides.append(slice(int(first * scale), int(np.ceil(last * scale))))
        ink = ink[tuple(sides)]
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
    height, width = ink.shape
    above, left = (max(ink.shape) - height) // 2, (max(ink.shape) - width) // 2
    filled = np.zeros((max(ink.shape), max(ink.shape)), np.float32)
    filled[above : above + height, left : left + width] = ink
    return filled


def contrast(ink):
    """Stretch ink [28, 28] so that paper is 0 and full ink 255, as in KMNIST; uint8."""
    full, (level, spread) = max(np.percentile(ink, 99), 1e-3), paper(ink)
    return np.rint(255 * ((ink - level - spread) / (full - level - spread)).clip(0, 1)).astype(np.uint8)


def resize(array, height, width):
    """Resize float32 [h, w]; smaller pictures are averaged (anti-aliased), larger ones interpolated."""
    from PIL import Image

    return np.asarray(Image.fromarray(np.asarray(array, np.float32)).resize((width, height), Image.Resampling.BICUBIC))


def shrink(array, side):
    """Average float32 [h, w] down so that its longer side is at most `side` pixels; smaller ones are left alone."""
    from PIL import Image

    if max(array.shape) <= side:
        return np.asarray(array, np.float32)
    height, width = (max(1, round(n * side / max(array.shape))) for n in array.shape)
    return np.asarray(Image.fromarray(np.asarray(array, np.float32)).resize((width, height), Image.Resampling.BOX))


def load_grey(picture):
    """Decode a picture (see `prepare`) to its brightness, float32 [h, w] from 0 to 1; returns also its name and a note.

    Transparent parts are white paper; EXIF rotation is applied; of several frames the first is taken. Raises DataError.
    """
    from PIL import Image

    name, note = "the picture", ""
    if isinstance(picture, (str, Path)):
        name = str(picture)
    if isinstance(picture, Image.Image):
        light = grey_of_image(picture)
    elif isinstance(picture, (str, Path, bytes, bytearray)) or hasattr(picture, "read"):
        light, note = decode(picture, name)
    else:
        light = grey_of_array(picture)
    height, width = light.shape
    if max(light.shape) < SMALLEST:
        raise DataError(
            f"{name} is {width} x {height} pixels, expected at least {SMALLEST} along one side: take a larger picture"
        )
    if not np.isfinite(light).all():
        raise DataError(f"{name} holds values that are not finite numbers: replace them by the brightness of the paper")
    light = light - min(0, light.min())
    light = light / max(1, light.max())
    return shrink(light.astype(np.float32), WORKING), name, note


def decode(source, name):
    """The brightness in a picture file (path, bytes or open binary file), and a note about its frames."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    Image.init()
    known = [file_format for file_format in FORMATS if file_format in Image.OPEN]
    try:
        source = checked(source)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(source, formats=known) as opened:
                frames = getattr(opened, "n_frames", 1)
                opened.draft("L", (WORKING, WORKING))  # a JPEG can be decoded at an eighth of its size
                return grey_of_image(ImageOps.exif_transpose(opened)), f"first of {frames} frames" * (frames > 1)
    except DataError as error:
        raise DataError(f"{name} {error}") from error
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise DataError(
            f"{name} would unpack to more than {Image.MAX_IMAGE_PIXELS:,} pixels: expected a picture of one character; "
            "cut it out or scale it down"
        ) from error
    except UnidentifiedImageError as error:
        raise DataError(
            f"{name} is not a picture that can be read: expected PNG, JPEG, GIF, BMP, TIFF or WebP; save HEIC, SVG, "
            "PDF and others as one of these"
        ) from error
    except Exception as error:  # decoders raise nearly everything on damaged files
        if isinstance(error, OSError) and error.errno:
            raise DataError(f"{name} cannot be read ({error.strerror}): correct that first") from error
        raise DataError(f"{name} is truncated or damaged ({error}): save or copy the picture again") from error


def checked(source):
    """What Pillow can open: the path, or a stream of the bytes; raises DataError where nothing can be read."""
    if isinstance(source, (str, Path)):
        path = Path(source)
        if not path.exists():
            raise DataError("does not exist: check the path")
        if not path.is_file():
            raise DataError("is not a file: name pictures, not folders")
        size = path.stat().st_size
    else:
        path = source if isinstance(source, (bytes, bytearray)) else source.read()
        path, size = io.BytesIO(path), len(path)
    if size == 0:
        raise DataError("is empty (0 bytes): save or copy the picture again")
    return path


def grey_of_image(picture):
    """The brightness of a Pillow image of any mode: float32 [h, w]; 0 to 1, or to more where the mode has no limit."""
    if picture.mode in ("I", "F") or picture.mode.startswith("I;"):  # 16 or 32 bits, often with fewer in use
        values = np.asarray(picture).astype(np.float32)
        return values / max(np.abs(values).max(initial=0), 1e-30)
    if picture.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        return over_white_paper(np.asarray(picture, np.float32) / 255)
    picture = picture.getchannel(0) if picture.mode == "LAB" else picture.convert("RGB")
    return np.asarray(picture.convert("L"), np.float32) / 255


def grey_of_array(array):
    """The brightness in an array as `prepare` takes it: float32 [h, w] from 0 to 1. Raises DataError for others."""
    array = np.asarray(array)
    if array.dtype.kind not in "buif" or array.ndim not in (2, 3) or array.shape[2:] not in ((), (1,), (3,), (4,)):
        raise DataError(
            f"the picture is an array {array.dtype} {list(array.shape)}, expected numbers [h, w] (grey), [h, w, 3] "
            "(RGB) or [h, w, 4] (RGBA): give one picture at a time"
        )
    if array.size == 0:
        raise DataError(f"the picture is an array {list(array.shape)} without pixels: expected one character")
    most = array.max()
    full = 255 if array.dtype == np.uint8 else max(1.0, float(most)) if np.isfinite(most) else 1.0
    values = array.astype(np.float32) / full
    if array.ndim == 2 or array.shape[2] == 1:
        return values.reshape(array.shape[:2])
    return over_white_paper(values)


def over_white_paper(colours):
    """The brightness of float32 [h, w, 3 or 4], RGB or RGBA from 0 to 1, laid on white paper.

    White ink on nothing would vanish there; then what is opaque is the ink.
    """
    light = colours[..., :3] @ np.array([0.299, 0.587, 0.114], np.float32)
    if colours.shape[2] == 3:
        return light
    opaque = colours[..., 3]
    light = opaque * light + 1 - opaque
    return 1 - opaque if np.ptp(light) < FAINTEST / 2 < np.ptp(opaque) else light
