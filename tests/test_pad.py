"""The drawing pad: what it takes, what it hands on, what it answers, and what it does in a browser."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
import traitlets

import kuzushiji
from kuzushiji import pad as pad_module
from kuzushiji.pad import DrawingPad

BAR = [(0.1, 0.5), (0.9, 0.5)]
TSU = [(0.12, 0.38), (0.3, 0.3), (0.5, 0.25), (0.7, 0.27), (0.83, 0.38), (0.85, 0.52), (0.75, 0.66), (0.4, 0.8)]


@pytest.fixture
def pad():
    """A pad whose reader keeps what it sees in `pad.seen`, and answers where the ink lies: across, down."""

    def read(image):
        pad.seen.append(image)
        rows, columns = np.nonzero(image < 128)
        return f"{columns.mean() / 140:.1f} {rows.mean() / 140:.1f}, read"

    pad = DrawingPad(read)
    pad.seen = []
    return pad


def from_browser(pad, **state):
    """Let the pad handle a message as its JavaScript sends them; returns its answer."""
    pad._handle_msg({"content": {"data": {"method": "update", "state": state}}, "buffers": []})
    return pad._answer


def test_a_stroke_from_the_browser_is_read_and_answered(pad):
    assert from_browser(pad, strokes=[[(0.1, 0.2), (0.5, 0.2)]]) == {"first": "0.3 0.2", "rest": "read", "number": 1}
    (image,) = pad.seen
    assert image.shape == (140, 140) and image.dtype == np.uint8 and image[28, 42] == 0 and image[70, 42] == 255
    assert 8 <= (image[:, 42] < 128).sum() <= 11  # the brush: 7 % of 140 pixels


def test_every_change_is_answered_anew_and_blank_paper_is_never_read(pad):
    numbers = [from_browser(pad, strokes=strokes)["number"] for strokes in ([BAR], [BAR, TSU], [BAR])]
    assert len(set(numbers)) == len(pad.seen) == 3 and (pad.seen[0] == pad.seen[2]).all()
    assert from_browser(pad, strokes=[], _paper="")["rest"] == ""
    assert len(pad.seen) == 3 and pad.reading is None and (pad.image == 255).all()


def test_a_picture_can_be_given_and_drawn_upon(pad):
    picture = np.full((60, 30), 240, np.uint8)
    picture[20:40, 10:20] = 10
    pad.strokes = [TSU]
    for pad.image in (picture, 255 - picture):  # light ink is shown the other way round
        assert pad.strokes == [] and (pad.image == pad.seen[-1]).all()
        assert pad.image[70, 70] == 10 and pad.image[70, 5] == 240  # its own paper at the sides
    assert len(pad.seen) == 2  # the stroke, and the picture, which both are when fitted
    from_browser(pad, strokes=[BAR])
    assert pad.image[70, 125] == 0 and pad.image[20, 70] == 240
    with pytest.raises(ValueError, match="expected grey uint8"):
        pad.image = picture / 255
    assert pad.strokes == [BAR]


@pytest.mark.parametrize("strokes", [[[]], [[1, 2]], [[(0, 0, 0)]], [["a"]], [[(0, 1.21)]], [[(-0.21, 0)]]])
def test_bad_strokes_are_refused_and_change_nothing(pad, strokes):
    pad.strokes = [BAR]
    with pytest.raises(traitlets.TraitError):
        pad.strokes = strokes
    from_browser(pad, strokes=strokes)  # reported by ipywidgets, not raised
    assert pad.strokes == [BAR] and len(pad.seen) == 1


def test_an_error_of_the_reader_is_shown():
    answer = from_browser(DrawingPad(lambda image: 1 / 0), strokes=[BAR])
    assert answer["first"] == "could not be read" and answer["rest"] == "division by zero"


def test_a_kana_is_read_and_drawn_as_a_figure():
    pad = DrawingPad(kuzushiji.read)
    pad.strokes = [TSU]
    _, ax = plt.subplots()
    pad.picture(ax)
    assert pad.reading.kana[0][0] == "つ" and np.array_equal(ax.images[0].get_array(), pad.image)
    assert [text.get_text() for text in ax.texts] == str(pad.reading).split(", ", 1)
    plt.close("all")


# pad.js in a browser; a few lines stand for anywidget and the kernel.
PAGE = """<!DOCTYPE html><style>{css}</style><body><script type="module">{js}
const state = {{ strokes: [], brush: 0.07, _paper: "", _answer: {{ first: "nothing", rest: "" }} }}, heard = {{}};
window.model = {{
  get: (name) => state[name],
  set(name, value) {{ state[name] = value; heard[`change:${{name}}`].forEach((listener) => listener()); }},
  on: (event, listener) => (heard[event] ||= []).push(listener),
  save_changes: async () => model.set("_answer", await window.kernel(state.strokes, state._paper)),
}};
render({{ model: window.model, el: document.body }});
</script>"""
PIXELS = """() => {
  const { data } = document.querySelector("canvas").getContext("2d").getImageData(0, 0, 280, 280);
  return [...data].filter((_, i) => i % 4 === 0);
}"""


@pytest.fixture
def page(browser, pad):
    page = browser.new_page()
    page.expose_function("kernel", lambda strokes, paper: from_browser(pad, strokes=strokes, _paper=paper))
    js, css = (Path(pad_module.__file__).with_name(name).read_text(encoding="utf-8") for name in ("pad.js", "pad.css"))
    page.set_content(PAGE.format(js=js, css=css))
    page.wait_for_selector("canvas")
    yield page
    page.close()


def answer(page):
    page.wait_for_selector('.answer[aria-busy="false"]')
    return page.inner_text(".first")


def draw(page, *points):
    box = page.locator("canvas").bounding_box()
    for number, (x, y) in enumerate(points):
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=5)
        if number == 0:
            page.mouse.down()
    page.mouse.up()
    return answer(page)


@pytest.mark.browser
def test_the_mouse_draws_where_it_is_and_the_browser_shows_what_python_reads(page, pad):
    pad.image = np.pad(np.zeros((30, 30), np.uint8), 20, constant_values=255)
    page.evaluate("(paper) => model.set('_paper', paper)", pad._paper)
    draw(page, (0.2, 0.3), (0.8, 0.3), (0.3, 1.5))
    assert pad.strokes[0][0] == pytest.approx((0.2, 0.3), abs=0.01)
    assert pad.strokes[0][-1] == pytest.approx((0.3, 1.2), abs=0.01)
    assert np.abs(np.reshape(page.evaluate(PIXELS), (280, 280))[::2, ::2] - pad.image.astype(float)).mean() < 5


@pytest.mark.browser
def test_buttons_work_from_the_keyboard(page, pad):
    assert draw(page, (0.1, 0.2), (0.3, 0.2)) == "0.2 0.2" and draw(page, (0.1, 0.8), (0.3, 0.8)) == "0.2 0.5"
    page.focus("button:text('undo')")
    page.keyboard.press("Enter")
    assert answer(page) == "0.2 0.2"
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert answer(page) == pad_module.INVITATION and pad.strokes == []
