"""The drawing pad: what it takes, what it hands on, what it answers, and how it does in a real JupyterLab."""

import re
from pathlib import Path
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest
import traitlets

from kuzushiji import pad as pad_module
from kuzushiji.pad import DrawingPad, fitted, ink, lines

BUILD = Path(__file__).resolve().parent.parent / "build"
DIAGONAL = [[0.2, 0.2], [0.8, 0.8]]
BAR = [[0.1, 0.5], [0.9, 0.5]]


def reading(*kana, rejected=False):
    return SimpleNamespace(kana=list(kana), rejected=rejected)


TSU = reading(("つ", "tsu", 0.974), ("す", "su", 0.02), ("れ", "re", 0.004), ("や", "ya", 0.002))


@pytest.fixture
def seen():
    return []


@pytest.fixture
def pad(seen):
    def read(image):
        seen.append(image)
        return TSU

    return DrawingPad(read)


def from_browser(pad, **state):
    """Let the pad handle a message as its JavaScript sends them."""
    pad._handle_msg({"content": {"data": {"method": "update", "state": state}}, "buffers": []})


def test_a_stroke_from_the_browser_is_read_and_answered(pad, seen):
    from_browser(pad, strokes=[BAR])
    (image,) = seen
    assert image.shape == (140, 140) and image.dtype == np.uint8
    assert image[70, 70] == 0 and image[70, 14] == 0 and image[20, 70] == 255
    assert 8 <= (image[:, 70] < 128).sum() <= 11  # the brush: 7 % of 140 pixels
    assert pad.reading is TSU and pad.error is None
    assert pad._answer == {"first": "つ tsu 97.4 %", "rest": "then す su 2.0 %, れ re 0.4 %", "number": 1}
    assert repr(pad) == "DrawingPad: つ tsu 97.4 %"


def test_every_change_is_read_once_and_blank_paper_never(pad, seen):
    from_browser(pad, strokes=[BAR])
    from_browser(pad, strokes=[BAR, DIAGONAL])
    from_browser(pad, strokes=[BAR])  # undo
    assert len(seen) == 3 and (seen[0] == seen[2]).all() and (seen[0] != seen[1]).any()
    from_browser(pad, strokes=[], _paper="")  # clear
    assert len(seen) == 3 and pad.reading is None and (pad.image == 255).all()
    assert pad._answer == {"first": pad_module.INVITATION, "rest": "", "number": 4}


def test_a_picture_can_be_given_and_drawn_upon(pad, seen):
    picture = np.full((60, 30), 240, np.uint8)
    picture[20:40, 10:20] = 10
    pad.strokes = [DIAGONAL]
    pad.image = picture
    assert len(seen) == 2 and pad.strokes == [] and (pad.image == seen[1]).all()
    assert pad.image[70, 70] == 10 and pad.image[70, 5] == 240  # its own paper at the sides
    assert pad._paper.startswith("data:image/png;base64,")
    from_browser(pad, strokes=[BAR])
    assert pad.image[70, 125] == 0 and pad.image[20, 70] == 240
    pad.clear()
    assert len(seen) == 3 and (pad.image == 255).all()


def test_light_ink_on_dark_paper_is_shown_the_other_way_round():
    kmnist_like = np.zeros((28, 28), np.uint8)
    kmnist_like[10:18, 10:18] = 255
    image = fitted(kmnist_like)
    assert image.shape == (140, 140) and image[70, 70] == 0 and image[3, 3] == 255


@pytest.mark.parametrize(
    "image",
    [np.zeros((28, 28)), np.zeros((28, 28, 3), np.uint8), np.zeros((0, 5), np.uint8), np.uint8(3), "kana.png"],
    ids=["float", "colour", "empty", "a number", "a path"],
)
def test_what_is_not_a_grey_picture_is_refused_and_changes_nothing(pad, seen, image):
    pad.strokes = [BAR]
    with pytest.raises(ValueError, match=r"expected grey uint8 \[height, width\]"):
        pad.image = image
    assert pad.strokes == [BAR] and len(seen) == 1


@pytest.mark.parametrize(
    "strokes",
    [[[]], [[1, 2]], [[[0, 0, 0]]], [["a"]], [[[0, 1.21]]], [[[-0.21, 0]]], [[[0, np.nan]]], 3, [[[0, 0], [1]]]],
)
def test_bad_strokes_are_refused_and_change_nothing(pad, seen, strokes):
    pad.strokes = [BAR]
    with pytest.raises(traitlets.TraitError):
        pad.strokes = strokes
    from_browser(pad, strokes=strokes)  # reported by ipywidgets, not raised
    assert pad.strokes == [BAR] and len(seen) == 1


def test_a_stroke_may_run_over_the_edge_as_far_as_the_browser_lets_it(pad):
    pad.strokes = [[[-0.2, 1.2], [1.2, -0.2]]]
    assert pad.image[139, 0] == pad.image[0, 139] == 0
    assert "Math.min(1.2, Math.max(-0.2, value))" in Path(pad_module.__file__).with_name("pad.js").read_text()


def test_strokes_may_be_arrays_and_a_single_point_is_a_dot(pad):
    pad.strokes = [np.array(DIAGONAL), [(0.5, 0.1)]]
    assert pad.strokes == [DIAGONAL, [[0.5, 0.1]]]
    assert pad.image[14, 70] == 0


def test_an_error_of_the_reader_is_shown_and_kept():
    def read(image):
        raise OSError("the weights are missing")

    pad = DrawingPad(read)
    from_browser(pad, strokes=[BAR])
    assert pad._answer["first"] == "could not be read" and pad._answer["rest"] == "the weights are missing"
    assert isinstance(pad.error, OSError) and pad.reading is None
    pad.clear()
    assert pad.error is None


def test_rejected_is_unknown_and_no_probability_is_certain():
    assert lines(reading(("を", "wo", 0.41), ("お", "o", 0.3), rejected=True))[0] == "unknown"
    assert lines(reading(("つ", "tsu", 0.9999), ("す", "su", 1e-9))) == ("つ tsu over 99.9 %", "then す su under 0.1 %")


@pytest.mark.parametrize("bad, error", [((3,), TypeError), ((print, 0), ValueError), ((print, 2.0), ValueError)])
def test_bad_arguments_are_refused(bad, error):
    with pytest.raises(error, match="expected"):
        DrawingPad(*bad)


def test_ink_has_soft_edges_and_stays_where_it_was_drawn():
    image = ink([BAR], 0.1)
    assert len(np.unique(image)) > 5
    rows, columns = np.nonzero(image < 128)
    assert abs(rows.mean() - 69.5) < 0.6 and abs(columns.mean() - 69.5) < 0.6
    assert columns.min() == pytest.approx(0.05 * 140, abs=1) and columns.max() == pytest.approx(0.95 * 140, abs=1)


def test_the_picture_shows_ink_and_reading(pad):
    import matplotlib.pyplot as plt

    from kuzushiji.figures import use_style

    use_style()
    pad.strokes = [BAR]
    figure = pad.picture()
    figure.canvas.draw()
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.texts] == ["つ tsu 97.4 %", "then す su 2.0 %, れ re 0.4 %"]
    pixels = np.asarray(figure.canvas.buffer_rgba())[..., :3]
    box = axes.get_window_extent()
    middle = pixels.shape[0] - round((box.y0 + box.y1) / 2)
    assert (pixels[middle, round((box.x0 + box.x1) / 2)] == 0).all()
    plt.close(figure)


# From here on in a real JupyterLab. The first notebook reads nothing: it answers where the ink lies.
WHERE = """
import numpy as np
from types import SimpleNamespace
from kuzushiji.pad import DrawingPad

def where(image):
    rows, columns = np.nonzero(image < 128)
    return SimpleNamespace(kana=[(f"{columns.mean() / 140:.1f}", f"{rows.mean() / 140:.1f}", 0.5)] * 3, rejected=False)

pad = DrawingPad(where)
pad
"""
READ = """
from kuzushiji.pad import DrawingPad
from kuzushiji.reading import read

pad = DrawingPad(read)
pad
"""
# Three of the ten as a hand would write them, in points as shares of the pad's side.
KANA = {
    "つ": [[(.12, .38), (.3, .3), (.5, .25), (.7, .27), (.83, .38), (.85, .52), (.75, .66), (.58, .76), (.4, .8)]],
    "す": [
        [(.1, .28), (.9, .26)],
        [(.52, .1), (.53, .35), (.54, .5), (.48, .62), (.38, .6), (.36, .5), (.44, .43), (.53, .48), (.55, .62),
         (.5, .78), (.38, .92)],
    ],
    "ま": [
        [(.25, .25), (.75, .23)],
        [(.28, .42), (.72, .4)],
        [(.5, .1), (.51, .5), (.51, .72), (.44, .84), (.32, .86), (.25, .77), (.32, .69), (.48, .7), (.64, .77),
         (.78, .88)],
    ],
}  # fmt: skip


def write_notebook(path, *cells):
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=list(map(nbformat.v4.new_code_cell, cells)), metadata=metadata), path)
    return path


def on_page(lab, stroke):
    """The points of a stroke as places on the page."""
    canvas = lab.page.locator(".kuzushiji-pad canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    return [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in stroke]


def draw(lab, *strokes):
    """Draw with the mouse; returns the two lines below the pad after the last stroke."""
    for stroke in strokes:
        first, *rest = on_page(lab, stroke)
        lab.page.mouse.move(*first)
        lab.page.mouse.down()
        for place in rest:
            lab.page.mouse.move(*place, steps=5)
        lab.page.mouse.up()
    return answer(lab)


def answer(lab):
    # The first reading loads TensorFlow, which a busy machine takes its time for.
    lab.page.wait_for_selector('.kuzushiji-pad .answer[aria-busy="false"]', timeout=300_000)
    return lab.page.inner_text(".kuzushiji-pad .first"), lab.page.inner_text(".kuzushiji-pad .rest")


def screenshot(lab, name):
    BUILD.mkdir(exist_ok=True)
    lab.page.screenshot(path=BUILD / name)


@pytest.fixture
def blank(lab, tmp_path):
    """A JupyterLab that shows a blank pad."""
    assert lab.run_all(write_notebook(tmp_path / "where.ipynb", WHERE)) == []
    assert answer(lab) == (pad_module.INVITATION, "")
    return lab


def test_mouse_pen_and_finger_draw_where_they_are(blank):
    assert draw(blank, [[0.1, 0.2], [0.3, 0.2]])[0] == "0.2 0.2 50.0 %"
    devtools = blank.page.context.new_cdp_session(blank.page)
    places = on_page(blank, [[0.1, 0.8], [0.2, 0.8], [0.3, 0.8]])
    for kind, (x, y) in zip(("touchStart", "touchMove", "touchMove"), places, strict=True):
        devtools.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
    devtools.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    assert answer(blank)[0] == "0.2 0.5 50.0 %"
    places = on_page(blank, [[0.7, 0.5], [0.8, 0.5], [0.9, 0.5]])
    for kind, (x, y) in zip(("mousePressed", "mouseMoved", "mouseReleased"), places, strict=True):
        event = {"type": kind, "x": x, "y": y, "button": "left", "buttons": 1, "clickCount": 1, "pointerType": "pen"}
        devtools.send("Input.dispatchMouseEvent", event)
    assert answer(blank)[0] == "0.4 0.5 50.0 %"


def test_the_browser_shows_the_ink_that_python_reads(blank):
    stroke = [[0.2, 0.3], [0.8, 0.3], [0.3, 0.9]]
    draw(blank, stroke)
    canvas = blank.page.evaluate(
        """() => {
          const canvas = document.querySelector(".kuzushiji-pad canvas");
          const small = Object.assign(document.createElement("canvas"), { width: 140, height: 140 });
          small.getContext("2d").drawImage(canvas, 0, 0, 140, 140);
          return [...small.getContext("2d").getImageData(0, 0, 140, 140).data].filter((_, i) => i % 4 === 0);
        }"""
    )
    difference = np.reshape(canvas, (140, 140)) - ink([stroke], 0.07).astype(float)
    assert np.abs(difference).mean() < 3, "the two drawings differ by more than their edges"


def test_buttons_work_from_the_keyboard_and_leave_the_notebook_alone(blank):
    cells = blank.page.evaluate("window.jupyterapp.shell.currentWidget.content.model.cells.length")
    draw(blank, [[0.1, 0.2], [0.3, 0.2]], [[0.1, 0.8], [0.3, 0.8]])
    assert answer(blank)[0] == "0.2 0.5 50.0 %"
    blank.page.focus(".kuzushiji-pad button:text('undo')")
    blank.page.keyboard.press("Enter")
    assert answer(blank)[0] == "0.2 0.2 50.0 %"
    blank.page.keyboard.press("Tab")
    blank.page.keyboard.press("Space")
    assert answer(blank)[0] == pad_module.INVITATION
    assert blank.page.evaluate("document.activeElement.textContent") == "clear"
    assert blank.page.evaluate("window.jupyterapp.shell.currentWidget.content.model.cells.length") == cells
    assert blank.page.get_attribute(".kuzushiji-pad canvas", "aria-label").startswith("Drawing pad")


def test_what_python_puts_on_the_pad_is_shown(lab, tmp_path):
    given = "image = np.full((28, 28), 255, np.uint8)\nimage[4:8, 18:24] = 0\npad.image = image"
    assert lab.run_all(write_notebook(tmp_path / "given.ipynb", WHERE, given)) == []
    lab.page.wait_for_function("document.querySelector('.kuzushiji-pad .first').innerText === '0.7 0.2 50.0 %'")
    middle = """() => {
      const canvas = document.querySelector(".kuzushiji-pad canvas");
      return canvas.getContext("2d").getImageData(canvas.width * 0.75, canvas.height * 0.21, 1, 1).data[0];
    }"""
    assert lab.page.evaluate(middle) < 30


def contrast(one, other):
    """The contrast ratio of two opaque colours (WCAG 2.1): 1 to 21."""

    def luminance(colour):
        shares = np.array(colour) / 255
        linear = np.where(shares <= 0.03928, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
        return linear @ [0.2126, 0.7152, 0.0722]

    brighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


def rgba(css):
    numbers = [float(number) for number in re.findall(r"[\d.]+", css)]
    return np.array(numbers[:3]), numbers[3] if len(numbers) == 4 else 1.0


def seen_colours(lab, selector):
    """Colour of an element's text, and of what is behind it, both opaque."""
    text, *behind = lab.page.evaluate(
        """(selector) => {
          const seen = [];
          for (let at = document.querySelector(selector); at; at = at.parentElement) {
            if (!seen.length) seen.push(getComputedStyle(at).color);
            seen.push(getComputedStyle(at).backgroundColor);
          }
          return seen;
        }""",
        selector,
    )
    ground = np.array([255.0, 255, 255])
    for colour, alpha in map(rgba, reversed(behind)):
        ground = alpha * colour + (1 - alpha) * ground
    colour, alpha = rgba(text)
    return alpha * colour + (1 - alpha) * ground, ground


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_text_has_contrast_in_both_themes(blank, theme):
    blank.set_theme(theme)
    draw(blank, [[0.2, 0.2], [0.8, 0.8]])
    grounds = []
    for part in (".first", ".rest", "button"):
        text, ground = seen_colours(blank, f".kuzushiji-pad {part}")
        grounds.append(ground.mean())
        assert contrast(text, ground) >= 4.5, (part, text, ground)
    assert (np.mean(grounds) > 128) == (theme == "JupyterLab Light")
    screenshot(blank, f"pad_{theme.split()[1].lower()}.png")


def test_three_kana_drawn_in_jupyterlab_are_read(lab, tmp_path):
    lab.set_theme("JupyterLab Light")
    assert lab.run_all(write_notebook(tmp_path / "read.ipynb", READ)) == []
    read = {}
    for character, strokes in KANA.items():
        lab.page.click(".kuzushiji-pad button:text('clear')")
        read[character] = draw(lab, *strokes)[0]
        screenshot(lab, f"pad_{len(read)}.png")
    assert [line.split()[0] for line in read.values()] == list(KANA), read
