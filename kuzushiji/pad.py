"""A drawing pad for notebooks: draw a kana with mouse, pen or finger, and see at once what a network reads."""

import base64
import io
from pathlib import Path

import anywidget
import matplotlib.pyplot as plt
import numpy as np
from PIL import Image, ImageDraw
from traitlets import Dict, Float, List, TraitError, Unicode, observe, validate

from .figures import INK, QUIET
from .reading import percent

SIDE = 140  # pixels of the picture that is read, each way: five times those of Kuzushiji-MNIST
OVER = 0.2  # how far a stroke may run over the edge, as a share of the side; pad.js cuts there too
FINER = 4  # the ink is drawn so many times larger, then shrunk: soft edges
INVITATION = "Draw one kana."


class DrawingPad(anywidget.AnyWidget):
    """A square of white paper to draw on, with the buttons undo and clear and, below it, what `read` makes of it.

        pad = DrawingPad(read)
        pad                       # as the last line of a cell: shows the pad

    `read` takes the picture, uint8 [140, 140] with dark ink (0) on white paper (255), and returns something with two
    attributes: `kana`, a list of (character, romaji, probability 0 to 1) with the most likely first, and `rejected`,
    true where the picture is none of them. It is called after every stroke, never for blank paper; an error that it
    raises is shown in the place of the reading, and kept as `pad.error`. `brush` is the width of a stroke as a share
    of the pad's side, 0.01 to 0.3. Raises TypeError where `read` cannot be called, ValueError for another brush.

    Everything can be done without a mouse: the buttons take the keyboard's focus, `pad.image = array` puts a picture
    on the paper and reads it, `pad.strokes = [...]` draws. `pad.picture()` draws the pad as a figure, for those who do
    not run the notebook.
    """

    _esm = Path(__file__).with_name("pad.js")
    _css = Path(__file__).with_name("pad.css")

    strokes = List(
        help="the strokes in order, each a list of points (x, y) as shares of the pad's side, (0, 0) upper left; "
        "a stroke over the edge may reach from -0.2 to 1.2. Assign a whole list; a bad one raises traitlets.TraitError."
    ).tag(sync=True)
    brush = Float(0.07, read_only=True, help="width of a stroke as a share of the pad's side").tag(sync=True)
    _paper = Unicode(help="the picture given as `image`, as a data URL; empty for white paper").tag(sync=True)
    _answer = Dict(help="the two lines of the reading, and its number").tag(sync=True)

    def __init__(self, read, brush=0.07):
        if not callable(read):
            raise TypeError(f"read is {type(read).__name__}, expected a function that reads a picture")
        if not 0.01 <= brush <= 0.3:
            raise ValueError(f"brush is {brush}, expected a share of the pad's side from 0.01 to 0.3")
        self.read, self.reading, self.error = read, None, None
        self._given = None  # the picture given as `image`, fitted to the pad
        self._seen = ([], "")  # the strokes and the paper that were read last
        super().__init__(_answer={"first": INVITATION, "rest": "", "number": 0})
        self.set_trait("brush", float(brush))

    @property
    def image(self):
        """The picture on the pad: uint8 [140, 140], dark ink (0) on white paper (255).

        Assign uint8 [height, width] of any size to put it in the place of what is there, as `fitted` does.
        """
        paper = self._given if self._paper else np.full((SIDE, SIDE), 255, np.uint8)
        return np.minimum(paper, ink(self.strokes, self.brush))

    @image.setter
    def image(self, image):
        self._given, png = fitted(image), io.BytesIO()
        Image.fromarray(self._given).save(png, "PNG")
        with self.hold_trait_notifications():
            self.strokes = []
            self._paper = "data:image/png;base64," + base64.b64encode(png.getvalue()).decode()

    def clear(self):
        """Take a new sheet of paper."""
        with self.hold_trait_notifications():
            self.strokes = []
            self._paper = ""

    def picture(self, ax=None):
        """Draw the pad and its reading with matplotlib, in `ax` where one is given; returns the figure."""
        if ax is None:
            _, ax = plt.subplots(figsize=(2.6, 3.1))
        ax.imshow(self.image, cmap="gray", vmin=0, vmax=255, extent=(0, 1, 1, 0))
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set(visible=True, color=QUIET)
        for line, down, size in (("first", 6, 13), ("rest", 27, 8)):
            place = {"xytext": (0, -down), "textcoords": "offset points", "xycoords": "axes fraction", "va": "top"}
            ax.annotate(self._answer[line], (0, 0), color=INK, fontsize=size, **place)
        return ax.figure

    def __repr__(self):
        return f"DrawingPad: {self._answer['first']}"

    @validate("strokes")
    def _valid_strokes(self, proposal):
        # TraitError is the one error on which traitlets puts the old value back.
        try:
            strokes = [np.asarray(stroke, dtype=float) for stroke in proposal["value"]]
        except (TypeError, ValueError):
            raise TraitError("a stroke is not a list of points (x, y)") from None
        for stroke in strokes:
            if stroke.ndim != 2 or stroke.shape[0] == 0 or stroke.shape[1] != 2:
                raise TraitError(f"a stroke has shape {stroke.shape}, expected a list of points (x, y)")
            if not ((stroke >= -OVER) & (stroke <= 1 + OVER)).all():  # nan is caught too
                raise TraitError(f"a stroke leaves the pad: its points are shares of the side, {-OVER} to {1 + OVER}")
        return [stroke.tolist() for stroke in strokes]

    @observe("strokes", "_paper")
    def _look(self, _):
        now = (self.strokes, self._paper)
        if now == self._seen:  # both changed at once, and this is the second notice
            return
        self._seen, self.reading, self.error = now, None, None
        first, rest = INVITATION, ""
        if self.strokes or self._paper:
            try:
                self.reading = self.read(self.image)
                first, rest = lines(self.reading)
            except Exception as error:  # nobody could catch it while a message of the browser is handled
                self.error = error
                first, rest = "could not be read", str(error) or type(error).__name__
        self._answer = {"first": first, "rest": rest, "number": self._answer["number"] + 1}


def ink(strokes, brush, side=SIDE):
    """Strokes (lists of points) of the width `brush`, all in shares of the side: uint8 [side, side], ink 0 on 255."""
    scale, radius = side * FINER, brush * side * FINER / 2
    page = Image.new("L", (scale, scale), 255)
    draw = ImageDraw.Draw(page)
    for stroke in strokes:
        points = [(x * scale - 0.5, y * scale - 0.5) for x, y in stroke]  # pixel 0 spans 0 to 1, its middle is 0.5
        draw.line(points, fill=0, width=round(2 * radius))
        for x, y in points:
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=0)
    return np.asarray(page.resize((side, side), Image.Resampling.BOX))


def fitted(image, side=SIDE):
    """Fit a grey picture, uint8 [height, width], into a square as uint8 [side, side], ink dark on light paper.

    Proportions are kept and the rest filled with the picture's own paper, the median of its border; where that is
    dark, the picture is inverted. Raises ValueError for anything but a grey uint8 picture.
    """
    image = np.asarray(image)
    if image.dtype != np.uint8 or image.ndim != 2 or 0 in image.shape:
        raise ValueError(f"the picture is {image.dtype} {list(image.shape)}, expected grey uint8 [height, width]")
    paper = np.median(np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]]))
    if paper < 128:
        image, paper = 255 - image, 255 - paper
    height, width = (max(1, round(length * side / max(image.shape))) for length in image.shape)
    small = Image.fromarray(image).resize((width, height), Image.Resampling.LANCZOS)
    page = Image.new("L", (side, side), int(paper))
    page.paste(small, ((side - width) // 2, (side - height) // 2))
    return np.asarray(page)


def lines(reading):
    """The two lines that say what was read: the most likely kana or "unknown", and what comes next."""
    kana = [f"{character} {romaji} {percent(probability)}" for character, romaji, probability in reading.kana[:3]]
    if reading.rejected:
        return "unknown", "nearest: " + ", ".join(kana)
    return kana[0], "then " + ", ".join(kana[1:])
