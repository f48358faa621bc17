"""README in two languages and the glossary: links lead somewhere, no term is left out, tables agree with the data."""

import re

import pandas as pd
import pytest
from test_notebooks import ALL, ROOT, anchor, prose, read

from kuzushiji import load_classmap, registry

# Words that a notebook sets in italics to stress them, not to introduce a term.
STRESSED = {
    "all", "can", "change", "choose", "different", "does", "draw from", "have", "helps", "is", "meaningless", "more",
    "not", "nothing", "one", "other", "place new ones", "plain", "rows of the training set", "several", "shapes",
    "start", "test", "the same neighbours", "this", "this data set", "who shares an island", "you",
}  # fmt: skip


def text_of(name):
    return (ROOT / name).read_text(encoding="utf-8")


def glossary_names():
    """What GLOSSARY.md explains: whatever it sets in bold."""
    return {name.lower() for name in re.findall(r"\*\*(.+?)\*\*", text_of("GLOSSARY.md"))}


def italics(path):
    """What a notebook sets in italics, but for sounds of kana, letters in formulas and titles in its references."""
    found = set()
    for source in prose(read(path)):
        source = source.partition("## References")[0]
        source = re.sub(r"```.*?```|`[^`]*`|\$\$.*?\$\$|\*\*.+?\*\*", "", source, flags=re.DOTALL)
        found |= set(re.findall(r"(?<![*\w])\*(?![*\s])([^*]+?)(?<!\s)\*(?![*\w])", source))
    sounds = set(load_classmap("k49")["romaji"])
    terms = {" ".join(term.split()).lower() for term in found}
    return {term for term in terms if term not in sounds and len(term) > 1}


def is_explained(term, names):
    """Whether a name in the glossary is the term, its singular, or begins with it (balanced: balanced accuracy)."""
    forms = {term, term.removesuffix("s"), term.removesuffix("'s"), term + "s"}
    return bool(forms & names) or any(name.startswith(term + " ") for name in names)


@pytest.mark.parametrize("path", ALL, ids=lambda path: str(path.relative_to(ROOT / "notebooks")))
def test_every_term_in_italics_is_in_the_glossary(path):
    names = glossary_names()
    missing = sorted(term for term in italics(path) - STRESSED if not is_explained(term, names))
    assert not missing, "explain these in GLOSSARY.md, or, where they are no terms, add them to STRESSED above"


def test_the_search_for_italics_finds_them():
    assert {"hentaigana", "auroc", "k-means", "different"} <= set().union(*map(italics, ALL))


def test_no_term_is_explained_twice():
    names = [name.lower() for name in re.findall(r"^- \*\*(.+?)\*\*", text_of("GLOSSARY.md"), re.MULTILINE)]
    assert len(names) > 80
    assert len(names) == len(set(names))


def test_the_glossary_has_the_parents_of_the_class_map_and_of_notebook_01():
    rows = re.findall(r"^\| (\w) \| (\w+) \| (\w) \| ([\w ]*) \| ([\w ]*) \|$", text_of("GLOSSARY.md"), re.MULTILINE)
    classmap = load_classmap("kmnist")
    official = [tuple(row) for row in classmap[["char", "romaji", "parent", "other_parents"]].itertuples(index=False)]
    assert [row[:4] for row in rows] == official
    seen = set("".join(row[4] for row in rows).replace(" ", ""))
    assert seen == set(pd.read_csv(ROOT / "data" / "hentaigana.csv").query("certain == 'yes'")["parent"])
    assert all(set(row[4].split()) <= {row[2], *row[3].split()} for row in rows)


DOCUMENTS = ["README.md", "README.ja.md", "GLOSSARY.md", "data/README.md", "benchmarks/README.md"]


def pictures_of(name):
    """The pictures of a document, in Markdown or in HTML: (alternative text, file)."""
    tags = re.findall(r"<img [^>]*>", text_of(name))
    found = [tuple(re.search(rf'{key}="([^"]*)"', tag)[1] for key in ("alt", "src")) for tag in tags]
    return found + re.findall(r"!\[([^\]]*)\]\(([^)\s]+)\)", text_of(name))


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_of_a_document_resolve(name):
    for target in re.findall(r"\]\(([^)\s]+)\)", text_of(name)):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        file, _, fragment = target.partition("#")
        linked = (ROOT / name).parent / file if file else ROOT / name
        assert linked.exists(), f"{name} links to {target}"
        if fragment:
            titles = re.findall(r"^#+ (.+)$", linked.read_text(encoding="utf-8"), re.MULTILINE)
            assert fragment in [anchor(title) for title in titles], f"{name} links to {target}"


@pytest.mark.parametrize("dataset", ["kmnist", "k49", "kkanji"])
def test_the_data_readme_names_every_file_and_its_official_address(dataset):
    parts = registry.PARTS.get(dataset, {"tar": registry.KKANJI})
    names, text = [part.name for part in parts.values()], text_of("data/README.md")
    assert set(names) <= set(re.findall(r"[\w-]+\.(?:npz|tar)", text))
    assert set(registry.urls(dataset, names[0])) & set(re.findall(r"https?://\S+\.(?:npz|tar)", text))


def notebooks_named_in(name):
    """The notebooks that a document links to, with the title it gives them."""
    return re.findall(r"\[(\d\d · [^\]]+)\]\((notebooks/\d\d_\w+\.ipynb)\)", text_of(name))


def test_the_japanese_readme_names_every_notebook_and_command_of_the_english_one():
    english = notebooks_named_in("README.md")
    assert len(english) >= 2
    assert notebooks_named_in("README.ja.md") == english
    assert set(re.findall(r"^make [a-z]+", text_of("README.ja.md"), re.MULTILINE)) == {"make run", "make test"}
    for fact in ("10.20676/00000341", "CC BY-SA 4.0", "KUZUSHIJI_DATA", "3.11", "3.13"):
        assert fact in text_of("README.ja.md") and fact in text_of("README.md")


def test_both_readmes_link_to_each_other_at_the_top():
    assert "](README.ja.md)" in text_of("README.md")[:200]
    assert "](README.md)" in text_of("README.ja.md")[:200]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_picture_of_a_document_says_what_is_to_be_seen(name):
    for alt, file in pictures_of(name):
        assert len(alt) >= 40, f"{name}: {file}: {alt!r}"
        assert (ROOT / name).parent.joinpath(file).is_file(), f"{name}: {file}"


def test_every_picture_is_shown_by_a_document_or_an_article():
    articles = [f"articles/{path.name}" for path in (ROOT / "articles").glob("*.md")]
    shown = {file.rpartition("/")[2] for name in DOCUMENTS + articles for _, file in pictures_of(name)}
    assert {path.name for path in (ROOT / "img").iterdir()} == shown


@pytest.mark.parametrize("name", ["README.md", "README.ja.md"])
def test_the_front_pages_open_with_a_picture_the_commands_and_a_picture_for_each_notebook(name):
    first, table = text_of(name).split("\n## ")[:2]
    assert "<img " in first and {"make run", "make test"} <= set(re.findall(r"^make [a-z]+", first, re.MULTILINE))
    rows = re.findall(r"<tr>.*?</tr>", table, re.DOTALL)
    linked = [re.search(r'<a href="(.+?)"><img ', row)[1] for row in rows]
    assert linked == [path for _, path in notebooks_named_in(name)] and len(linked) >= 4
