"""README in two languages, the glossary and the other pages: links lead somewhere, tables agree with the data."""

import re

import pandas as pd
import pytest
from test_notebooks import ALL, ROOT, broken_links, prose, read

from kuzushiji import load_classmap

DOCUMENTS = [*ROOT.glob("*.md"), ROOT / "data" / "README.md", ROOT / "benchmarks" / "README.md"]
ARTICLES = sorted((ROOT / "articles").glob("*.md"))

# Words that a notebook sets in italics to stress them, not to introduce a term.
STRESSED = {
    "all", "both", "can", "change", "choose", "different", "does", "draw from", "have", "helps", "is",
    "meaningless", "more", "not", "nothing", "one", "other", "place new ones", "plain",
    "rows of the training set", "several", "shapes", "start", "test", "the same neighbours", "this",
    "this data set", "this training set", "who shares an island", "you",
}  # fmt: skip


def text_of(path):
    return (ROOT / path).read_text(encoding="utf-8")


def italics(path):
    """What a notebook sets in italics, but for sounds of kana, letters in formulas and titles in its references."""
    found = set()
    for source in prose(read(path)):
        source = source.partition("## References")[0]
        source = re.sub(r"```.*?```|`[^`]*`|\$\$.*?\$\$|\*\*.+?\*\*", "", source, flags=re.DOTALL)
        found |= set(re.findall(r"(?<![*\w])\*(?![*\s])([^*]+?)(?<!\s)\*(?![*\w])", source))
    terms = {" ".join(term.split()).lower() for term in found} - set(load_classmap("k49")["romaji"])
    return {term for term in terms if len(term) > 1}


@pytest.mark.parametrize("path", ALL, ids=lambda path: str(path.relative_to(ROOT / "notebooks")))
def test_every_term_in_italics_is_in_the_glossary(path):
    names = {name.lower() for name in re.findall(r"\*\*(.+?)\*\*", text_of("GLOSSARY.md"))}
    unexplained = []
    for term in italics(path) - STRESSED:
        forms = {term, term.removesuffix("s"), term.removesuffix("'s"), term + "s"}
        if not forms & names and not any(name.startswith(term + " ") for name in names):
            unexplained.append(term)
    assert not unexplained, "explain these in GLOSSARY.md, or, where they are no terms, add them to STRESSED above"


def test_the_search_for_italics_finds_them_and_no_term_is_explained_twice():
    assert {"hentaigana", "auroc", "k-means", "different"} <= set().union(*map(italics, ALL))
    names = re.findall(r"^- \*\*(.+?)\*\*", text_of("GLOSSARY.md").lower(), re.MULTILINE)
    assert names and len(names) == len(set(names))


def test_the_glossary_has_the_parents_of_the_class_map_and_of_notebook_01():
    rows = re.findall(r"^\| (\w) \| (\w+) \| (\w) \| ([\w ]*) \| ([\w ]*) \|$", text_of("GLOSSARY.md"), re.MULTILINE)
    official = load_classmap("kmnist")[["char", "romaji", "parent", "other_parents"]]
    assert [row[:4] for row in rows] == [tuple(row) for row in official.itertuples(index=False)]
    seen = set("".join(row[4] for row in rows).replace(" ", ""))
    assert seen == set(pd.read_csv(ROOT / "data" / "hentaigana.csv").query("certain == 'yes'")["parent"])
    assert all(set(row[4].split()) <= {row[2], *row[3].split()} for row in rows)


def pictures_of(path):
    """The pictures of a document, in Markdown or in HTML: (alternative text, file)."""
    tags = re.findall(r"<img [^>]*>", text_of(path))
    found = [tuple(re.search(rf'{key}="([^"]*)"', tag)[1] for key in ("alt", "src")) for tag in tags]
    return found + re.findall(r"!\[([^\]]*)\]\(([^)\s]+)\)", text_of(path))


@pytest.mark.parametrize("path", DOCUMENTS + ARTICLES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_and_pictures_of_a_document_are_there_and_pictures_say_what_is_seen(path):
    assert broken_links(text_of(path), path) == []
    assert [file for alt, file in pictures_of(path) if not alt.strip() or not (path.parent / file).is_file()] == []


def test_every_picture_is_shown_by_a_document_or_an_article():
    shown = {file.rpartition("/")[2] for path in DOCUMENTS + ARTICLES for _, file in pictures_of(path)}
    assert {path.name for path in (ROOT / "img").iterdir()} == shown


def test_both_readmes_name_every_notebook_and_the_same_commands():
    named = [
        re.findall(r"\[\d\d · [^\]]+\]\((notebooks/\d\d_\w+\.ipynb)\)", text_of(f"README{x}.md")) for x in ("", ".ja")
    ]
    assert named[0] == named[1] == [f"notebooks/{path.name}" for path in ALL[: len(ALL) // 2]]
    for name in ("README.md", "README.ja.md"):
        assert {"make run", "make test"} <= set(re.findall(r"^make [a-z]+$", text_of(name), re.MULTILINE))
