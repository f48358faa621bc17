"""Finding, verifying and loading: what is found where, what is refused and why, and the one line that says it."""

import hashlib
import os
import re

import numpy as np
import pytest
from conftest import Release, contents, forget

from kuzushiji import DataError, Unreachable, datasets, files, load_classmap, load_k49, load_kmnist, paths, registry
from kuzushiji.datasets import load_foreign_land, load_readings, load_specimens

KMNIST_LINE = "data: KMNIST, 60,000 train + 10,000 test images, verified\n"
EIGENKANA_LINE = "data: eigenkana, 60,000 + 10,000 generated images (KMNIST was not reachable)\n"
TRAIN, TEST = ("train", "images"), ("test", "images")


def convert(folder, end):
    """Give every NPZ file of a folder in IDX format instead; `end` is that of the official names, or dotted."""
    for part in registry.PARTS["kmnist"].values():
        name = part.idx.replace("-idx", ".idx") if end.startswith(".idx") else part.idx
        files.write_idx(folder / (name + end.removeprefix(".idx")), files.read_npz(folder / part.name))
        (folder / part.name).unlink()


@pytest.mark.parametrize("split", datasets.SPLITS)
@pytest.mark.parametrize("end", ["NPZ", "", ".gz", ".idx", ".idx.gz"])
def test_every_format_loads_equal(named, small, end, split, capfd):
    if end != "NPZ":
        convert(named, end)
    for _ in range(2):
        images, labels = load_kmnist(split)
        assert images.dtype == labels.dtype == np.uint8
        assert np.array_equal(images, small.arrays[split, "images"])
        assert np.array_equal(labels, small.arrays[split, "labels"])
        images[:] = 0  # what the caller does with his copy changes nothing
    assert capfd.readouterr() == (KMNIST_LINE, "")


def test_where_a_file_is_looked_for_in_which_order(small, monkeypatch, tmp_path):
    """NPZ before gzipped IDX before IDX; folders as named, then the data folder; sub-folders by name from the top."""
    part, folder = small.parts[TEST], tmp_path / "b"
    names = [part.name, part.idx + ".gz", part.idx]
    places = [folder, folder / "c", folder / "d" / "a", tmp_path / "a", paths.data_folder() / "kmnist"]
    expected = [small.copy(place) / part.name for place in places]
    for name in names[1:]:
        files.write_idx(folder / name, small.arrays[TEST])
    monkeypatch.setenv("KUZUSHIJI_DATA", os.pathsep.join([str(folder), "", str(tmp_path / "a")]))
    found = datasets.find_files(*names)
    assert found == [*expected[:3], folder / names[1], folder / names[2], *expected[3:]]
    assert datasets.find_part(part)[0] == expected[0]


def test_data_behind_symbolic_links_are_found_and_a_circle_ends(small, monkeypatch, tmp_path):
    """Nor is a link followed that leads above the folder, as one to the root: the whole disk would be searched."""
    folder = tmp_path / "named"
    folder.mkdir()
    for name, target in (("link", small.folder), ("back", folder), ("up", tmp_path)):
        (folder / name).symlink_to(target)
    small.copy(tmp_path / "beside")
    monkeypatch.setenv("KUZUSHIJI_DATA", str(folder))
    assert datasets.find_files("kmnist-test-imgs.npz") == [folder / "link" / "kmnist-test-imgs.npz"]
    assert len(load_kmnist("test")[0]) == 20


def test_a_folder_that_may_not_be_searched_is_named_where_nothing_else_was_found(small, monkeypatch, tmp_path):
    scandir, locked = os.scandir, small.copy(tmp_path / "named" / "locked")

    def refusing(path):  # chmod would not keep root out
        if str(path) == str(locked):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    monkeypatch.setenv("KUZUSHIJI_DATA", str(tmp_path / "named"))
    with pytest.raises(DataError, match=f"{locked} could not be searched for .*Permission denied.*give your"):
        load_kmnist("train")
    small.copy(tmp_path / "named" / "open")
    assert len(load_kmnist("test")[0]) == 20


@pytest.mark.parametrize("variable", ["KUZUSHIJI_DATA", "KUZUSHIJI_CACHE"])
def test_another_value_of_a_variable_is_another_decision_and_is_said(small, monkeypatch, tmp_path, capfd, variable):
    small.copy(tmp_path / "full" / "kmnist")
    (tmp_path / "empty").mkdir()
    for name, n in (("full", 20), ("empty", 10000), ("full", 20)):
        monkeypatch.setenv(variable, str(tmp_path / name))
        assert len(load_kmnist("test")[0]) == n
    assert capfd.readouterr() == (KMNIST_LINE + EIGENKANA_LINE + KMNIST_LINE, "")


OLD = "is the OLD release .*before 5 February 2019"
BAD = {  # the file, whether as IDX, and what becomes of its array or stands in its place
    "web page": (TEST, False, b"<html><body>504 Gateway Time-out", "is a web page"),
    "one pixel": (TEST, False, lambda a: a ^ (np.arange(a.size) == 0).reshape(a.shape), "shape but other content: its"),
    "too few images": (TRAIN, False, lambda a: a[1:], r"uint8 \[299, 28, 28\], expected kmnist-train-imgs"),
    "floats": (TEST, False, lambda a: a / 255, r"float64 \[20, 28, 28\], expected .*uint8"),
    "old file": (TRAIN, False, lambda a: 254 - a, OLD),
    "black image": (TEST, True, lambda a: a * (np.arange(len(a)) != 3)[:, None, None], OLD),
    "MNIST's": (TRAIN, True, lambda a: 255 - a, "other content .the IDX files of MNIST"),
}


@pytest.mark.parametrize(("key", "as_idx", "change", "message"), BAD.values(), ids=BAD.keys())
def test_bad_file_is_refused_and_left_alone(named, small, monkeypatch, capfd, key, as_idx, change, message):
    """Nothing is quietly replaced by eigenkana, printed, written or removed."""
    part, path = small.parts[key], named / small.parts[key].name
    path.unlink()
    if isinstance(change, bytes):
        path.write_bytes(change)
    elif as_idx:
        files.write_idx(named / part.idx, change(small.arrays[key]))
    else:
        files.write_npz(path, change(small.arrays[key]))
    if message == OLD and not as_idx:
        monkeypatch.setitem(registry.OLD_RELEASE, part.name, files.digest_of(path, "blob"))
    before = contents(named)
    for source in ("auto", "auto", "kmnist"):  # and not only the first time
        with pytest.raises(DataError, match=f"^{re.escape(str(named))}.*{message}") as caught:
            load_kmnist("test", source)
        assert not isinstance(caught.value, Unreachable) and "\n" not in str(caught.value)
    assert contents(named) == before and capfd.readouterr() == ("", "")


def test_the_first_file_that_verifies_is_taken_and_where_none_does_all_are_named(named, small, tmp_path):
    """MNIST's IDX files have the names of KMNIST's, and may come first."""
    convert(named, "")
    part, others = small.parts[TEST], [tmp_path / "named" / name / small.parts[TEST].idx for name in "ab"]
    for path in others:
        files.write_idx(path, 255 - small.arrays[TEST])
    assert datasets.find_part(part)[0] == named / part.idx
    (named / part.idx).unlink()
    with pytest.raises(DataError) as caught:
        load_kmnist("train")
    assert all(str(path) in str(caught.value) for path in others)


@pytest.mark.parametrize("kept", [1, 2, 3])
def test_some_of_four_files_are_refused_and_counted(named, small, capfd, kept):
    for part in list(small.parts.values())[kept:]:
        (named / part.name).unlink()
    with pytest.raises(DataError, match=f"only {kept} of the 4 files of kmnist were found .{named}") as caught:
        load_kmnist("train")
    assert "connection refused" in str(caught.value) and not isinstance(caught.value, Unreachable)
    assert capfd.readouterr() == ("", "")
    assert len(load_kmnist("train", folder=str(small.folder))[0]) == 300  # where no other folder is searched


@pytest.mark.parametrize("load", [load_kmnist, load_k49, load_classmap, lambda name: load_kmnist("train", name)])
def test_bad_arguments_are_refused(named, small_k49, load):
    with pytest.raises(ValueError, match="'mnist'.* expected .*\"(train|auto|kmnist)\""):
        load("mnist")


@pytest.fixture
def small_k49(isolated, monkeypatch, tmp_path):
    release = Release("k49", tmp_path / "named" / "k49", monkeypatch, classes=49)
    monkeypatch.setenv("KUZUSHIJI_DATA", str(tmp_path / "named"))
    return release


def test_k49_loads_and_is_held_against_the_file_where_no_content_is_known(small_k49, monkeypatch, capfd):
    read, reads = files.read_npz, []
    monkeypatch.setattr(files, "read_npz", lambda path: reads.append(path.name) or read(path))
    for split in ("train", "test", "train"):
        images, labels = load_k49(split)
        assert images.dtype == labels.dtype == np.uint8
        assert np.array_equal(images, small_k49.arrays[split, "images"])
        assert np.array_equal(labels, small_k49.arrays[split, "labels"])
    assert capfd.readouterr() == ("data: K49, 232,365 train + 38,547 test images, verified\n", "")
    assert sorted(reads) == sorted(part.name for part in small_k49.parts.values())  # each once in a process
    part = small_k49.parts[TRAIN]
    files.write_npz(small_k49.folder / part.name, 255 - small_k49.arrays[TRAIN])
    forget()
    with pytest.raises(DataError, match=f"{part.name} has the right shape but other content"):
        load_k49("test")  # both splits are verified, as the line says


@pytest.fixture(params=["kmnist", "eigenkana"])
def source(request):
    """Real and generated images in turn; KMNIST where this machine has it."""
    request.getfixturevalue({"kmnist": "kmnist", "eigenkana": "isolated"}[request.param])
    return request.param


def test_quick_mode_hands_out_a_tenth_of_each_class_and_every_specimen(source, monkeypatch):
    (whole, labels), (specimens, table) = load_kmnist("train", source), load_specimens(source)
    assert np.array_equal(specimens, whole[table["row"]]) and np.array_equal(table["label"], labels[table["row"]])
    assert (len(table), table["certain"].sum()) == {"kmnist": (254, 232), "eigenkana": (230, 230)}[source]
    assert table.groupby(["label", "parent"]).size().max() == 10
    row_of = {image.tobytes(): row for row, image in enumerate(whole)}
    monkeypatch.setenv("KUZUSHIJI_QUICK", "1")
    assert np.bincount(load_kmnist("test", source)[1]).tolist() == [100] * 10
    (tenth, tenth_labels), (found, quick_table) = load_kmnist("train", source), load_specimens(source)
    rows = [row_of[image.tobytes()] for image in tenth]
    assert rows == sorted(set(rows)) and np.array_equal(tenth_labels, labels[rows])
    assert np.bincount(tenth_labels).tolist() == [600] * 10
    assert np.array_equal(load_kmnist("train", source)[0], tenth)  # the same at every call
    assert np.array_equal(found, specimens) and np.array_equal(found, tenth[quick_table["row"]])
    assert quick_table.drop(columns="row").equals(table.drop(columns="row"))


def test_readings_are_100_of_each_kana_and_split_and_quick_mode_has_their_images(source, monkeypatch):
    whole, table = {split: load_kmnist(split, source) for split in datasets.SPLITS}, load_readings(source)
    assert (
        table.groupby(["split", "label"]).size().tolist() == [100] * 20 and not table.duplicated(["split", "row"]).any()
    )
    assert [whole[split][1][row] for split, row in zip(table["split"], table["row"], strict=True)] == list(
        table["label"]
    )
    same = table["first"] == table["second"]
    assert (table["parent"] == table["first"].where(same, "uncertain")).all() and same.mean() > 0.99
    classmap = load_classmap("kmnist")
    allowed = (classmap["parent"] + " " + classmap["other_parents"] + " other unreadable").str.split()
    read = zip(table["label"], table["first"], table["second"], strict=True)
    assert all({first, second} <= set(allowed[label]) for label, first, second in read)
    monkeypatch.setenv("KUZUSHIJI_QUICK", "1")
    tenth, quick_table = {split: load_kmnist(split, source)[0] for split in datasets.SPLITS}, load_readings(source)
    assert quick_table.drop(columns="row").equals(table.drop(columns="row"))
    for split, row, quick_row in zip(table["split"], table["row"], quick_table["row"], strict=True):
        assert np.array_equal(tenth[split][quick_row], whole[split][0][row])


def test_foreign_land_is_that_of_the_images_at_hand(source, monkeypatch):
    whole, table = load_kmnist("test", source)[0], load_foreign_land(source)
    monkeypatch.setenv("KUZUSHIJI_QUICK", "1")
    tenth, quick_table = load_kmnist("test", source)[0], load_foreign_land(source)
    hosts = {whole[row].tobytes(): host for row, host in table.itertuples(index=False)}
    found = {tenth[row].tobytes(): host for row, host in quick_table.itertuples(index=False)}
    at_hand = {image.tobytes() for image in tenth}
    assert found == {image: host for image, host in hosts.items() if image in at_hand}
    assert (len(table) > 300 and len(found) > 20) if source == "kmnist" else table.empty


def test_quick_mode_is_said_has_one_of_the_rarest_and_changes_no_download(small, small_k49, monkeypatch, capfd):
    small.copy(small_k49.folder)
    monkeypatch.setenv("KUZUSHIJI_QUICK", "1")
    load_kmnist("test"), load_kmnist("test", source="eigenkana")
    labels = load_k49("train")[1]
    assert labels.tolist() != list(range(49)) and sorted(labels) == list(range(49))  # of 6 or 7 each, in order of rows
    assert len(datasets.obtain("kmnist")[TRAIN][1]) == 300
    assert capfd.readouterr().out.splitlines() == [
        "data: KMNIST, 6,000 train + 1,000 test images (quick mode: a tenth), verified",
        "data: eigenkana, 6,000 + 1,000 generated images (quick mode: a tenth; as asked)",
        "data: K49, 23,245 train + 3,860 test images (quick mode: a tenth), verified",
    ]


def test_eigenkana_where_nothing_is_found_with_one_line(isolated, capfd):
    (train, labels), (test, _), (again, _) = (load_kmnist(split) for split in ("train", "test", "test"))
    assert train.dtype == labels.dtype == np.uint8 and np.bincount(labels).tolist() == [6000] * 10
    assert train.shape == (60000, 28, 28) and test.shape == (10000, 28, 28) and np.array_equal(test, again)
    assert not {image.tobytes() for image in train} & {image.tobytes() for image in test}
    with pytest.raises(Unreachable, match="connection refused"):  # the decision does not soften a later refusal
        load_kmnist("test", source="kmnist")
    assert capfd.readouterr() == (EIGENKANA_LINE, "")


# The 字母 in the order of the fifty sounds, as any dictionary gives them; written a second time on purpose
PARENTS = "安以宇衣於加幾久計己左之寸世曾太知川天止奈仁奴禰乃波比不部保末美武女毛也由與良利留禮呂和爲惠遠无"


@pytest.mark.parametrize(("name", "classes", "digest"), [
    ("kmnist", 10, "88ba4be4bd52d986ae100b425d5c28437c81829c87800c5832a2253edc758374"),
    ("k49", 49, "95f5a2cfbfba1721f566059cf77c22808898b63044a5f9a08de9d8a2950eed84"),
    ("kkanji", 3832, "570dc7bb69d6eca96862f7498ee7564abdf9f90aa89ac3e7907af65f9de2d3d5"),
])  # fmt: skip
def test_a_class_map_begins_with_the_official_columns(name, classes, digest):
    """The SHA-256 of the files that CODH publishes; for the kanji of one that was made from the tar's paths."""
    classmap = load_classmap(name)
    official = classmap.reset_index()[["index", "codepoint", "char"]].to_csv(index=False, lineterminator="\n")
    assert hashlib.sha256(official.encode()).hexdigest() == digest
    assert classmap.index.tolist() == list(range(classes))
    assert [f"U+{ord(char):04X}" for char in classmap["char"]] == classmap["codepoint"].tolist()


def test_the_parents_of_k49_are_those_of_any_dictionary_and_kmnist_agrees():
    classmap = load_classmap("k49").set_index("char")
    assert "".join(classmap["parent"]) == PARENTS
    ours = load_classmap("kmnist").set_index("char")
    assert ours.equals(classmap.loc[ours.index])
