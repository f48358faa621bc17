"""The reading of a picture, and the command that prints it."""

import json
import sys

import numpy as np
import pytest
from PIL import Image
from test_prepare import in_colours, on_paper

from kuzushiji import DataError, eigenkana, load_classmap, reading
from kuzushiji.__main__ import main
from kuzushiji.prepare import prepare

CLASSMAP = load_classmap("kmnist")


@pytest.fixture(scope="module")
def clear():
    """Generated characters that the network reads without doubt: images uint8 [n, 28, 28], labels [n]."""
    images, labels = eigenkana.sample(eigenkana.load_model(), 100, seed=0)
    sure = [not found.rejected for found in reading.read_prepared(images)]
    assert np.mean(sure) > 0.5
    return images[sure], labels[sure]


VARIANTS = {
    "inverted": lambda scan: 255 - scan,
    "on a large sheet": lambda scan: np.pad(scan, ((20, 500), (700, 10)), constant_values=255),
    "gold on indigo": lambda scan: in_colours(scan, ink=(212, 175, 80), paper=(25, 30, 80)),
    "light from one side": lambda scan: scan * np.linspace(0.35, 1, 172),
    "turned by 5 degrees": lambda scan: Image.fromarray(scan).rotate(5, fillcolor=255),
}


@pytest.mark.parametrize("kind", VARIANTS)
def test_a_change_that_leaves_the_character_leaves_the_reading(clear, kind):
    images = np.stack([prepare(VARIANTS[kind](on_paper(image))) for image in clear[0][:40]])
    assert np.mean(reading.logits_of(images).argmax(axis=1) == clear[1][:40]) >= 0.95


def test_a_reading_says_what_it_is(clear):
    picture = on_paper(clear[0][3])
    found = reading.read(picture)
    characters, romaji, shares = zip(*found.kana, strict=True)
    assert (characters[0], romaji[0]) == tuple(CLASSMAP.loc[clear[1][3], ["char", "romaji"]])
    assert set(characters) == set(CLASSMAP["char"]) and list(shares) == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(1) and not found.rejected and shares[0] >= reading.threshold()
    assert np.array_equal(found.image, prepare(picture)) and str(found).startswith(f"{characters[0]} {romaji[0]} ")
    assert found == reading.read(picture) != reading.read(on_paper(clear[0][4]))
    assert [reading.percent(share) for share in (1.0, 0.9876, 0.0)] == ["over 99.9 %", "98.8 %", "under 0.1 %"]


def test_logits_are_divided_by_the_temperature(monkeypatch):
    logits = np.array([[2.0, 0, 0, 0, 0, 0, 0, 0, 0, 0]], np.float32)
    monkeypatch.setattr(reading, "stored", lambda name: {"temperature": 2.0})
    assert reading.probabilities(logits)[0, 0] == pytest.approx(np.e / (np.e + 9))


def test_what_resembles_no_kana_is_rejected(clear):
    noise = np.random.default_rng(0).integers(0, 256, (20, 28, 28)).astype(np.uint8)
    assert np.mean([found.rejected for found in reading.read_prepared(noise)]) > 0.6  # notebook 04 counts how many
    assert not any(found.rejected for found in reading.read_prepared(clear[0]))
    for images in (noise / 255, noise[0]):
        with pytest.raises(ValueError, match=r"expected uint8 \[n, 28, 28\]"):
            reading.read_prepared(images)


@pytest.fixture
def command(clear, tmp_path, monkeypatch, capfd):
    """`read` of a good picture, a text and a file that is not there: the lines on stdout and on stderr."""
    monkeypatch.chdir(tmp_path)
    Image.fromarray(on_paper(clear[0][3])).save("good.png")
    (tmp_path / "text.jpg").write_text("dear reader")

    def run(*options):
        assert main(["read", *options, "text.jpg", "good.png", "none.png"]) == 2
        return [text.splitlines() for text in capfd.readouterr()]

    return run


def test_the_command_prints_a_line_for_each_picture(command, clear, monkeypatch):
    out, err = command()
    assert out == [f"good.png: {reading.read(on_paper(clear[0][3]))}"]
    assert [line.split()[1] for line in err] == ["text.jpg", "none.png"]
    monkeypatch.setattr(reading, "threshold", lambda: np.inf)
    assert command()[0] == ["good.png: unknown"]


def test_json_has_a_line_for_each_picture_bad_ones_too(command, clear, monkeypatch):
    text, good, _ = map(json.loads, command("--json")[0])
    assert "not a picture" in text["error"] and good["file"] == "good.png" and not good["rejected"]
    assert good["kana"] == CLASSMAP["char"][clear[1][3]] and len(good["probabilities"]) == 10
    assert good["probability"] == max(good["probabilities"].values()) >= good["threshold"]
    monkeypatch.setattr(reading, "threshold", lambda: np.inf)
    unknown = json.loads(command("--json")[0][1])
    assert unknown["rejected"] and unknown["kana"] is unknown["probability"] is None


def test_without_keras_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "kuzushiji.networks", None)
    with pytest.raises(DataError, match="pip install"):
        reading.network.__wrapped__()
