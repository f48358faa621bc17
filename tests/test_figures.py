"""What a wrong picture would mislead about: the right glyph for every kana, images in their places, colours apart."""

import matplotlib
import numpy as np
import pytest

matplotlib.use("Agg")

import matplotlib.pyplot as plt

from kuzushiji import figures, load_classmap
from kuzushiji.datasets import specimen_table

K49, KMNIST = load_classmap("k49"), load_classmap("kmnist")


@pytest.fixture(autouse=True)
def style():
    figures.use_style()
    yield
    plt.close("all")


def drawn(text, **style):
    """The pixels of a text, ink 255."""
    figure = plt.figure(figsize=(1, 1), dpi=60, layout="none")
    figure.text(0.25, 0.25, text, fontsize=30, **style)
    figure.canvas.draw()
    pixels = 255 - np.asarray(figure.canvas.buffer_rgba())[..., 0]
    plt.close(figure)
    return pixels


@pytest.mark.filterwarnings("error")  # matplotlib warns of a missing glyph
def test_every_character_is_drawn_with_the_japanese_font_and_unlike_the_others():
    text = set("".join([*K49["char"], *K49["parent"], *K49["other_parents"], *specimen_table("kmnist")["parent"]]))
    pictures = {char: drawn(char) for char in text - {" "}}
    assert len({picture.tobytes() for picture in pictures.values()}) == len(pictures) > 200
    assert all(np.array_equal(pictures[char], drawn(char, family=figures.JAPANESE_FONT)) for char in K49["char"])


def test_image_grid_puts_every_image_beside_its_label():
    ink = np.zeros((6, 28, 28))
    ink[3] = 255  # second row, first column of three
    ax = figures.image_grid(ink, 3, row_labels=["お", "き"], column_labels=["a", "b", "c"])
    ax.figure.canvas.draw()
    picture = np.asarray(ax.figure.canvas.buffer_rgba())[::-1, :, 0]
    middles = {place: ax.transData.transform((place[1] * 30 + 14, place[0] * 30 + 14)) for place in np.ndindex(2, 3)}
    assert [place for place, (x, y) in middles.items() if picture[int(y), int(x)] < 128] == [(1, 0)]
    assert [30 <= y <= 58 for y in ax.get_yticks()] == [label.get_text() == "き" for label in ax.get_yticklabels()]
    assert [x < 28 for x in ax.get_xticks()] == [label.get_text() == "a" for label in ax.get_xticklabels()]
    with pytest.raises(ValueError, match="labels"):
        figures.image_grid(ink, 3, row_labels=["お"])
    gaps = [figures.image_grid(ink, 3, limits=limits).images[-1].get_array()[0, 28] for limits in ((-2, 2), (-3, -1))]
    assert gaps == [0, -3]


def test_a_map_names_and_colours_every_class_where_it_lies():
    labels, centres = np.repeat(np.arange(10), 50), np.random.default_rng(0).uniform(-50, 50, (10, 2))
    points = centres[labels] + np.random.default_rng(1).normal(0, 0.5, (500, 2))
    ax = figures.plot_embedding(points, labels, KMNIST)
    assert [text.get_text() for text in ax.texts] == list(KMNIST["char"])
    assert np.abs([text.get_position() for text in ax.texts] - centres).max() < 2
    for place, colour in zip(ax.collections[0].get_offsets(), ax.collections[0].get_facecolors(), strict=True):
        label = np.linalg.norm(centres - place, axis=1).argmin()
        assert matplotlib.colors.to_hex(colour) == figures.PALETTE[label].lower()
    with pytest.raises(ValueError, match="one row for each label"):
        figures.plot_embedding(points, labels[1:], KMNIST)


def test_names_that_would_cover_each_other_are_moved_apart_and_the_others_stay():
    places = figures.pushed_apart([(0, 0), (0.2, 0), (50, 50)], distance=4)
    assert np.linalg.norm(places[0] - places[1]) > 3.9 and places[2] == pytest.approx([50, 50])


def test_every_large_island_of_a_kana_is_named_and_no_small_one():
    places = np.repeat([0, 50, 100], [500, 400, 20])[:, None] + np.random.default_rng(0).normal(0, 1, (920, 2))
    assert np.array(figures.islands(places, radius=8)) == pytest.approx(np.array([[0, 0], [50, 50]]), abs=2)


@pytest.mark.parametrize("generated, record", [(False, False), (True, False), (True, True)])
def test_a_figure_of_generated_images_says_so_and_one_of_a_record_does_not(monkeypatch, generated, record):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda image, metadata: shown.append(metadata["image/png"]["alt"]))
    figures.use_style(generated)
    figure = plt.figure()
    figures.show(figure, "an empty figure", record=record)
    figures.use_style()
    assert ("generated images" in shown[0]) == bool(figure.texts) == (generated and not record)
    with pytest.raises(ValueError, match="alt text"):
        figures.show(figure, " ")


def test_text_and_marks_have_contrast_on_white():
    """By WCAG 2.2, whose luminance weighs linear red, green and blue."""
    for colours, least in (((figures.INK, figures.ACCENT, "#555555"), 4.5), (figures.PALETTE, 3)):
        values = np.array([matplotlib.colors.to_rgb(colour) for colour in colours])
        linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
        assert (1.05 / (linear @ [0.2126, 0.7152, 0.0722] + 0.05)).min() >= least
