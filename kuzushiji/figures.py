"""The look of the figures: a Japanese font, a palette, image grids, maps with pictures, and alt text."""

import io

import matplotlib.font_manager
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.offsetbox import AnnotationBbox, OffsetImage
from matplotlib.patheffects import withStroke
from PIL import Image, PngImagePlugin

JAPANESE_FONT = "IPAexGothic"
# Near Paul Tol's "muted" scheme, made to be told apart with any colour vision, but searched for at least 3 to 1 on
# white too, as thin strokes need it.
PALETTE = ["#32218B", "#2D70E8", "#10552A", "#B58C0D", "#E0597C", "#AB4899", "#3CA392", "#816E2A", "#7D2C53", "#222222"]
INK = "#222222"
ACCENT = "#C1440E"  # the vermilion of a seal: the one thing a figure wants to be seen
QUIET = "#9AA0A6"
GENERATED = "generated images, not KMNIST"
stamp = ""  # what `use_style` was told to print on every figure


def use_style(generated=False):
    """Set matplotlib's defaults for the series, whatever the reader's own, and register the Japanese font.

    With `generated`, `show` stamps every figure as one of generated images.
    """
    import matplotlib_fontja

    global stamp
    stamp = GENERATED if generated else ""
    matplotlib.rcdefaults()  # grid lines through the images, LaTeX and other habits of a matplotlibrc
    matplotlib_fontja.japanize()
    plt.rc("font", family=["DejaVu Sans", JAPANESE_FONT])
    plt.rc("text", color=INK)
    plt.rc(("figure", "savefig"), facecolor="white")  # opaque, so that figures stay readable on a dark page
    plt.rc("figure", dpi=110, titlesize=12)
    plt.rc("figure.constrained_layout", use=True)
    plt.rc("axes", titlesize=11, titlelocation="left", edgecolor="#777777", prop_cycle=plt.cycler(color=PALETTE))
    plt.rc("axes.spines", top=False, right=False)
    plt.rc("image", cmap="gray_r")  # ink is dark, paper is light


def show(fig, alt, record=False):
    """Show a figure below the cell with a description for those who cannot see it, and close it.

    `alt` says in a sentence or two what is to be seen. Where the images are generated, figure and description say so,
    but not with `record`: a figure drawn from recorded figures shows those of KMNIST. Raises ValueError without alt
    text.
    """
    from IPython import display

    if not alt or not alt.strip():
        raise ValueError("a figure needs alt text: say in a sentence what is to be seen in it")
    if stamp and not record:
        fig.text(0.995, -0.01, stamp, ha="right", va="top", fontsize=8, color=ACCENT)  # below all else
        alt += f" (In this run: {stamp}.)"
    display.display(display.Image(small_png(fig)), metadata={"image/png": {"alt": alt}})
    plt.close(fig)


def small_png(fig, colours=96, **texts):
    """A figure as the bytes of a PNG with a palette, a third of the size, and with `texts` stored in it by name."""
    stored, drawn, reduced = PngImagePlugin.PngInfo(), io.BytesIO(), io.BytesIO()
    for name, text in texts.items():
        stored.add_text(name, text)
    fig.savefig(drawn, dpi=fig.dpi, bbox_inches="tight")
    with Image.open(drawn) as picture:
        palette_picture = picture.convert("RGB").quantize(colours, dither=Image.Dither.NONE)
        palette_picture.save(reduced, "PNG", optimize=True, pnginfo=stored)
    return reduced.getvalue()


def mosaic(images, columns, gap=2, paper=0):
    """Lay images [n, h, w] out row by row into one array, `gap` pixels of `paper` apart; the last row is padded."""
    tiles = np.pad(images, ((0, -len(images) % columns), (0, gap), (0, gap)), constant_values=paper)
    _, height, width = tiles.shape
    canvas = tiles.reshape(-1, columns, height, width).swapaxes(1, 2).reshape(-1, columns * width)
    return canvas[: len(canvas) - gap, : columns * width - gap]


def image_grid(images, columns, row_labels=None, column_labels=None, ax=None, gap=2, cmap=None, limits=(0, 255)):
    """Draw images [n, h, w] as a grid in reading order, ink dark on light paper.

    `row_labels` stand left of the rows, `column_labels` above the columns, one for each, else ValueError; `limits` are
    the values drawn as paper and as full ink; gaps are paper, or 0 where that lies between the two. Returns the axes.
    """
    n, height, width = np.asarray(images).shape
    rows, tall, wide = -(-n // columns), height + gap, width + gap
    ax = plt.gca() if ax is None else ax
    paper = 0 if limits[0] < 0 < limits[1] else limits[0]
    ax.imshow(mosaic(images, columns, gap, paper), vmin=limits[0], vmax=limits[1], cmap=cmap)
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    ax.set_yticks(np.arange(rows) * tall + height / 2 - 0.5, [] if row_labels is None else row_labels)
    ax.set_xticks(np.arange(columns) * wide + width / 2 - 0.5, [] if column_labels is None else column_labels)
    ax.xaxis.tick_top()
    return ax


def plot_embedding(points, labels, classmap, ax=None, size=None, names_each=5, name_size=14):
    """Scatter a two-dimensional map of labelled characters, every large island named by its kana.

    `points` float [n, 2], `labels` int [n], else ValueError, `classmap` as from `load_classmap`; `size` is the area of
    a dot in square points. A class has its colour, and its kana (in `name_size` points, with a white rim) on up to
    `names_each` of its islands; the axes carry no units, as those of most maps mean nothing. Returns the axes.
    """
    points, labels = np.asarray(points), np.asarray(labels)
    if points.shape != (len(labels), 2):
        raise ValueError(f"points have shape {points.shape}, expected ({len(labels)}, 2): one row for each label")
    ax = plt.gca() if ax is None else ax
    size = np.clip(150000 / len(points), 3.5, 20) if size is None else size  # one pixel has no colour for the eye
    order = np.random.default_rng(0).permutation(len(points))  # so that no class lies on top of the others
    colours = np.resize(PALETTE, len(classmap))
    ax.scatter(*points[order].T, s=size, c=colours[labels[order]], linewidths=0, rasterized=True)
    extent = np.ptp(points, axis=0).max() if len(points) else 1
    names = [
        (label, middle)
        for label in classmap.index
        for middle in islands(points[labels == label], 0.08 * extent, names_each)
    ]
    room = 1.2 * name_size / 72 / (ax.get_window_extent().width / ax.figure.dpi) * extent  # the size of a name
    rim = [withStroke(linewidth=0.35 * name_size, foreground="white")]
    for (label, _), place in zip(names, pushed_apart([middle for _, middle in names], room), strict=True):
        style = {"color": colours[label], "fontsize": name_size, "path_effects": rim}
        ax.text(*place, classmap["char"][label], ha="center", va="center", **style)
    ax.set(xticks=[], yticks=[], aspect="equal", adjustable="datalim")
    ax.spines[:].set_visible(False)
    return ax


def pushed_apart(places, distance, rounds=50):
    """Places [n, 2], moved as little as it takes until hardly two are nearer than `distance`."""
    places = np.array(places, float).reshape(-1, 2)
    for _ in range(rounds):
        apart = places[:, None] - places
        length = np.linalg.norm(apart, axis=2) + 1e-9
        push = 0.25 * np.clip(distance - length, 0, None) / length
        places = places + (push[..., None] * apart).sum(axis=1)
    return places


def islands(points, radius, most=5, share=0.08):
    """Middles (x, y) of the densest places of a cloud [n, 2]: at most `most`, farther than 1.5 times `radius` apart.

    All but the first have `share` of the points within `radius`. Returns a list, empty for an empty cloud.
    """
    found, rest = [], points
    while len(rest) and len(found) < most:
        counts, x_edges, y_edges = np.histogram2d(*rest.T, bins=24)
        i, j = np.unravel_index(counts.argmax(), counts.shape)
        middle = np.array([x_edges[i] + x_edges[i + 1], y_edges[j] + y_edges[j + 1]]) / 2
        distance = np.linalg.norm(rest - middle, axis=1)
        if found and np.count_nonzero(distance <= radius) < share * len(points):
            break
        found.append(tuple(middle))
        rest = rest[distance > 1.5 * radius]
    return found


def draw_images_at(ax, points, images, colours, zoom=0.5):
    """Draw each image [n, h, w] at its point [n, 2] of the axes, in its colour, paper transparent."""
    for point, image, colour in zip(points, images, colours, strict=True):
        rgba = np.dstack([np.full((*image.shape, 3), matplotlib.colors.to_rgb(colour)), image / 255])
        ax.add_artist(AnnotationBbox(OffsetImage(rgba, zoom=zoom), point, frameon=False, pad=0))
