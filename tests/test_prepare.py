"""Any picture becomes 28x28 as in KMNIST, or one clear message."""

import io

import numpy as np
import pytest
from PIL import Image

from kuzushiji import DataError, eigenkana
from kuzushiji.prepare import brightness, prepare


def on_paper(image, scale=4, margin=30):
    """Dark ink on white paper, as a scanner might see it: uint8 [h, w]."""
    large = Image.fromarray(255 - image).resize((scale * 28, scale * 28), Image.Resampling.BICUBIC)
    return np.pad(np.array(large), margin, constant_values=255)


def in_colours(grey, ink=(70, 20, 10), paper=(230, 205, 150)):
    share = grey[..., None] / 255
    return np.rint(share * paper + (1 - share) * np.array(ink)).astype(np.uint8)


def saved(picture, file_format, **options):
    buffer = io.BytesIO()
    (picture if isinstance(picture, Image.Image) else Image.fromarray(picture)).save(buffer, file_format, **options)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def images():
    return eigenkana.sample(eigenkana.load_model(), 20, seed=0)[0]


@pytest.fixture
def scan(images):
    """A character on paper, taller than wide so that a rotation shows."""
    return np.pad(on_paper(images[3]), ((0, 40), (0, 0)), constant_values=255)


def with_alpha(grey, ink):
    """Ink of one grey whose opacity is the ink itself; nothing where the paper is."""
    return np.dstack([np.full((*grey.shape, 3), ink, np.uint8), 255 - grey])


TURNED = Image.Exif()
TURNED[0x0112] = 6  # to be turned clockwise by 90 degrees to stand upright
KINDS = {
    "palette PNG": lambda grey: saved(Image.fromarray(in_colours(grey)).quantize(16), "PNG"),
    "12 bits in 16": lambda grey: saved(grey.astype(np.uint16) * 16, "TIFF"),
    "RGBA PNG": lambda grey: saved(with_alpha(grey, 0), "PNG"),
    "white ink on nothing": lambda grey: saved(with_alpha(grey, 255), "PNG"),
    "transparent palette": lambda grey: saved(Image.fromarray(grey > 127).convert("P"), "PNG", transparency=255),
    "JPEG": lambda grey: saved(in_colours(grey), "JPEG", quality=50),
    "turned by EXIF": lambda grey: saved(np.rot90(grey), "JPEG", exif=TURNED),
    "animated GIF": lambda grey: saved(grey, "GIF", save_all=True, append_images=[Image.fromarray(grey[::-1])]),
    "CMYK TIFF": lambda grey: saved(Image.fromarray(in_colours(grey)).convert("CMYK"), "TIFF"),
    "float TIFF": lambda grey: saved(grey.astype(np.float32), "TIFF"),
    "WebP": lambda grey: saved(in_colours(grey), "WEBP"),
    "a Pillow image": Image.fromarray,
    "[h, w, 1]": lambda grey: grey[..., None],
    "float16": lambda grey: (grey / 255).astype(np.float16),
    "a list": lambda grey: grey.tolist(),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_picture_gives_the_same_image(scan, tmp_path, kind):
    picture, reference = KINDS[kind](scan), prepare(scan)
    image = prepare(picture)
    assert image.shape == (28, 28) and image.dtype == np.uint8
    assert np.corrcoef(image.ravel(), reference.ravel())[0, 1] > 0.9
    if isinstance(picture, bytes):
        (tmp_path / "picture").write_bytes(picture)
        assert np.array_equal(prepare(tmp_path / "picture"), image)


FAILURES = {
    "blank": (np.full((200, 200), 255, np.uint8), "blank"),
    "poor light": (np.tile(np.linspace(90, 250, 200), (200, 1)), "blank"),
    "specks": (np.random.default_rng(0).random((60, 60)) > 0.02, "specks"),
    "tiny": (np.zeros((3, 5)), "5 x 3 pixels"),
    "not finite": (np.full((20, 20), np.nan), "not finite"),
    "four axes": (np.zeros((3, 28, 28, 1)), "is an array"),
    "nothing": (None, "is an array"),
    "empty": (b"", "empty"),
    "web page": (b"<!DOCTYPE html><title>404</title>", "not a picture"),
    "PostScript": (saved(Image.new("L", (50, 50)), "EPS"), "not a picture"),
}


@pytest.mark.parametrize("kind", FAILURES)
def test_what_cannot_be_read_is_named(kind):
    picture, fact = FAILURES[kind]
    with pytest.raises(DataError, match=f"^the picture .*{fact}"):
        prepare(picture)


@pytest.mark.parametrize("name", ["none.png", "."])
def test_a_path_that_is_no_file_is_named(tmp_path, name):
    with pytest.raises(DataError, match=f"{tmp_path / name} cannot be read"):
        prepare(tmp_path / name)


@pytest.mark.parametrize("limit", [4_000, 9_000])  # 10,000 pixels are an error for Pillow there, and a warning here
def test_a_picture_of_more_pixels_than_the_limit_is_not_decoded(monkeypatch, limit):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    with pytest.raises(DataError, match=f"more than {limit:,} pixels"):
        prepare(saved(np.eye(100) > 0, "PNG"))


@pytest.mark.parametrize("kind", ["palette PNG", "JPEG", "animated GIF", "12 bits in 16", "WebP"])
def test_a_cut_file_gives_a_message(scan, kind):
    content = KINDS[kind](scan)
    for share in (0.1, 0.4):
        with pytest.raises(DataError, match="truncated or damaged|not a picture"):
            prepare(content[: int(share * len(content))])


def test_kmnist_images_stay_nearly_as_they_are(kmnist):
    """CODH's own framing is what `prepare` aims at, so it may change little of it."""
    images = kmnist["train"][0][::300]
    changed = np.abs(np.array([prepare(image) for image in images]).astype(int) - images).mean(axis=(1, 2))
    assert np.mean(changed < 2) > 0.8


def test_ink_spans_the_image_and_paper_is_black(images):
    for found in (prepare(on_paper(image)) for image in images):
        extents = [np.ptp(np.flatnonzero((found > 60).any(axis=axis))) + 1 for axis in (1, 0)]
        assert max(extents) >= 27 and found.max() == 255 and (found == 0).mean() > 0.2


def test_colours_count_as_the_eye_sees_them_and_transparent_ink_lies_on_white_paper():
    colours = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]]], np.uint8)
    veiled = np.array([[[0, 0, 0, 0], [0, 0, 0, 51], [255, 0, 0, 255]]], np.uint8)
    for pixels, expected in ((colours, [0.299, 0.587, 0.114]), (veiled, [1, 0.8, 0.299])):
        assert brightness(pixels.repeat(9, axis=0))[0] == pytest.approx(expected, abs=1e-6)
