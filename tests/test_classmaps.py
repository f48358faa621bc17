"""The class maps: the official columns byte for byte, and every kana's romaji and parent kanji."""

import hashlib
import lzma
import unicodedata

import pytest

from kuzushiji import datasets, load_classmap, paths, registry

# SHA-256 of the official files kmnist_classmap.csv and k49_classmap.csv
OFFICIAL = {
    "kmnist": "88ba4be4bd52d986ae100b425d5c28437c81829c87800c5832a2253edc758374",
    "k49": "95f5a2cfbfba1721f566059cf77c22808898b63044a5f9a08de9d8a2950eed84",
}
# Hepburn where it differs from the names in Unicode; the iteration mark repeats a sound and has none of its own
HEPBURN = {"si": "shi", "ti": "chi", "tu": "tsu", "hu": "fu", "iteration mark": ""}
# The 字母 in the order of the fifty sounds, as any dictionary gives them; written a second time on purpose
PARENTS = "安以宇衣於加幾久計己左之寸世曾太知川天止奈仁奴禰乃波比不部保末美武女毛也由與良利留禮呂和爲惠遠无"


@pytest.mark.parametrize("name", OFFICIAL)
def test_first_three_columns_are_the_official_file_byte_for_byte(name):
    lines = paths.bundled(f"{name}_classmap.csv").read_text("utf-8").splitlines()
    official = "".join(",".join(line.split(",")[:3]) + "\n" for line in lines)
    assert hashlib.sha256(official.encode()).hexdigest() == OFFICIAL[name]


@pytest.mark.parametrize(("name", "classes"), [("kmnist", 10), ("k49", 49), ("kkanji", 3832)])
def test_index_counts_the_classes_and_every_char_has_its_codepoint(name, classes):
    classmap = load_classmap(name)
    assert classmap.index.tolist() == list(range(classes))
    assert classmap["char"].is_unique
    assert [f"U+{ord(char):04X}" for char in classmap["char"]] == classmap["codepoint"].tolist()


def test_romaji_follow_from_the_names_in_unicode():
    for char, romaji in load_classmap("k49")[["char", "romaji"]].itertuples(index=False):
        name = unicodedata.name(char).removeprefix("HIRAGANA ").removeprefix("LETTER ").lower()
        assert romaji == HEPBURN.get(name, name), char


def test_kmnist_agrees_with_k49():
    ours, all_of_them = (load_classmap(name).set_index("char") for name in ("kmnist", "k49"))
    assert ours.equals(all_of_them.loc[ours.index])


def test_parents_are_those_of_the_modern_kana():
    classmap = load_classmap("k49").set_index("char")
    assert "".join(classmap["parent"]) == PARENTS
    assert classmap.index[-1] == "ゝ" and classmap.loc["ゝ", ["parent", "other_parents"]].tolist() == ["", ""]
    assert classmap.loc["ん", "parent"] == "无"


def test_every_parent_is_one_kanji_and_none_is_named_twice():
    for char, parent, others in load_classmap("k49")[["char", "parent", "other_parents"]].itertuples(index=False):
        named = [*parent.split(), *others.split()]
        assert len(set(named)) == len(named), char
        for kanji in named:
            assert len(kanji) == 1 and unicodedata.name(kanji).startswith("CJK UNIFIED IDEOGRAPH"), (char, kanji)


def test_no_kana_has_more_other_parents_than_unicode_has_hentaigana_of_it():
    names = [unicodedata.name(chr(code), "") for code in range(0x1B000, 0x1B130)]
    names = [name.split("LETTER ")[1].split("-") for name in names if name.startswith("HENTAIGANA LETTER ")]
    for char, others in load_classmap("k49")[["char", "other_parents"]].itertuples(index=False):
        sound = unicodedata.name(char).split()[-1]
        assert len(others.split()) <= sum(sound in name for name in names), char


def test_kkanji_rows_are_sorted_by_codepoint_and_kanji_but_for_a_few():
    classmap = load_classmap("kkanji")
    codes = [ord(char) for char in classmap["char"]]
    assert codes == sorted(codes)
    assert sum(unicodedata.name(char).startswith("CJK") for char in classmap["char"]) > 3800


def test_kkanji_classes_are_those_of_the_official_paths():
    names = datasets.find_files("names.txt.xz")
    if not names:
        pytest.skip("needs the list of the official tar's paths: name its folder in KUZUSHIJI_DATA")
    with lzma.open(names[0], "rt", encoding="utf-8") as file:
        paths = sorted(file.read().split())
    assert hashlib.sha256("\n".join(paths).encode()).hexdigest() == registry.KKANJI.paths
    assert {path.split("/")[1] for path in paths} == set(load_classmap("kkanji")["codepoint"])


def test_unknown_name_is_refused():
    with pytest.raises(ValueError, match="'mnist' is not known, expected"):
        load_classmap("mnist")
