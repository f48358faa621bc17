"""Finding, verifying and loading: what is found where, what is refused and why, and the one line that says it."""

import hashlib
import os
import re

import numpy as np
import pytest
from conftest import contents, flip, forget

from kuzushiji import (
    DataError,
    Unreachable,
    datasets,
    figures,
    files,
    load_foreign_land,
    load_k49,
    load_kmnist,
    load_specimens,
    paths,
    registry,
    start,
)
from kuzushiji.files import digest_of

KMNIST_LINE = "data: KMNIST, 60,000 train + 10,000 test images, verified\n"
AGAIN_LINE = "earlier cells have other data than those that follow: run those cells again\n"
EIGENKANA_LINE = "data: eigenkana, 60,000 + 10,000 generated images (KMNIST was not reachable)\n"


@pytest.fixture
def folder(small, monkeypatch, tmp_path):
    """A folder named in KUZUSHIJI_DATA that holds the small release, in a sub-folder."""
    monkeypatch.setenv("KUZUSHIJI_DATA", str(tmp_path / "named"))
    return small.copy(tmp_path / "named" / "some" / "where")


def convert(folder, end="", keep_npz=False):
    """Give every NPZ file of a folder in IDX format too, or instead."""
    for part in registry.PARTS["kmnist"].values():
        files.write_idx(folder / (part.idx + end), files.read_npz(folder / part.name))
        if not keep_npz:
            (folder / part.name).unlink()


@pytest.mark.parametrize("split", datasets.SPLITS)
@pytest.mark.parametrize("layout", ["NPZ", "IDX", "IDX.gz"])
def test_every_format_loads_equal(folder, small, layout, split):
    if layout != "NPZ":
        convert(folder, {"IDX": "", "IDX.gz": ".gz"}[layout])
    images, labels = load_kmnist(split)
    assert images.dtype == labels.dtype == np.uint8
    assert np.array_equal(images, small.arrays[split, "images"])
    assert np.array_equal(labels, small.arrays[split, "labels"])
    assert images.flags.writeable


def test_npz_comes_before_gzipped_idx_before_idx(folder):
    part = registry.PARTS["kmnist"]["test", "images"]
    convert(folder, keep_npz=True)
    convert(folder, ".gz", keep_npz=True)
    for name in (part.name, part.idx + ".gz", part.idx):
        assert datasets.find_part(part)[0] == folder / name
        (folder / name).unlink()
    assert datasets.find_part(part) is None


def test_named_folders_come_in_their_order_before_the_data_folder(small, monkeypatch, tmp_path):
    part = registry.PARTS["kmnist"]["test", "images"]
    first, second = small.copy(tmp_path / "b"), small.copy(tmp_path / "a")
    own = small.copy(paths.data_folder() / "kmnist")
    monkeypatch.setenv("KUZUSHIJI_DATA", os.pathsep.join([str(first), "", str(second)]))
    for folder in (first, second, own):
        assert datasets.find_part(part)[0] == folder / part.name
        (folder / part.name).unlink()
    assert datasets.find_part(part) is None


def test_sub_folders_are_searched_by_name_from_the_top(small, monkeypatch, tmp_path):
    part, names = registry.PARTS["kmnist"]["test", "images"], "gcahbfed"
    folders = [small.copy(tmp_path / "named" / name / "sub") for name in names] + [small.copy(tmp_path / "named" / "z")]
    small.copy(tmp_path / "named")
    monkeypatch.setenv("KUZUSHIJI_DATA", str(tmp_path / "named"))
    for folder in (tmp_path / "named", *sorted(folders)):
        assert datasets.find_part(part)[0] == folder / part.name
        (folder / part.name).unlink()


def test_files_may_be_spread_over_several_folders(small, monkeypatch, tmp_path):
    folders = [tmp_path / key for key in ("images", "labels")]
    for kind, folder in zip(("images", "labels"), folders, strict=True):
        small.copy(folder)
        for (_, other), part in small.parts.items():
            if other != kind:
                (folder / part.name).unlink()
    monkeypatch.setenv("KUZUSHIJI_DATA", os.pathsep.join(map(str, folders)))
    assert len(load_kmnist("train")[0]) == len(small.arrays["train", "labels"])


def test_one_line_however_often_loaded(folder, capfd):
    for split in ("train", "test", "train"):
        load_kmnist(split)
        load_kmnist(split, source="kmnist")
    assert capfd.readouterr() == (KMNIST_LINE, "")


def test_a_file_is_read_and_verified_once_in_a_process(folder, monkeypatch):
    read, reads = files.read_npz, []
    monkeypatch.setattr(files, "read_npz", lambda path: reads.append(path) or read(path))
    for _ in range(3):
        images, _ = load_kmnist("test")
        images[:] = 0  # what the caller does with his copy changes nothing
    assert len(reads) == len(set(reads)) == 4 and load_kmnist("test")[0].any()


@pytest.mark.parametrize("split", datasets.SPLITS)
def test_k49_loads_and_says_so_once(small_k49, monkeypatch, capfd, split):
    monkeypatch.setenv("KUZUSHIJI_DATA", str(small_k49.folder))
    for _ in range(2):
        images, labels = load_k49(split)
    assert images.dtype == labels.dtype == np.uint8
    assert np.array_equal(images, small_k49.arrays[split, "images"])
    assert np.array_equal(labels, small_k49.arrays[split, "labels"])
    assert capfd.readouterr() == ("data: K49, 232,365 train + 38,547 test images, verified\n", "")


def test_k49_is_held_against_the_file_where_no_content_is_known(small_k49, monkeypatch):
    part, array = small_k49.parts["train", "images"], small_k49.arrays["train", "images"].copy()
    assert not part.content
    array[0, 0, 0] ^= 1
    files.write_npz(small_k49.folder / part.name, array)
    monkeypatch.setenv("KUZUSHIJI_DATA", str(small_k49.folder))
    with pytest.raises(DataError, match="k49-train-imgs.npz has the right shape but other content"):
        load_k49("test")  # both splits are verified, as the line says


# ---------------------------------------------------------------------------------------------------- bad files

TRAIN, TEST = (("train", "images"), ("test", "images"))


def replace_array(change):
    """Damage that writes a changed array into the file."""
    return lambda path: files.write_npz(path, change(files.read_npz(path)))


def replace_bytes(change):
    return lambda path: path.write_bytes(change(path.read_bytes()))


def one_pixel(array):
    array[0, 0, 0] ^= 1
    return array


def black_image(array):
    array[registry.OLD_RELEASE_BLACK_IMAGE] = 0
    return array


def recompress(path):
    np.savez(path, arr_0=np.load(path)["arr_0"])


def as_idx(change):
    def damage(path):
        part = next(part for part in registry.PARTS["kmnist"].values() if part.name == path.name)
        files.write_idx(path.with_name(part.idx), change(files.read_npz(path)))
        path.unlink()

    return damage


WEB_PAGE = b"<html><body>504 Gateway Time-out</body></html>"
BAD = {
    "truncated": (TRAIN, replace_bytes(lambda b: b[: len(b) // 2]), "is truncated, damaged or not"),
    "flipped byte": (TRAIN, replace_bytes(lambda b: flip(b, len(b) // 2)), "is truncated, damaged or not"),
    "web page": (TEST, replace_bytes(lambda b: WEB_PAGE), "is a web page saved as data"),
    "one pixel": (TEST, replace_array(one_pixel), "has the right shape but other content: its digest"),
    "too few images": (
        TRAIN,
        replace_array(lambda a: a[:-1]),
        r"holds uint8 \[299, 28, 28\], expected kmnist-train-imgs",
    ),
    "too few labels": (
        ("train", "labels"),
        replace_array(lambda a: a[:-1]),
        r"holds uint8 \[299\], expected kmnist-train",
    ),
    "other size": (TEST, replace_array(lambda a: a[:, 1:]), r"holds uint8 \[20, 27, 28\], expected .* \[20, 28, 28\]"),
    "floats": (TEST, replace_array(lambda a: a / 255), r"holds float64 \[20, 28, 28\], expected .*uint8"),
    "a number": (TEST, replace_array(lambda a: np.uint8(7)), "holds uint8 .*, expected kmnist-test-imgs"),
    "labels for images": (TEST, replace_array(lambda a: a[:, 0, 0]), r"holds uint8 \[20\], expected .* \[20, 28, 28\]"),
    "black image": (TEST, replace_array(black_image), "is the OLD release .*before 5 February 2019"),
    "black image in IDX": (TEST, as_idx(black_image), "is the OLD release .*before 5 February 2019"),
    "IDX of MNIST": (
        TRAIN,
        as_idx(lambda a: 255 - a),
        "right shape but other content .the IDX files of MNIST and Fashion",
    ),
    "dangling link": (TEST, lambda path: (path.unlink(), path.symlink_to("annex")), "cannot be read .No such file"),
}


@pytest.mark.parametrize("source", ["auto", "kmnist"])
@pytest.mark.parametrize(("key", "damage", "message"), BAD.values(), ids=BAD.keys())
def test_bad_file_is_refused_and_left_alone(folder, capfd, key, damage, message, source):
    """Nothing is quietly replaced by eigenkana, printed, written or removed."""
    damage(folder / registry.PARTS["kmnist"][key].name)
    before = contents(folder)
    for _ in range(2):  # and not only the first time
        with pytest.raises(DataError, match=f"^{re.escape(str(folder))}.*{message}") as caught:
            load_kmnist("test", source)
        assert not isinstance(caught.value, Unreachable) and "\n" not in str(caught.value)
    assert contents(folder) == before
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kind", ["md5", "blob"])
def test_old_release_is_recognised_by_the_digest_of_its_file(folder, monkeypatch, kind):
    path = folder / registry.PARTS["kmnist"][TRAIN].name
    replace_array(one_pixel)(path)
    monkeypatch.setitem(registry.OLD_RELEASE, path.name, digest_of(path, kind))
    with pytest.raises(DataError, match="is the OLD release"):
        load_kmnist("train")


def test_old_release_constants_are_the_published_ones():
    assert registry.OLD_RELEASE == {
        "kmnist-test-imgs.npz": "md5:c8fe4d39f842711ac6cc8c1b4be5ee21",
        "kmnist-train-imgs.npz": "blob:b596e8ab8732786c3b0fdb2ca51d2066d4e75955",
    }
    assert registry.OLD_RELEASE_BLACK_IMAGE == 9677


def test_a_file_with_other_bytes_and_the_official_content_is_good(folder, small):
    path = folder / small.parts[TEST].name
    recompress(path)
    assert digest_of(path, "sha256") != small.parts[TEST].digest
    assert np.array_equal(load_kmnist("test")[0], small.arrays[TEST])


def test_named_folder_that_does_not_exist_is_refused(small, monkeypatch, tmp_path):
    small.copy(paths.data_folder() / "kmnist")  # good files elsewhere do not hide the mistake
    monkeypatch.setenv("KUZUSHIJI_DATA", os.pathsep.join([str(tmp_path), str(tmp_path / "no such")]))
    with pytest.raises(
        DataError, match="KUZUSHIJI_DATA names .*no such, which is not a folder: correct it, or leave it out"
    ):
        load_kmnist("train")


@pytest.mark.parametrize("kept", [1, 2, 3])
def test_some_of_four_files_are_refused_and_counted(folder, small, capfd, kept):
    for part in list(small.parts.values())[kept:]:
        (folder / part.name).unlink()
    with pytest.raises(DataError, match=f"only {kept} of the 4 files of kmnist were found .{folder}") as caught:
        load_kmnist("train")
    assert "connection refused" in str(caught.value) and not isinstance(caught.value, Unreachable)
    assert capfd.readouterr() == ("", "")


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match='split is \'valid\', expected "train" or "test"'):
        load_kmnist("valid")
    with pytest.raises(ValueError, match="split is 'valid', expected"):
        load_k49("valid")
    with pytest.raises(ValueError, match="source is 'mnist', expected"):
        load_kmnist("train", source="mnist")


# ------------------------------------------------------------------------------------------- files that are overlooked


def test_the_files_of_a_sibling_data_set_beside_are_passed_over(folder, small, tmp_path):
    """MNIST's IDX files have the names of KMNIST's, and may come first."""
    convert(folder, ".gz")
    for key, array in small.arrays.items():
        files.write_idx(tmp_path / "named" / "a" / (small.parts[key].idx + ".gz"), 255 - array)
    before = contents(tmp_path)
    assert np.array_equal(load_kmnist("test")[0], small.arrays[TEST])
    assert contents(tmp_path) == before


def test_where_no_candidate_fits_all_are_named_and_none_is_to_be_replaced(folder, small, tmp_path):
    convert(folder)
    for key, array in small.arrays.items():
        (folder / small.parts[key].idx).unlink()
        for name in ("a", "b"):
            files.write_idx(tmp_path / "named" / name / small.parts[key].idx, 255 - array)
    with pytest.raises(DataError, match="none of the 2 files that could be kmnist-train-imgs.npz is: ") as caught:
        load_kmnist("train")
    for name in ("a", "b"):
        assert str(tmp_path / "named" / name) in str(caught.value)
    assert "into a folder that is searched" in str(caught.value) and "replace" not in str(caught.value)


def test_data_behind_symbolic_links_are_found_and_a_circle_ends(small, monkeypatch, tmp_path):
    (tmp_path / "named").mkdir()
    (tmp_path / "named" / "link").symlink_to(small.folder)
    (tmp_path / "named" / "back").symlink_to(tmp_path / "named")
    monkeypatch.setenv("KUZUSHIJI_DATA", str(tmp_path / "named"))
    assert len(load_kmnist("test")[0]) == 20


def test_a_link_that_leads_above_the_folder_is_not_followed(small, monkeypatch, tmp_path):
    """As one to the root, by which the whole disk would be searched."""
    (tmp_path / "named").mkdir()
    (tmp_path / "named" / "up").symlink_to(tmp_path)
    small.copy(tmp_path / "beside")
    monkeypatch.setenv("KUZUSHIJI_DATA", str(tmp_path / "named"))
    assert datasets.find_files("kmnist-test-imgs.npz") == []
    monkeypatch.setenv("KUZUSHIJI_DATA", os.pathsep.join([str(tmp_path / "named"), str(tmp_path)]))
    assert tmp_path / "beside" / "kmnist-test-imgs.npz" in datasets.find_files("kmnist-test-imgs.npz")


@pytest.mark.parametrize("end", ["", ".gz"])
def test_dotted_idx_names_are_found(folder, end):
    convert(folder, end)
    for part in registry.PARTS["kmnist"].values():
        (folder / (part.idx + end)).rename(folder / (part.idx.replace("-idx", ".idx") + end))
    assert len(load_kmnist("test")[0]) == 20


def test_a_folder_that_may_not_be_read_is_named(small, close_folder, monkeypatch, tmp_path):
    locked = small.copy(tmp_path / "named" / "locked")
    close_folder(locked)
    monkeypatch.setenv("KUZUSHIJI_DATA", str(tmp_path / "named"))
    for _ in range(2):
        with pytest.raises(DataError, match=f"{locked} could not be searched for .* .Permission denied.: give your"):
            load_kmnist("train")
    small.copy(tmp_path / "named" / "open")  # then it is none of our business
    assert len(load_kmnist("test")[0]) == 20


def test_a_folder_whose_parent_is_closed_is_named(small, monkeypatch, tmp_path):
    def closed(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("pathlib.Path.is_dir", closed)
    monkeypatch.setenv("KUZUSHIJI_DATA", str(tmp_path))
    with pytest.raises(DataError, match="KUZUSHIJI_DATA names .*, which may not be read .Permission denied."):
        load_kmnist("train")


def test_a_folder_given_to_the_loader_is_the_only_one_searched(folder, small, small_k49, tmp_path):
    own = small.copy(tmp_path / "own")
    assert np.array_equal(load_kmnist("test", folder=own)[1], small.arrays["test", "labels"])
    (own / "kmnist-test-imgs.npz").unlink()
    datasets._loaded.clear()
    with pytest.raises(DataError, match="only 3 of the 4 files of kmnist were found .*own.* not kmnist-test-imgs"):
        load_kmnist("test", folder=str(own))
    assert len(load_k49("test", folder=small_k49.folder)[0]) == 20
    with pytest.raises(DataError, match="the folder given is .*none, which is not a folder"):
        load_kmnist("test", folder=tmp_path / "none")


# ------------------------------------------------------------------------------------------------------- specimens


@pytest.fixture(params=["kmnist", "eigenkana"])
def source(request):
    """Real and generated images in turn; KMNIST where this machine has it."""
    request.getfixturevalue({"kmnist": "kmnist", "eigenkana": "isolated"}[request.param])
    return request.param


def test_specimens_are_rows_of_the_training_set_with_their_parents(source):
    images, table = load_specimens(source)
    train, labels = load_kmnist("train", source)
    assert list(table.columns) == ["row", "label", "parent", "certain"]
    assert np.array_equal(images, train[table["row"]]) and np.array_equal(table["label"], labels[table["row"]])
    shapes = table.groupby(["label", "parent"]).size()
    assert shapes.max() == 10
    if source == "kmnist":
        assert len(table) == 254 and table["certain"].sum() == 232 and len(shapes) >= 25
    else:
        assert table["certain"].all() and len(shapes) == 23
        assert set(table["parent"]) <= set(datasets.specimen_table("kmnist")["parent"])


# ------------------------------------------------------------------------------------------------------- quick mode


@pytest.fixture
def quick(monkeypatch):
    """A function that switches quick mode on."""
    return lambda: monkeypatch.setenv("KUZUSHIJI_QUICK", "1")


def test_quick_mode_hands_out_a_tenth_of_each_class_and_every_specimen(source, quick):
    whole, (specimens, table) = load_kmnist("train", source), load_specimens(source)
    row_of = {image.tobytes(): row for row, image in enumerate(whole[0])}
    quick()
    for split, n in (("train", 600), ("test", 100)):
        images, labels = load_kmnist(split, source)
        assert np.bincount(labels).tolist() == [n] * 10
        assert np.array_equal(load_kmnist(split, source)[0], images)  # the same at every call
        if split == "train":
            rows = [row_of[image.tobytes()] for image in images]
            assert rows == sorted(set(rows)) and np.array_equal(labels, whole[1][rows])
            found, quick_table = load_specimens(source)
            assert np.array_equal(found, specimens) and np.array_equal(found, images[quick_table["row"]])
            assert quick_table.drop(columns="row").equals(table.drop(columns="row"))


def test_foreign_land_is_that_of_the_images_at_hand(source, quick):
    whole, table = load_kmnist("test", source)[0], load_foreign_land(source)
    quick()
    tenth, quick_table = load_kmnist("test", source)[0], load_foreign_land(source)
    at_hand = {image.tobytes() for image in tenth}
    hosts = {whole[row].tobytes(): host for row, host in zip(table["test_row"], table["host"], strict=True)}
    found = {tenth[row].tobytes(): host for row, host in zip(quick_table["test_row"], quick_table["host"], strict=True)}
    assert found == {image: host for image, host in hosts.items() if image in at_hand}
    assert (len(table) > 300 and len(found) > 20) if source == "kmnist" else table.empty


def test_quick_mode_is_said_has_one_of_the_rarest_and_changes_no_download(folder, small_k49, quick, capfd):
    quick()
    load_kmnist("test"), load_kmnist("test", source="eigenkana")
    images, labels = load_k49("train", folder=small_k49.folder)
    assert labels.tolist() != list(range(49)) and sorted(labels) == list(range(49))  # of 6 or 7 each, in order of rows
    of_class = small_k49.arrays["train", "images"][small_k49.arrays["train", "labels"] == labels[0]]
    assert (of_class == images[0]).all(axis=(1, 2)).sum() == 1
    assert capfd.readouterr().out.splitlines() == [
        "data: KMNIST, 6,000 train + 1,000 test images (quick mode: a tenth), verified",
        "data: eigenkana, 6,000 + 1,000 generated images (quick mode: a tenth; as asked)",
        "data: K49, 23,245 train + 3,860 test images (quick mode: a tenth), verified",
    ]
    assert len(datasets.obtain("kmnist")["train", "images"][1]) == 300


def test_start_says_which_data_and_mode(folder, quick, monkeypatch, capfd):
    assert start() is False and figures.stamp == "" and capfd.readouterr().out == KMNIST_LINE
    quick()
    monkeypatch.delenv("KUZUSHIJI_DATA")
    assert start() is True and figures.stamp == figures.GENERATED
    _, line, advice, mode = capfd.readouterr().out.splitlines()
    assert (
        "KMNIST was not reachable" in line and advice.startswith("Text and titles describe KMNIST") and "unset" in mode
    )
    figures.use_style()


# ---------------------------------------------------------------------------------------------------- no source answers


def test_eigenkana_where_nothing_is_found_with_one_line(isolated, capfd):
    for split, n in (("train", 60000), ("test", 10000)):
        images, labels = load_kmnist(split)
        assert images.dtype == labels.dtype == np.uint8
        assert images.shape == (n, 28, 28) and labels.shape == (n,)
        assert np.bincount(labels).tolist() == [n // 10] * 10
    assert capfd.readouterr() == (EIGENKANA_LINE, "")


def test_eigenkana_splits_share_no_image_and_come_again_the_same(isolated):
    (train, _), (test, _) = load_kmnist("train"), load_kmnist("test")
    assert not {image.tobytes() for image in train} & {image.tobytes() for image in test}
    assert np.array_equal(load_kmnist("test")[0], test)


def test_eigenkana_on_request_even_beside_kmnist(folder, capfd):
    assert load_kmnist("test", source="eigenkana")[0].shape == (10000, 28, 28)
    assert capfd.readouterr() == ("data: eigenkana, 60,000 + 10,000 generated images (as asked)\n", "")


def test_the_refusal_of_eigenkana_lists_every_source(isolated, monkeypatch, capfd):
    dead = registry.SOURCES["kmnist"][0]
    monkeypatch.setitem(registry.SOURCES, "kmnist", (dead, dead + "?mirror"))
    load_kmnist("test")  # the decision for eigenkana does not soften a later refusal
    with pytest.raises(Unreachable) as caught:
        load_kmnist("test", source="kmnist")
    name = "kmnist-train-imgs.npz"
    for source in (dead, dead + "?mirror"):
        assert f"{source.format(dataset='kmnist', name=name)}: connection refused\n" in str(caught.value)
    assert "KUZUSHIJI_DATA" in str(caught.value)
    assert capfd.readouterr() == (EIGENKANA_LINE, "")


def test_k49_has_no_stand_in(isolated):
    with pytest.raises(Unreachable, match="k49-train-imgs.npz could not be had from any source"):
        load_k49("train")


def test_a_failure_is_not_remembered_and_a_change_of_data_is_said(small, server, monkeypatch, capfd):
    assert len(load_kmnist("test")[0]) == 10000
    server.files = contents(small.folder)
    monkeypatch.setitem(registry.SOURCES, "kmnist", (server.source("good"),))  # the network is back
    assert len(load_kmnist("test")[0]) == 20
    assert capfd.readouterr() == (EIGENKANA_LINE + AGAIN_LINE + KMNIST_LINE, "")


def test_a_return_to_eigenkana_is_said_too(small, monkeypatch, capfd):
    monkeypatch.setenv("KUZUSHIJI_DATA", str(small.folder))
    load_kmnist("test")
    monkeypatch.delenv("KUZUSHIJI_DATA")
    assert len(load_kmnist("test")[0]) == 10000
    assert capfd.readouterr() == (KMNIST_LINE + AGAIN_LINE + EIGENKANA_LINE, "")


def test_another_cache_is_another_decision(small, monkeypatch, tmp_path):
    small.copy(tmp_path / "cache" / "kmnist")
    monkeypatch.setenv("KUZUSHIJI_CACHE", str(tmp_path / "cache"))
    assert len(load_kmnist("test")[0]) == 20
    monkeypatch.setenv("KUZUSHIJI_CACHE", str(tmp_path / "empty"))
    assert len(load_kmnist("test")[0]) == 10000


def test_another_value_of_the_variable_is_another_decision(small, monkeypatch, tmp_path):
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("KUZUSHIJI_DATA", str(small.folder))
    assert len(load_kmnist("test")[0]) == 20
    monkeypatch.setenv("KUZUSHIJI_DATA", str(tmp_path / "empty"))
    assert len(load_kmnist("test")[0]) == 10000


# ---------------------------------------------------------------------------------------------------- the real data


def test_the_real_files_are_those_of_the_catalogue(kmnist):
    known = [part for parts in registry.PARTS.values() for part in parts.values() if datasets.find_files(part.name)]
    assert len(known) >= 4
    for part in known:
        path, _ = datasets.find_part(part)
        assert digest_of(path, part.digest.split(":")[0]) == part.digest


def test_the_real_data_loads(kmnist, capfd):
    forget()
    for split, n in (("train", 60000), ("test", 10000)):
        images, labels = load_kmnist(split)
        assert images.shape == (n, 28, 28) and images.dtype == labels.dtype == np.uint8
        assert np.bincount(labels).tolist() == [n // 10] * 10
        assert hashlib.sha256(images).hexdigest() == registry.PARTS["kmnist"][split, "images"].content
    assert capfd.readouterr() == (KMNIST_LINE, "")
    forget()


def test_no_real_image_is_black(kmnist):
    assert kmnist["test"][0].any(axis=(1, 2)).all()
