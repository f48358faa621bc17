"""A drawing pad for notebooks: draw a kana with mouse, pen or finger, and see at once what a network reads."""

import base64
import io
from pathlib import Path

import anywidget
import numpy as np
from PIL import Image, ImageDraw, ImageOps
from traitlets import Dict, Float, List, Tuple, Unicode, observe

from .figures import INK, QUIET

SIDE = 140  # pixels of the picture that is read, each way: five times those of Kuzushiji-MNIST
BRUSH = 0.07  # width of a stroke as a share of the side
PLACE = {"min": -0.2, "max": 1.2}  # of a point, as a share of the side: strokes may run over the edge; pad.js cuts too
FINER = 4  # the ink is drawn so many times larger, then shrunk: soft edges
INVITATION = "Draw one kana."


class DrawingPad(anywidget.AnyWidget):
    """A square of white paper to draw on, with the buttons undo and clear and, below it, what `read` makes of it.

    `pad = DrawingPad(read)`, and `pad` as the last line of a cell shows it.
    `read` takes the picture, uint8 [140, 140] with dark ink (0) on white paper (255), and is called after every stroke,
    never for blank paper. What it returns is kept as `pad.reading` and shown as text: up to the first comma in large
    letters, the rest in small ones. An error that it raises is shown in the place of the reading.

    Everything can be done without a mouse: the buttons take the keyboard's focus, `pad.image = array` puts a picture
    on the paper and reads it, `pad.strokes = [...]` draws: each is a list of points (x, y) as shares of the pad's side,
    -0.2 to 1.2, (0, 0) upper left; a whole new list each time, and traitlets.TraitError for a bad one.
    """

    _esm = Path(__file__).with_name("pad.js")
    _css = Path(__file__).with_name("pad.css")

    strokes = List(List(Tuple(Float(**PLACE), Float(**PLACE)), minlen=1)).tag(sync=True)
    brush = Float(BRUSH, read_only=True).tag(sync=True)
    _paper = Unicode().tag(sync=True)  # the picture given as `image`, as a data URL; empty for white paper
    # The lines of the reading, and a number, so that the browser hears of it where the lines are as before.
    _answer = Dict({"first": INVITATION, "rest": "", "number": 0}).tag(sync=True)

    def __init__(self, read):
        self.read, self.reading, self._seen = read, None, ([], "")
        self._given = None  # the picture given as `image`, fitted to the pad
        super().__init__()

    @property
    def image(self):
        """The picture on the pad: uint8 [140, 140], dark ink (0) on white paper (255).

        Assign uint8 [height, width] of any size to put it in the place of what is there: it keeps its proportions, its
        own paper (the median of its border) fills the rest, and where that is dark, all is inverted. Raises ValueError.
        """
        paper = self._given if self._paper else np.full((SIDE, SIDE), 255, np.uint8)
        return np.minimum(paper, ink(self.strokes))

    @image.setter
    def image(self, image):
        image, png = np.asarray(image), io.BytesIO()
        if image.dtype != np.uint8 or image.ndim != 2 or image.size == 0:
            raise ValueError(f"the picture is {image.dtype} {list(image.shape)}, expected grey uint8 [height, width]")
        paper = np.median(np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]]))
        if paper < 128:
            image, paper = 255 - image, 255 - paper
        fitted = ImageOps.pad(Image.fromarray(image), (SIDE, SIDE), Image.Resampling.LANCZOS, int(paper))
        fitted.save(png, "PNG")
        self._given = np.asarray(fitted)
        with self.hold_trait_notifications():
            self.strokes = []
            self._paper = "data:image/png;base64," + base64.b64encode(png.getvalue()).decode()

    def picture(self, ax):
        """Draw the pad and its reading in matplotlib axes, for those who do not run the notebook."""
        ax.imshow(self.image, cmap="gray", vmin=0, vmax=255, extent=(0, 1, 1, 0))
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set(visible=True, color=QUIET)
        for line, down, size in (("first", 6, 13), ("rest", 27, 8)):
            place = {"xytext": (0, -down), "textcoords": "offset points", "xycoords": "axes fraction", "va": "top"}
            ax.annotate(self._answer[line], (0, 0), color=INK, fontsize=size, **place)

    @observe("strokes", "_paper")
    def _look(self, _):
        now = (self.strokes, self._paper)
        if now == self._seen:  # both changed at once, and this is the second notice
            return
        self._seen, self.reading, text = now, None, INVITATION
        if self.strokes or self._paper:
            try:
                self.reading = self.read(self.image)
                text = str(self.reading)
            except Exception as error:  # nobody could catch it while a message of the browser is handled
                text = f"could not be read, {error}"
        first, _, rest = text.partition(", ")
        self._answer = {"first": first, "rest": rest, "number": self._answer["number"] + 1}


def ink(strokes):
    """Strokes (lists of points, in shares of the side) as a picture uint8 [140, 140], ink 0 on paper 255."""
    scale, radius = SIDE * FINER, BRUSH * SIDE * FINER / 2
    page = Image.new("L", (scale, scale), 255)
    draw = ImageDraw.Draw(page)
    for stroke in strokes:
        points = [(x * scale - 0.5, y * scale - 0.5) for x, y in stroke]  # pixel 0 spans 0 to 1, its middle is 0.5
        draw.line(points, fill=0, width=round(2 * radius))
        for x, y in points:
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=0)
    return np.asarray(page.resize((SIDE, SIDE), Image.Resampling.BOX))
