"""Every colour of the figures, by calculation: contrast, and what is left of it for the colour-blind.

Thresholds, and why. Text: 4.5 to 1, lines and marks: 3 to 1 (WCAG 2.2, criteria 1.4.3 and 1.4.11). Colours that mean
something: CIEDE2000 of 10 or more for every kind of vision; 1 is what one can just see side by side, 2 to 3 what is
noticed without looking for it, and marks are small, apart and in a legend elsewhere, which takes several times that.
No figure relies on colour alone all the same: the second cue stands beside each group below.
"""

import io
import json
import re
from itertools import combinations

import matplotlib
import numpy as np
import pytest
from colour import VISIONS, contrast, difference, lab
from PIL import Image

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from test_notebooks import ALL, ROOT, code_cells, read

from kuzushiji import figures

WHITE = "#FFFFFF"
TEXT, MARK, APART = 4.5, 3.0, 10.0

# Every colour but the palette that code writes out, and what it is for.
ROLES = {
    figures.INK: "text",
    figures.ACCENT: "text",
    "#555555": "text",
    figures.QUIET: "support",  # a line that joins two marks, a box without parameters: nothing is lost with it
    "#777777": "line",
    "#C9CDD2": "surface",  # behind text in INK
    "#E3E5E8": "support",  # grid lines, and dots of what is not the subject
}
# Colours that stand in one figure and mean different things, with the second cue.
GROUPS = {
    "ten kana (their names stand on the islands)": figures.PALETTE,
    "two splits (dot and diamond; solid and dashed)": (figures.PALETTE[0], figures.ACCENT),
    "five methods (each has a row)": figures.PALETTE[:5],
    "today's form or another (its kanji is written in it)": (figures.ACCENT, "#C9CDD2"),
    "a kana among all others (its name is the title)": (figures.PALETTE[0], figures.ACCENT, "#E3E5E8"),
    "kinds of layers (their names stand below)": (figures.PALETTE[0], figures.PALETTE[2], figures.QUIET),
}
COLORMAPS = {"gray_r", "gray", "PuOr", "Oranges"}


def test_the_formulas_give_the_published_values():
    assert contrast("#000000", WHITE) == pytest.approx(21) and contrast("#777777", WHITE) == pytest.approx(
        4.48, abs=0.01
    )
    pairs = {  # from the test data of Sharma, Wu and Dalal 2005
        2.0425: ((50, 2.6772, -79.7751), (50, 0, -82.7485)),
        2.3669: ((50, 0, 0), (50, -1, 2)),
        7.2195: ((50, 2.49, -0.001), (50, -2.49, 0.0011)),
        27.1492: ((50, 2.5, 0), (73, 25, -18)),
        1.2644: ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387)),
        2.0373: ((22.7233, 20.0904, -46.6940), (23.0331, 14.9730, -42.5619)),
    }
    for expected, (one, other) in pairs.items():
        assert difference(one, other) == pytest.approx(expected, abs=1e-4)
        assert difference(other, one) == pytest.approx(expected, abs=1e-4)
    assert lab(WHITE) == pytest.approx([100, 0, 0], abs=0.05)


def test_the_simulated_visions_confuse_what_they_are_known_to_confuse_and_keep_greys():
    for vision, (one, other) in {
        "protanopia": ("#B00000", "#403000"),
        "deuteranopia": ("#D06060", "#8A8A60"),
        "tritanopia": ("#0080C0", "#008F90"),
    }.items():
        assert difference(lab(one, vision), lab(other, vision)) < 0.6 * difference(lab(one), lab(other))
        assert difference(lab("#808080", vision), lab("#808080")) < 1


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.partition(" (")[0])
@pytest.mark.parametrize("vision", VISIONS)
def test_colours_that_mean_different_things_differ_for_every_vision(group, vision):
    seen = {pair: difference(*(lab(colour, vision) for colour in pair)) for pair in combinations(GROUPS[group], 2)}
    closest = min(seen, key=seen.get)
    assert seen[closest] >= APART, f"{closest} are {seen[closest]:.1f} apart"


def test_the_test_would_notice_a_palette_for_the_lucky():
    red_and_green = ("#D62728", "#2CA02C")
    apart = [difference(*(lab(colour, vision) for colour in red_and_green)) for vision in ("any", "deuteranopia")]
    assert apart[0] > 3 * apart[1]


def test_text_and_marks_have_contrast():
    for colour, role in ROLES.items():
        least = {"text": TEXT, "line": MARK}.get(role, 1)
        assert contrast(colour, WHITE) >= least, f"{colour} is {role}, {contrast(colour, WHITE):.2f} to 1 on white"
    assert contrast(figures.INK, "#C9CDD2") >= TEXT and contrast(WHITE, figures.ACCENT) >= TEXT
    assert min(contrast(colour, WHITE) for colour in figures.PALETTE) >= MARK


@pytest.mark.parametrize("vision", VISIONS)
@pytest.mark.parametrize("name", sorted(COLORMAPS - {"PuOr"}))
def test_colormaps_of_amounts_only_ever_grow_darker_or_lighter(name, vision):
    colours = [matplotlib.colors.to_hex(colour) for colour in matplotlib.colormaps[name](np.linspace(0, 1, 17))]
    steps = np.diff([lab(colour, vision)[0] for colour in colours])
    assert (np.abs(steps) > 0.5).all() and len(set(np.sign(steps))) == 1


@pytest.mark.parametrize("vision", VISIONS)
def test_the_colormap_of_signs_is_lightest_at_zero_and_its_ends_differ(vision):
    colours = [matplotlib.colors.to_hex(colour) for colour in matplotlib.colormaps["PuOr"](np.linspace(0, 1, 17))]
    lightness = [lab(colour, vision)[0] for colour in colours]
    assert (np.diff(lightness[:9]) > 0).all() and (np.diff(lightness[8:]) < 0).all()
    for step in (0, 2, 4):
        assert difference(lab(colours[step], vision), lab(colours[-1 - step], vision)) >= APART


def sources():
    """Code that draws: the helpers, and the code cells of every notebook; by name."""
    texts = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "kuzushiji").glob("*.py")}
    return texts | {f"{p.parent.name}/{p.name}": "\n".join(c.source for c in code_cells(read(p))) for p in ALL}


def test_no_colour_is_drawn_that_was_not_checked_here():
    known = {colour.upper() for colour in (*figures.PALETTE, *ROLES)}
    for name, text in sources().items():
        written = {colour.upper() for colour in re.findall(r"""["'](#[0-9A-Fa-f]{6})["']""", text)}
        assert written <= known, f"{name}: {written - known}: give each a role in ROLES"
        assert set(re.findall(r"""cmap["']?[=:] ?["'](\w+)["']""", text)) <= COLORMAPS, name


def is_opaque_on_white(png):
    """Whether a PNG has no transparency and a white corner: then it looks the same on any page."""
    with Image.open(io.BytesIO(png)) as picture:
        opaque = "transparency" not in picture.info and picture.mode in ("P", "RGB", "L")
        return opaque and picture.convert("RGB").getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize("path", ALL, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_stored_figures_bring_their_own_paper_to_a_dark_page(path):
    import base64

    for cell in code_cells(read(path)):
        for output in cell.outputs:
            if "image/png" in output.get("data", {}):
                assert is_opaque_on_white(base64.b64decode(output.data["image/png"])), json.dumps(cell.source[:60])


def test_pictures_of_readme_bring_their_own_paper_to_a_dark_page():
    pictures = sorted((ROOT / "img").glob("*.png"))
    assert pictures and [path.name for path in pictures if not is_opaque_on_white(path.read_bytes())] == []


def test_a_transparent_figure_is_made_opaque_before_it_is_shown():
    with matplotlib.rc_context():
        figures.use_style()
        figure = plt.figure(facecolor="none")
        assert is_opaque_on_white(figures.small_png(figure))
        plt.close(figure)
