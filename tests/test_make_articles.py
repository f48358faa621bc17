"""The companion articles: what is stored is what their sources make of notebooks and records, today."""

import re
from pathlib import Path

import make_articles
import nbformat
import pytest
from make_articles import ArticleError, page, render

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted((ROOT / "articles" / "src").glob("*.md"))
every_source = pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)

# Numbers that may stand in a source: the size and shape of the data, kernels and blocks as they are named, the two ends
# of a scale. (The test adds years, centuries, the DOI and licence, and the places of a list.)
NUMBERS_OF_THE_SUBJECT = {"28", "784", "10", "60,000", "10,000", "70,000", "0", "1", "2x2", "3x3", "28x28"}


@every_source
def test_an_article_and_its_figures_are_those_of_the_notebooks_and_the_results_file(source):
    text, images = render(source)
    assert (ROOT / "articles" / source.name).read_text(encoding="utf-8") == text, "run `make articles`"
    assert len(images) >= 5 and all((ROOT / "img" / name).read_bytes() == png for name, png in images.items())


@every_source
def test_no_measured_number_is_typed(source):
    prose = re.sub(r"\{\{.*?\}\}|\{%.*?%\}", " ", source.read_text(encoding="utf-8"), flags=re.DOTALL)
    prose = re.sub(r"\]\([^)\s]*\)|^\d\. |doi:\S+|CC BY-SA 4\.0", "]", prose, flags=re.MULTILINE)
    typed = set(re.findall(r"(?<![\w-])\d[\w,.]*(?<![,.])", prose)) - NUMBERS_OF_THE_SUBJECT
    assert [number for number in typed if not re.fullmatch(r"1\dth|1[6-9]\d\d|20\d\d", number)] == []


@pytest.fixture
def project(monkeypatch, tmp_path):
    """A project whose notebook 07 printed a number and shows a figure, with records; a function that writes sources."""
    row = {"method": "m", "metric": "accuracy", "parameters": {"epochs": 3}, "machine": "not recorded"}
    records = {
        "s": [row | {"seed": 1, "value": 0.95, "seconds": 70}, row | {"seed": 0, "value": 0.9, "seconds": 60}],
        "changed": [row | {"seed": 0}, row | {"seed": 0, "parameters": {}}],
        "elsewhere": [row | {"seed": 0, "value": 1, "seconds": 5, "machine": "a laptop"}],
    }
    monkeypatch.setattr(make_articles, "ROOT", tmp_path)
    monkeypatch.setattr(make_articles, "rows", lambda study: records.get(study, []))
    monkeypatch.delenv("BASE_URL", raising=False)
    alt = {"image/png": {"alt": 'Ten "fine" rows [of kana] & more'}}
    figure = nbformat.v4.new_output("display_data", {"image/png": "YSBwaWN0dXJl"}, metadata=alt)
    outputs = [nbformat.v4.new_output("stream", text="found 42 % of [them]\n"), figure]
    cells = [
        nbformat.v4.new_markdown_cell("# 07 · Made up\n\nIt takes about\n3 minutes."),
        nbformat.v4.new_code_cell("x = 6 < 7\nprint(x)", outputs=outputs, metadata={"tags": ["figure:07_rows"]}),
    ]
    for folder in ("notebooks", "articles/src"):
        (tmp_path / folder).mkdir(parents=True)
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "notebooks" / "07_made_up.ipynb")

    def write(source):
        (tmp_path / "articles" / "src" / "a.md").write_text(source, encoding="utf-8")
        return tmp_path / "articles" / "src" / "a.md"

    return write


@pytest.mark.parametrize(
    "expression, expected",
    [
        ('{{ mean("s", "m", "accuracy") | percent(1) }}', "92.5"),
        ('{{ values("s", "m", "accuracy") | percent }}', "90 to 95"),
        ('{{ row("s", "m", "accuracy").seed }} {{ seconds("s", "m", "accuracy") | number }}', "0 60 to 70"),
        ('{{ timed_on("elsewhere") }}', "These seconds were taken on a laptop."),
        ("{{ [659.6, 660.4] | number }} {{ 1234.5 | number(1) }} {{ [60, 70] | minutes }}", "660 1,234.5 1"),
        ('{{ printed("07", "found (\\\\d+) %") }}', "42"),
        ('{{ said("07", "(about \\\\d+ minutes)") }}', "about 3 minutes"),
        ('{{ code("07", "x = 6") }}', "```python\nx = 6 < 7\nprint(x)\n```"),
        ('{{ holds(6 < 7, "six is less") }}', ""),
    ],
)
def test_expressions_fetch_what_is_stored(project, expression, expected):
    assert render(project(expression))[0].partition("-->\n\n")[2] == expected


@pytest.mark.parametrize(
    "expression, message",
    [
        ('{{ mean("s", "other", "accuracy") }}', "'other', 'accuracy' in the study s: found 0"),
        ('{{ mean("changed", "m", "accuracy") }}', "the study changed: found 2"),
        ('{{ timed_on("s", "elsewhere") }}', "s and elsewhere, whose seconds do not compare: found 2"),
        ('{{ printed("07", "lost (\\\\d+) %") }}', "outputs of notebook 07: found 0"),
        ('{{ figure("07_lines", "Caption.") }}', "no figure tagged figure:07_lines"),
        ('{{ printed("08", "(.*)") }}', r"notebooks/08_\*.ipynb: found 0"),
        ('{{ holds(6 > 7, "six is more") }}{{ holds(1 > 2, "so is one") }}', "six is more; no longer true: so is one"),
        ('{{ meen("s", "m", "accuracy") }}', "'meen' is undefined"),
    ],
)
def test_what_is_missing_or_no_longer_true_is_named(project, expression, message):
    with pytest.raises(ArticleError, match=message):
        render(project(expression))


def test_all_that_can_be_written_is_and_the_rest_named(project, monkeypatch, tmp_path):
    text = '# A\n\n{{ figure("07_rows", "All.") }}\n\n6 < 7, says [07](../notebooks/07_made_up.ipynb).\n'
    project(text).with_name("b.md").write_text('{{ code("08", "x") }}', encoding="utf-8")
    monkeypatch.setenv("BASE_URL", "https://example.org/files/")
    with pytest.raises(SystemExit, match=r"articles/src/b.md cannot be written. notebooks/08_"):
        make_articles.main()
    assert (tmp_path / "img" / "07_rows.png").read_bytes() == b"a picture"
    article, html = (tmp_path / name for name in ("articles/a.md", "build/articles/a.html"))
    assert html.read_text() == page(article.read_text(), "https://example.org/files")
    for part in (
        '<img src="https://example.org/files/img/07_rows.png" alt="Ten &quot;fine&quot; rows [of kana] &amp; more" />',
        "<figcaption>All.</figcaption></figure>",
        '<p>6 &lt; 7, says <a href="https://example.org/files/notebooks/07_made_up.ipynb">07</a>.</p>',
    ):
        assert part in html.read_text()
