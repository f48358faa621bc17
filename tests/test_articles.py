"""The companion articles: nothing in them is typed by hand, and their pages are what Medium's import accepts."""

import base64
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import make_articles
import pytest
from make_articles import ArticleError, page, render

from kuzushiji import studies

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted((ROOT / "articles" / "src").glob("*.md"))
WRITTEN = sorted((ROOT / "articles").glob("*.md"))

every_source = pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
every_article = pytest.mark.parametrize("article", WRITTEN, ids=lambda path: path.stem)

# Numbers that may stand in a source: the size and shape of the data, kernels and blocks as they are named, the two ends
# of a scale. (The test adds years, centuries, the DOI and licence, and the places of a list.)
NUMBERS_OF_THE_SUBJECT = {"28", "784", "10", "60,000", "10,000", "70,000", "0", "1", "2x2", "3x3", "28x28"}


def source_of(article):
    return article.parent / "src" / article.name


def prose_of(source):
    """A source without its expressions and addresses."""
    text = re.sub(r"\{\{.*?\}\}|\{%.*?%\}", " ", source.read_text(encoding="utf-8"), flags=re.DOTALL)
    return re.sub(r"\]\([^)\s]*\)", "]", text)


# The stored articles


def test_every_source_has_its_article():
    assert {path.name for path in WRITTEN} == {path.name for path in SOURCES} != set()


@every_article
def test_an_article_and_its_figures_are_those_of_the_notebooks_and_the_results_file(article):
    text, images = render(source_of(article))
    assert article.read_text(encoding="utf-8") == text, "run `make articles`"
    for name, content in images.items():
        assert (ROOT / "img" / name).read_bytes() == content, f"img/{name}: run `make articles`"


@every_article
def test_an_article_and_its_notebook_link_to_each_other_and_every_link_leads_to_a_file(article):
    targets = re.findall(r"\]\(([^)\s]+)\)", article.read_text(encoding="utf-8"))
    files = [target for target in targets if not target.startswith("https://")]
    notebooks = [target for target in files if re.fullmatch(r"\.\./notebooks/\d\d_\w+\.ipynb", target)]
    texts = [(article.parent / target).read_text(encoding="utf-8") for target in notebooks]
    assert any(f"../articles/{article.name}" in text for text in texts), "its notebook should link to it"
    assert [target for target in files if not (article.parent / target).exists()] == []


@every_article
def test_figures_have_alt_text_and_a_caption_and_are_light(article):
    blocks = article.read_text(encoding="utf-8").split("\n\n")
    figures = [(block, after) for block, after in zip(blocks, blocks[1:], strict=False) if block.startswith("![")]
    assert len(figures) >= 5
    for figure, caption in figures:
        alt, file = re.fullmatch(r"!\[(.+)\]\(\.\./img/(\w+\.png)\)", figure).groups()
        assert len(alt.split()) >= 12 and re.fullmatch(r"\*[^*]{20,}\*", caption)
        assert (ROOT / "img" / file).stat().st_size < 500_000
    assert sum((ROOT / "img" / re.search(r"(\w+\.png)\)", f)[1]).stat().st_size for f, _ in figures) < 1_500_000


@every_source
def test_no_measured_number_is_typed(source):
    prose = re.sub(r"^\d\. |doi:\S+|CC BY-SA 4\.0", "", prose_of(source), flags=re.MULTILINE)
    numbers = re.findall(r"(?<![\w-])\d[\w,.]*(?<![,.])", prose)
    typed = [number for number in numbers if number not in NUMBERS_OF_THE_SUBJECT]
    assert [number for number in typed if not re.fullmatch(r"1\dth|1[6-9]\d\d|20\d\d", number)] == []


# What happens when a source of an article changes


def test_a_changed_result_changes_the_article(monkeypatch):
    before, _ = render(ROOT / "articles" / "src" / "dimension_reduction.md")
    rows = studies.rows()
    for row in rows:
        if (row["method"], row["metric"]) == ("umap", "kept neighbours"):
            row["value"] = 0.2123
    monkeypatch.setattr(make_articles, "rows", lambda study: [row for row in rows if row["study"] == study])
    after, _ = render(ROOT / "articles" / "src" / "dimension_reduction.md")
    assert "21 %" in after != before


@pytest.fixture
def project(monkeypatch, tmp_path):
    """A project whose notebook 07 printed a number and showed a figure, and studies; a function that writes it."""
    monkeypatch.setattr(make_articles, "ROOT", tmp_path)
    for name in ("NOTEBOOKS", "ARTICLES", "IMG", "BUILD"):
        monkeypatch.setattr(make_articles, name, tmp_path / getattr(make_articles, name).relative_to(ROOT))
    row = {"method": "m", "metric": "accuracy", "parameters": {"epochs": 3}, "machine": "not recorded"}
    rows = {
        "s": [row | {"seed": 1, "value": 0.95, "seconds": 70}, row | {"seed": 0, "value": 0.9, "seconds": 60}],
        "changed": [row | {"seed": 0}, row | {"seed": 0, "parameters": {}}],
        "elsewhere": [row | {"seed": 0, "value": 1, "seconds": 5, "machine": "a laptop"}],
    }
    monkeypatch.setattr(make_articles, "rows", lambda study: rows.get(study, []))
    monkeypatch.delenv("BASE_URL", raising=False)

    def write(source, printed="found 42 % of [them]\n", png=b"a picture"):
        figure = {
            "data": {"image/png": [base64.b64encode(png).decode() + "\n"]},
            "metadata": {"image/png": {"alt": 'Ten "fine" rows [of kana] & more'}},
        }
        cells = [
            {"cell_type": "markdown", "source": ["# 07 · Made up\n", "\n", "It takes about\n", "3 minutes."]},
            {"cell_type": "code", "source": ["x = 6 < 7\n", "print(x)"], "outputs": [{"text": [printed]}, figure]},
        ]
        for cell, tags in zip(cells, ([], ["figure:07_rows"]), strict=True):
            cell["metadata"] = {"tags": tags}
        for folder in ("notebooks", "articles/src"):
            (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / "notebooks" / "07_made_up.ipynb").write_text(json.dumps({"cells": cells}), encoding="utf-8")
        (tmp_path / "articles" / "src" / "a.md").write_text(source, encoding="utf-8")
        make_articles.cells.cache_clear()
        return tmp_path / "articles" / "src" / "a.md"

    yield write
    make_articles.cells.cache_clear()


@pytest.mark.parametrize(
    "expression, expected",
    [
        ('{{ mean("s", "m", "accuracy") | percent(1) }}', "92.5"),
        ('{{ values("s", "m", "accuracy") | percent }}', "90 to 95"),
        ('{{ row("s", "m", "accuracy").seed }} {{ seconds("s", "m", "accuracy") | number }}', "0 60 to 70"),
        ('{{ timed_on("s") }}', "Which machine took these seconds was not recorded."),
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
        ('{{ mean("s", "other", "accuracy") }}', "the study s has 'other', 'accuracy' with 0 settings"),
        ('{{ mean("changed", "m", "accuracy") }}', "the study changed has 'm', 'accuracy' with 2 settings"),
        ('{{ timed_on("s", "elsewhere") }}', "s and elsewhere: seconds from 2 machines, which do not compare"),
        ('{{ printed("07", "lost (\\\\d+) %") }}', "found 0 different texts like"),
        ('{{ printed("07", "(\\\\w)") }}', "different texts like"),
        ('{{ code("07", "y = 6") }}', "0 code cells with 'y = 6'"),
        ('{{ figure("07_lines", "Caption.") }}', "notebook 07 has no figure tagged figure:07_lines"),
        ('{{ printed("08", "(.*)") }}', r"notebooks/08_\*.ipynb: found 0 notebooks"),
        ('{{ holds(6 > 7, "six is more") }}{{ holds(1 > 2, "so is one") }}', "six is more; no longer true: so is one"),
        ('{{ meen("s", "m", "accuracy") }}', "'meen' is undefined"),
        ("{{ 1 +", "TemplateSyntaxError"),
    ],
)
def test_what_is_missing_or_no_longer_true_is_named(project, expression, message):
    with pytest.raises(ArticleError, match=message):
        render(project(expression))


ARTICLE = """# A made-up article

*What it is about.*

{{ figure("07_rows", "All of them.") }}

It read {{ printed("07", "found (\\\\d+) %") }} % of 6 < 7. [Read on](../notebooks/07_made_up.ipynb), or [there](https://example.org/a?b=1&c=2).

{{ code("07", "x = 6") }}

- one
- *two*
"""


def test_a_changed_output_and_a_changed_figure_change_what_is_written(project):
    text, images = render(project(ARTICLE))
    assert images == {"07_rows.png": b"a picture"}
    assert render(project(ARTICLE, printed="found 43 %\n"))[0] == text.replace("42 %", "43 %")
    assert render(project(ARTICLE, png=b"another"))[1] == {"07_rows.png": b"another"}


def test_make_articles_writes_all_it_can_and_names_the_rest(project, capsys):
    source = project(ARTICLE)
    (source.parent / "b.md").write_text('{{ code("08", "x") }}', encoding="utf-8")
    with pytest.raises(SystemExit, match=r"articles/src/b.md cannot be written. notebooks/08_\*.ipynb: found 0"):
        make_articles.main()
    root = source.parent.parent.parent
    assert "articles/a.md: 1 figures" in capsys.readouterr().out
    assert (root / "articles" / "a.md").read_text(encoding="utf-8") == render(source)[0]
    assert (root / "img" / "07_rows.png").read_bytes() == b"a picture"
    assert (root / "build" / "articles" / "a.html").exists() and not (root / "articles" / "b.md").exists()


def test_an_address_without_a_scheme_is_refused(project, monkeypatch):
    monkeypatch.setenv("BASE_URL", "example.org")
    with pytest.raises(SystemExit, match="expected an address that starts with https://"):
        make_articles.main()


# The pages


class Reader(HTMLParser):
    """Collects the elements and attributes of a page, and checks that they are closed in order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.attributes, self.paths = [], [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes.append((tag, dict(attributes)))
        self.paths.append((*self.open, tag))
        if tag not in ("meta", "img", "link", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def all(self, tag):
        return [attributes for name, attributes in self.attributes if name == tag]


PLAIN = {
    "html", "head", "meta", "title", "style", "body", "article", "h1", "h2", "p", "em", "strong", "a", "code", "pre",
    "ul", "ol", "li", "figure", "img", "figcaption",
}  # fmt: skip


@every_article
@pytest.mark.parametrize("base_url", ["", "https://example.org/files"], ids=["preview", "with an address"])
def test_a_page_is_plain_html_with_every_image_and_link_complete(article, base_url):
    read = Reader(page(article.read_text(encoding="utf-8"), base_url))
    assert set(read.tags) <= PLAIN and read.tags.count("h1") == 1
    assert len(read.all("img")) == read.tags.count("figure") == read.tags.count("figcaption") >= 5
    assert all(path[-2] == "figure" for path in read.paths if path[-1] == "img")
    start = f"{base_url}/img/" if base_url else "data:image/png;base64,"
    assert all(image["src"].startswith(start) and len(image["alt"].split()) >= 12 for image in read.all("img"))
    assert all(link["href"].startswith("https://") for link in read.all("a"))
    assert any("/notebooks/" in link["href"] for link in read.all("a")) == bool(base_url)


def test_a_page_says_the_same_as_the_article(project):
    source = project(ARTICLE)
    make_articles.main()
    html = (source.parent.parent.parent / "build" / "articles" / "a.html").read_text(encoding="utf-8")
    read = Reader(html)
    assert read.all("img")[0]["alt"] == 'Ten "fine" rows [of kana] & more'
    assert base64.b64decode(read.all("img")[0]["src"].partition(",")[2]) == b"a picture"
    assert "<figcaption>All of them.</figcaption>" in html and "Written by" not in html
    assert "It read 42 % of 6 &lt; 7. Read on (<code>notebooks/07_made_up.ipynb</code>)" in html
    assert [link["href"] for link in read.all("a")] == ["https://example.org/a?b=1&c=2"]
    assert "<pre><code>x = 6 &lt; 7\nprint(x)\n</code></pre>" in html


def test_with_an_address_images_and_files_have_theirs(project, monkeypatch):
    source = project(ARTICLE)
    for base_url, image in (
        ("https://example.org/files/", "https://example.org/files/img/07_rows.png"),
        ("https://github.com/a/b/blob/main", "https://github.com/a/b/blob/main/img/07_rows.png?raw=true"),
    ):
        monkeypatch.setenv("BASE_URL", base_url)
        make_articles.main()
        read = Reader((source.parent.parent.parent / "build" / "articles" / "a.html").read_text(encoding="utf-8"))
        assert read.all("img")[0]["src"] == image
        assert read.all("a")[0]["href"] == base_url.rstrip("/") + "/notebooks/07_made_up.ipynb"
