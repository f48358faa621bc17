"""The look of the figures: a Japanese font, a palette, image grids, maps with pictures, and alt text."""

import io
import os
from pathlib import Path

import matplotlib.font_manager
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.offsetbox import AnnotationBbox, OffsetImage

from .data import CHECKOUT, kmnist_source

JAPANESE_FONT = "IPAexGothic"
# Near Paul Tol's "muted" scheme, made to be told apart with any colour vision, but searched for at least 3 to 1 on
# white too, as thin strokes need it: tests/test_colours.py measures both.
PALETTE = (
    "#32218B", "#2D70E8", "#10552A", "#B58C0D", "#E0597C",
    "#AB4899", "#3CA392", "#816E2A", "#7D2C53", "#222222",
)  # fmt: skip
INK = "#222222"
ACCENT = "#C1440E"  # the vermilion of a seal: the one thing a figure wants to be seen
QUIET = "#9AA0A6"
GENERATED = "generated images, not KMNIST"


def use_style():
    """Set matplotlib's defaults for the series and register the Japanese font.

    Raises RuntimeError where the font is missing: matplotlib would draw other characters in its place.
    """
    import matplotlib_fontja

    matplotlib_fontja.japanize()
    if JAPANESE_FONT not in matplotlib.font_manager.get_font_names():
        raise RuntimeError(f"the font {JAPANESE_FONT} is not registered: install matplotlib-fontja, which brings it")
    plt.rcParams.update(
        {
            "font.family": ["DejaVu Sans", JAPANESE_FONT],
            "figure.dpi": 110,
            "figure.facecolor": "white",  # opaque, so that figures stay readable on a dark page
            "savefig.facecolor": "white",
            "figure.constrained_layout.use": True,
            "axes.titlesize": 11,
            "axes.titlelocation": "left",
            "figure.titlesize": 12,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.prop_cycle": plt.cycler(color=PALETTE),
            "axes.edgecolor": "#777777",
            "text.color": INK,
            "image.cmap": "gray_r",  # ink is dark, paper is light
        }
    )


def show(fig, alt, save=None):
    """Show a figure below the cell with a description for those who cannot see it, and close it.

    `alt` says in a sentence or two what is to be seen. `save` is a file name in img/, written by the maintainers' run
    (`make notebooks`) alone. On eigenkana figure and description say so. Raises ValueError without alt text.
    """
    from IPython.display import Image, display

    if not alt or not alt.strip():
        raise ValueError("a figure needs alt text: say in a sentence what is to be seen in it")
    if kmnist_source() != "kmnist":
        fig.text(0.995, -0.01, GENERATED, ha="right", va="top", fontsize=8, color=ACCENT)  # below all else
        alt += f" ({GENERATED.capitalize()}.)"
    png = small_png(fig)  # once, because a layout that is computed again may move by a pixel
    if save and os.environ.get("KUZUSHIJI_MAINTAIN") == "1":
        (CHECKOUT / "img" / Path(save).name).write_bytes(png)
    display(Image(png), metadata={"image/png": {"alt": alt}})
    plt.close(fig)


def small_png(fig, colours=96, **texts):
    """A figure as the bytes of a PNG with a palette: a third of the size, so that GitHub renders whole notebooks.

    `texts` are stored in the file, by their names.
    """
    from PIL import Image, PngImagePlugin

    stored = PngImagePlugin.PngInfo()
    for name, text in texts.items():
        stored.add_text(name, text)
    buffer = io.BytesIO()
    fig.savefig(buffer, dpi=fig.dpi, bbox_inches="tight")
    with Image.open(buffer) as picture:
        reduced = picture.convert("RGB").quantize(colours, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    reduced.save(buffer, "PNG", optimize=True, pnginfo=stored)
    return buffer.getvalue()


def mosaic(images, columns, gap=2, paper=0):
    """Lay images [n, h, w] out row by row into one array, `gap` pixels of `paper` apart; the last row is padded."""
    images = np.asarray(images)
    n, height, width = images.shape
    rows = -(-n // columns)
    canvas = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap), paper, images.dtype)
    for i, image in enumerate(images):
        top, left = (i // columns) * (height + gap), (i % columns) * (width + gap)
        canvas[top : top + height, left : left + width] = image
    return canvas


def image_grid(images, columns, row_labels=None, column_labels=None, ax=None, gap=2, cmap=None, limits=(0, 255)):
    """Draw images [n, h, w] as a grid in reading order, ink dark on light paper.

    `row_labels` stand left of the rows, `column_labels` above the columns (kana are drawn in the Japanese font);
    `limits` are the values drawn as paper and as full ink; gaps are paper, or 0 where that lies between the two.
    Returns the matplotlib axes. Raises ValueError where the number of labels is not that of the rows or columns.
    """
    images = np.asarray(images)
    n, height, width = images.shape
    rows = -(-n // columns)
    for labels, expected, what in ((row_labels, rows, "rows"), (column_labels, columns, "columns")):
        if labels is not None and len(labels) != expected:
            raise ValueError(f"{len(labels)} labels for {expected} {what}: give one for each")
    if ax is None:
        _, ax = plt.subplots(figsize=(8, 8 * rows * (height + gap) / (columns * (width + gap)) + 0.3))
    paper = 0 if limits[0] < 0 < limits[1] else limits[0]
    ax.imshow(mosaic(images, columns, gap, paper), vmin=limits[0], vmax=limits[1], cmap=cmap)
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    ax.set_yticks(
        np.arange(rows) * (height + gap) + height / 2 - 0.5, [""] * rows if row_labels is None else row_labels
    )
    ax.set_xticks(
        np.arange(columns) * (width + gap) + width / 2 - 0.5, [""] * columns if column_labels is None else column_labels
    )
    ax.xaxis.tick_top()
    return ax


def plot_embedding(points, labels, classmap, ax=None, size=None, title=None, names_each=5, name_size=12):
    """Scatter a two-dimensional map of labelled characters, every large island named by its kana.

    `points` float [n, 2], `labels` int [n], `classmap` as from `load_classmap`; `size` is the area of a dot in square
    points. A class has its colour, and its kana (in `name_size` points) written on up to `names_each` of its islands;
    the axes carry no units because those of most maps mean nothing. Returns the axes. Raises ValueError where the
    lengths disagree.
    """
    points, labels = np.asarray(points), np.asarray(labels)
    if points.shape != (len(labels), 2):
        raise ValueError(f"points have shape {points.shape}, expected ({len(labels)}, 2): one row for each label")
    if ax is None:
        _, ax = plt.subplots(figsize=(8, 8))
    if size is None:
        size = float(np.clip(60000 / len(points), 0.8, 20))
    order = np.random.default_rng(0).permutation(len(points))  # so that no class lies on top of the others
    colours = np.array([PALETTE[label % len(PALETTE)] for label in classmap.index])
    ax.scatter(*points[order].T, s=size, c=colours[labels[order]], linewidths=0, rasterized=True)
    for label, row in classmap.iterrows():
        for x, y in islands(points[labels == label], 0.08 * np.ptp(points, axis=0).max(), names_each):
            ax.text(
                x, y, row["char"], ha="center", va="center", fontsize=name_size,
                bbox={"boxstyle": "round,pad=0.12", "fc": "white", "ec": colours[label], "lw": 1.5, "alpha": 0.9},
            )  # fmt: skip
    ax.set(xticks=[], yticks=[], title=title)
    ax.spines[:].set_visible(False)
    ax.set_aspect("equal", "datalim")
    return ax


def islands(points, radius, most=5, share=0.08):
    """Middles of the dense places of a cloud [n, 2]: at most `most`, each with `share` of the points within `radius`.

    The densest place comes first and is always among them; what lies within 1.5 times the radius of one is not
    looked at again. Returns a list of (x, y), empty for an empty cloud.
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


def draw_images_at(ax, points, images, colours=None, zoom=0.5):
    """Draw each image [n, h, w] at its point [n, 2] of the axes, in its colour (default ink), paper transparent."""
    for i, (point, image) in enumerate(zip(points, images, strict=True)):
        rgba = np.zeros((*image.shape, 4))
        rgba[..., :3] = matplotlib.colors.to_rgb(INK if colours is None else colours[i])
        rgba[..., 3] = image / 255
        ax.add_artist(AnnotationBbox(OffsetImage(rgba, zoom=zoom), point, frameon=False, pad=0))


def draw_network(model, ax):
    """Draw a Keras network from the model itself: a box for each layer that changes the shape of its input.

    A box is as high as its feature map and as wide as its channels (both on a square-root scale); below it stand the
    kind of layer, the output shape and the parameters (batch normalisation counted with its convolution). Each residual
    connection is an arc from the layer whose output is added.
    """
    boxes, box_of, shape, x = [], {}, None, 0.0
    learned = {"parameters": 0}  # the box of the latest layer with parameters
    for layer in model.layers:
        if layer.output.shape != shape or hasattr(layer, "kernel_size"):
            boxes.append({"layer": layer, "parameters": 0})
            learned = boxes[-1] if layer.count_params() else learned
        learned["parameters"] += layer.count_params()
        shape = layer.output.shape
        box_of[id(layer.output)] = len(boxes) - 1
        if type(layer).__name__ == "Add":
            origin, end = (box_of[id(tensor)] for tensor in layer.input)
            boxes[-1]["from"] = min(origin, end)
    for box in boxes:
        shape = box["layer"].output.shape[1:]
        side, depth = (shape[0], shape[-1]) if len(shape) == 3 else (4, shape[-1])
        box |= {"width": 0.12 + depth**0.5 / 26, "height": side**0.5 / 5.3, "text": "x".join(map(str, shape))}
    gap = 0.85
    for box in boxes:
        colour = QUIET if not box["parameters"] else PALETTE[0] if hasattr(box["layer"], "kernel_size") else PALETTE[2]
        box["middle"] = x + box["width"] / 2
        ax.add_patch(plt.Rectangle((x, -box["height"] / 2), box["width"], box["height"], fc=colour, ec=INK, alpha=0.75))
        kind = type(box["layer"]).__name__.replace("InputLayer", "input").replace("GlobalMax", "global max\n")
        kind = kind.replace("Conv2D", "conv").replace("Max", "max ").replace("Pooling2D", "pool").lower()
        size = getattr(box["layer"], "kernel_size", None)
        kind += f" {size[0]}x{size[1]}" if size else ""
        text = f"{kind}\n{box['text']}" + (f"\n{box['parameters']:,}" if box["parameters"] else "")
        ax.text(box["middle"], -0.6, text, ha="center", va="top", fontsize=8)
        x += box["width"] + gap
    for box in boxes:
        if "from" in box:
            start, end = boxes[box["from"]]["middle"], box["middle"]
            arrow = {"arrowstyle": "->", "color": ACCENT, "lw": 1.8, "connectionstyle": "arc3,rad=-0.35"}
            ax.annotate("", (end, box["height"] / 2), (start, boxes[box["from"]]["height"] / 2), arrowprops=arrow)
            ax.text((start + end) / 2, 0.87, "+", color=ACCENT, ha="center", fontsize=14)
    ax.set(xlim=(-0.5, x - gap + 0.5), ylim=(-1.15, 1.05))
    ax.set_axis_off()
    return ax
