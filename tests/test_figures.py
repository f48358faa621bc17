"""What a wrong picture would mislead about: the right glyph for every kana, the right image in every place."""

import io

import matplotlib
import matplotlib.font_manager
import numpy as np
import pytest

matplotlib.use("Agg")

import matplotlib.pyplot as plt

from kuzushiji import figures, load_classmap, networks
from kuzushiji.datasets import specimen_table


@pytest.fixture(autouse=True)
def style():
    with matplotlib.rc_context():
        figures.use_style()
        yield
        plt.close("all")


def characters():
    """Every Japanese character that a figure of the series may have to draw."""
    k49 = load_classmap("k49")
    text = "".join(k49["char"]) + "".join(k49["parent"]) + "".join(k49["other_parents"]).replace(" ", "")
    return sorted(set(text + "".join(specimen_table("kmnist")["parent"])))


def japanese_font():
    path = matplotlib.font_manager.findfont(figures.JAPANESE_FONT, fallback_to_default=False)
    return matplotlib.font_manager.get_font(path)


def drawn(text, family):
    """The pixels of a text in a font family, ink 255, cropped to the ink."""
    figure = plt.figure(figsize=(1, 1), dpi=60, layout="none")
    figure.text(0.25, 0.25, text, fontsize=30, ha="left", va="baseline", family=family)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="rgba")
    plt.close(figure)
    ink = 255 - np.frombuffer(buffer.getvalue(), np.uint8).reshape(60, 60, 4)[..., 0]
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def test_the_font_has_a_glyph_for_every_character():
    font = japanese_font()
    assert len(characters()) > 200
    assert [c for c in characters() if font.get_char_index(ord(c)) == 0] == []
    assert font.get_char_index(0x1B000) == 0, "a font that claims every character would make this test useless"


@pytest.mark.parametrize("char", load_classmap("k49")["char"])
def test_labels_are_drawn_with_the_japanese_font_and_no_substitute(char):
    with_style = drawn(char, plt.rcParams["font.family"])
    alone = drawn(char, [figures.JAPANESE_FONT])
    assert with_style.sum() > 20 * 255, "hardly any ink: no character was drawn"
    assert np.array_equal(with_style, alone)


def test_no_two_kana_are_drawn_alike():
    pictures = [drawn(char, plt.rcParams["font.family"]).tobytes() for char in load_classmap("k49")["char"]]
    assert len(set(pictures)) == 49


def test_a_missing_glyph_is_noticed():
    with pytest.warns(UserWarning, match="missing from font"):
        drawn("\U0001b000", [figures.JAPANESE_FONT])


def test_mosaic_reads_like_a_text():
    images = np.arange(1, 6, dtype=np.uint8)[:, None, None] * np.ones((5, 2, 3), np.uint8)
    canvas = figures.mosaic(images, columns=3, gap=1)
    assert canvas.shape == (5, 11)
    assert canvas[0, [0, 4, 8]].tolist() == [1, 2, 3]
    assert canvas[3, [0, 4, 8]].tolist() == [4, 5, 0]
    assert not canvas[2].any() and not canvas[:, 3].any()


def test_image_grid_puts_every_image_beside_its_label():
    ink = np.zeros((6, 28, 28), np.uint8)
    ink[3] = 255  # second row, first column of three
    ax = figures.image_grid(ink, 3, row_labels=["お", "き"], column_labels=["a", "b", "c"])
    ax.figure.canvas.draw()
    picture = np.asarray(ax.figure.canvas.buffer_rgba())[..., 0]
    height = picture.shape[0]

    def darkness(row, column):
        x, y = ax.transData.transform((column * 30 + 13.5, row * 30 + 13.5))
        return 255 - picture[height - 1 - int(y), int(x)]

    assert [(row, column) for row in range(2) for column in range(3) if darkness(row, column) > 128] == [(1, 0)]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["お", "き"]
    label_position = ax.get_yticks()[1]
    assert 30 <= label_position <= 58


@pytest.mark.parametrize("labels", [{"row_labels": ["a"]}, {"column_labels": ["a", "b"]}])
def test_image_grid_refuses_labels_that_do_not_fit(labels):
    with pytest.raises(ValueError, match="labels for"):
        figures.image_grid(np.zeros((6, 28, 28), np.uint8), 3, **labels)


def test_plot_embedding_names_every_class_where_it_lies():
    classmap = load_classmap("kmnist")
    labels = np.repeat(np.arange(10), 50)
    centres = np.random.default_rng(0).uniform(-50, 50, (10, 2))
    points = centres[labels] + np.random.default_rng(1).normal(0, 0.5, (500, 2))
    ax = figures.plot_embedding(points, labels, classmap)
    assert [text.get_text() for text in ax.texts] == list(classmap["char"])
    for label, text in enumerate(ax.texts):
        assert np.linalg.norm(np.array(text.get_position()) - centres[label]) < 2


def test_plot_embedding_colours_every_point_by_its_own_class():
    classmap = load_classmap("kmnist")
    labels = np.arange(10)
    points = np.stack([labels, labels], axis=1).astype(float)
    scatter = figures.plot_embedding(points, labels, classmap).collections[0]
    for (x, _), colour in zip(scatter.get_offsets(), scatter.get_facecolors(), strict=True):
        assert matplotlib.colors.to_hex(colour) == figures.PALETTE[int(x)].lower()


def test_plot_embedding_refuses_points_and_labels_of_different_length():
    with pytest.raises(ValueError, match="one row for each label"):
        figures.plot_embedding(np.zeros((3, 2)), np.zeros(4, int), load_classmap("kmnist"))


def test_show_needs_alt_text():
    with pytest.raises(ValueError, match="alt text"):
        figures.show(plt.figure(), " ")


@pytest.mark.parametrize(
    ("generated", "record", "marked"), [(False, False, False), (True, False, True), (True, True, False)]
)
def test_a_figure_of_generated_images_says_so_and_one_of_a_record_does_not(monkeypatch, generated, record, marked):
    shown = []
    figures.use_style(generated)
    monkeypatch.setattr("IPython.display.display", lambda image, metadata: shown.append(metadata))
    figure = plt.figure()
    figures.show(figure, "an empty figure", record=record)
    assert [text.get_text() for text in figure.texts] == [figures.GENERATED] * marked
    assert (figures.GENERATED.capitalize() in shown[0]["image/png"]["alt"]) == marked
    figures.use_style()


def test_the_look_does_not_depend_on_the_reader_s_matplotlibrc():
    plain = dict(plt.rcParams)
    plt.rcParams.update({"axes.grid": True, "text.usetex": True, "image.origin": "lower", "savefig.dpi": 30})
    figures.use_style()
    assert dict(plt.rcParams) == plain


def test_every_large_island_of_a_kana_is_named_and_no_small_one():
    random = np.random.default_rng(0)
    blobs = [random.normal(centre, 1, (count, 2)) for centre, count in ((0, 500), (50, 400), (100, 20))]
    found = figures.islands(np.concatenate(blobs), radius=8)
    assert len(found) == 2
    assert np.abs(np.array(found) - [[0, 0], [50, 50]]).max() < 2
    assert figures.islands(np.empty((0, 2)), radius=1) == []


def test_a_network_is_drawn_with_its_own_shapes_parameters_and_residual_connections():

    model = networks.residual_network((4, 6, 8))
    _, ax = plt.subplots()
    figures.draw_network(model, ax)
    texts = [text.get_text() for text in ax.texts]
    boxes = [text for text in texts if "\n" in text]
    assert [text.splitlines()[0] for text in boxes] == [
        "input", "conv 3x3", "max pool", *["conv 3x3"] * 3, "max pool", *["conv 3x3"] * 3, "global max", "dense"
    ]  # fmt: skip
    assert "conv 3x3\n14x14x6\n348" in boxes and "dense\n10\n90" in boxes
    assert "conv 3x3\n28x28x4\n52" in boxes, "its batch normalisation comes after the pooling"
    last_lines = [text.splitlines()[-1] for text in boxes if text.count("\n") == 2 and "pool" not in text]
    counted = [int(line.replace(",", "")) for line in last_lines]
    assert sum(counted) == model.count_params()
    assert texts.count("+") == 2


def test_a_drawn_network_puts_larger_maps_into_higher_boxes():
    import keras

    kinds = keras.layers.Conv2D(32, 3), keras.layers.Conv2D(64, 3), keras.layers.MaxPooling2D()
    dense = keras.layers.Flatten(), keras.layers.Dense(128), keras.layers.Dense(10)
    _, ax = plt.subplots()
    figures.draw_network(keras.Sequential([keras.Input((28, 28, 1)), *kinds, *dense]), ax)
    heights = [patch.get_height() for patch in ax.patches]
    assert heights[0] > heights[1] > heights[2] > heights[3] == heights[4]
    widths = [patch.get_width() for patch in ax.patches]
    assert max(widths) == widths[3], "9,216 numbers make the widest box"


def test_the_gaps_of_a_grid_are_paper_or_zero():
    for limits, expected in (((0, 255), 0), ((0, 1), 0), ((-2, 2), 0), ((-3, -1), -3)):
        ax = figures.image_grid(np.full((2, 4, 4), limits[1], float), 2, limits=limits)
        assert ax.images[0].get_array()[0, 4] == expected
