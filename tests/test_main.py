"""The command line: what it prints, where it puts files, and one clear message with status 2 when it cannot."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest
from conftest import CHECKOUT, contents

from kuzushiji import datasets, files, paths, registry
from kuzushiji.__main__ import main

IDX = [part.idx + ".gz" for part in registry.PARTS["kmnist"].values()]


@pytest.fixture
def folder(small, monkeypatch):
    """The folder of the small release, named in KUZUSHIJI_DATA."""
    monkeypatch.setenv("KUZUSHIJI_DATA", str(small.folder))
    return small.folder


def fails(capfd, *arguments):
    """Run a command that must fail with status 2 and one message on stderr; returns the message."""
    assert main(list(map(str, arguments))) == 2
    error = capfd.readouterr().err
    assert error.startswith("kuzushiji: ") and "Traceback" not in error
    return error


def test_status_of_nothing_is_no_failure(isolated, capfd):
    assert main(["status"]) == 0
    out, err = capfd.readouterr()
    assert out.count("not found") == 9 and "decoded       not made yet" in out and "eigenkana.npz" in out and err == ""


def test_status_names_every_good_file(folder, capfd):
    assert main(["status"]) == 0
    out = capfd.readouterr().out
    for part in registry.PARTS["kmnist"].values():
        assert f"current release, verified: {folder / part.name}\n" in out
    assert out.count("not found") == 5


def test_status_names_the_bad_file_and_ends_with_2(folder, capfd):
    path = folder / "kmnist-test-imgs.npz"
    path.write_bytes(b"<html>")
    assert main(["status"]) == 2
    out = capfd.readouterr().out
    assert f"  test  images  BAD: {path} is a web page" in out and out.count("verified: ") == 3


def test_status_finds_the_kanji_tar(folder, capfd):
    (folder / "kkanji.tar").write_bytes(b"not looked into")
    assert main(["status"]) == 0
    assert f"found, verified when it is decoded: {folder / 'kkanji.tar'}\n" in capfd.readouterr().out


def test_status_of_a_folder_that_does_not_exist(isolated, monkeypatch, capfd):
    monkeypatch.setenv("KUZUSHIJI_DATA", "/no/such/folder")
    assert "KUZUSHIJI_DATA names /no/such/folder, which is not a folder" in fails(capfd, "status")


def test_status_names_a_folder_that_may_not_be_read(folder, close_folder, capfd):
    close_folder(folder)
    assert main(["status"]) == 2
    assert f"BAD: {folder} could not be searched (Permission denied)" in capfd.readouterr().out


def test_download_of_what_is_there_verifies_it(folder, capfd):
    before = contents(folder.parent)
    assert main(["download", "kmnist"]) == 0
    assert capfd.readouterr() == (
        "".join(f"{folder / p.name}: verified\n" for p in registry.PARTS["kmnist"].values()),
        "",
    )
    assert contents(folder.parent) == before


def test_download_fetches_into_the_data_folder(small, server, monkeypatch):
    server.files = contents(small.folder)
    monkeypatch.setitem(registry.SOURCES, "kmnist", (server.source("good"),))
    assert main(["download", "kmnist"]) == 0
    assert contents(paths.data_folder() / "kmnist") == contents(small.folder)


def test_to_copies_the_files_byte_for_byte(folder, tmp_path):
    assert main(["download", "kmnist", "--to", str(tmp_path / "a" / "b")]) == 0
    assert contents(tmp_path / "a" / "b") == contents(folder)


def test_to_the_folder_where_the_files_are_changes_nothing(folder):
    before = contents(folder), [path.stat().st_ino for path in sorted(folder.iterdir())]
    assert main(["download", "kmnist", "--to", str(folder)]) == 0
    assert (contents(folder), [path.stat().st_ino for path in sorted(folder.iterdir())]) == before


def test_to_replaces_what_was_bad(folder, tmp_path):
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / "kmnist-test-imgs.npz").write_bytes(b"bad")
    assert main(["download", "kmnist", "--to", str(tmp_path / "to")]) == 0
    assert contents(tmp_path / "to") == contents(folder)


def test_npz_to_idx_and_back(small, folder, monkeypatch, tmp_path, capfd):
    assert main(["download", "kmnist", "--format", "idx", "--to", str(tmp_path / "idx")]) == 0
    assert sorted(contents(tmp_path / "idx")) == sorted(IDX)
    for key, part in registry.PARTS["kmnist"].items():
        assert np.array_equal(files.read_idx(tmp_path / "idx" / (part.idx + ".gz")), small.arrays[key])
    monkeypatch.setenv("KUZUSHIJI_DATA", str(tmp_path / "idx"))
    assert main(["status"]) == 0 and capfd.readouterr().out.count("verified: ") == 4
    assert main(["download", "kmnist", "--to", str(tmp_path / "npz")]) == 0
    for key, part in registry.PARTS["kmnist"].items():
        assert np.array_equal(files.read_npz(tmp_path / "npz" / part.name), small.arrays[key])
    assert len(contents(tmp_path / "npz")) == 4


def test_idx_without_a_folder_goes_to_the_data_folder(folder):
    assert main(["download", "kmnist", "--format", "idx"]) == 0
    assert sorted(contents(paths.data_folder() / "kmnist")) == sorted(IDX)


def test_nothing_bad_is_copied(folder, tmp_path, capfd):
    (folder / "kmnist-train-imgs.npz").write_bytes(b"<html>")
    assert "is a web page" in fails(capfd, "download", "kmnist", "--to", tmp_path / "to")
    assert not (tmp_path / "to").exists()


@pytest.mark.parametrize("dataset", ["k49", "kkanji"])
def test_idx_is_refused_where_there_is_none(isolated, capfd, dataset):
    assert f"only kmnist is published as IDX, {dataset} is not" in fails(capfd, "download", dataset, "--format", "idx")


@pytest.mark.parametrize("dataset", ["kmnist", "k49", "kkanji"])
def test_no_source_answers(isolated, capfd, dataset):
    error = fails(capfd, "download", dataset)
    assert "could not be had from any source:\n" in error and "connection refused" in error
    assert not (paths.data_folder() / dataset).exists()


def test_folder_that_cannot_be_written(folder, tmp_path, capfd):
    (tmp_path / "to").write_bytes(b"in the way")
    assert "could not write" in fails(capfd, "download", "kmnist", "--to", tmp_path / "to")


def test_kanji_tar_is_verified_and_copied(isolated, monkeypatch, tmp_path, capfd):
    verified = []
    monkeypatch.setattr("kuzushiji.kkanji.verify_tar", verified.append)
    (isolated / "data" / "kkanji.tar").write_bytes(b"a tar")
    assert main(["download", "kkanji", "--to", str(tmp_path / "to")]) == 0
    assert verified == [isolated / "data" / "kkanji.tar"]
    assert contents(tmp_path / "to") == {"kkanji.tar": b"a tar"}
    assert capfd.readouterr().out == f"{tmp_path / 'to' / 'kkanji.tar'}: verified\n"


def test_ctrl_c_is_no_traceback(isolated, monkeypatch, capfd):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(datasets, "obtain", interrupt)
    assert main(["download", "kmnist"]) == 130
    assert capfd.readouterr().err == "kuzushiji: stopped\n"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["fetch"],
        ["download"],
        ["download", "mnist"],
        ["download", "kmnist", "--format", "csv"],
        ["status", "kmnist"],
    ],
)
def test_bad_options_end_with_2_and_the_usage(arguments, capfd):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    out, err = capfd.readouterr()
    assert caught.value.code == 2 and out == "" and err.startswith("usage: python -m kuzushiji")


def test_the_module_runs_as_a_command_from_anywhere(tmp_path):
    path = os.pathsep.join([str(CHECKOUT), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": path, "KUZUSHIJI_DATA": str(tmp_path / "none")}
    command = [sys.executable, "-m", "kuzushiji", "status"]
    process = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert process.returncode == 2 and process.stdout == ""
    assert process.stderr.startswith("kuzushiji: KUZUSHIJI_DATA names ") and process.stderr.count("\n") == 1


@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])
@pytest.mark.parametrize("command", [["status"], ["download", "kmnist"]])
def test_nobody_reading_on_is_no_traceback(small, folder, monkeypatch, command, unbuffered):
    """As in `python -m kuzushiji status | head -1`: the first print may fail, or the last flush."""
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    process = small.run(f"from kuzushiji.__main__ import main; sys.exit(main({command!r}))")
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait() == 1
    process.stderr.close()


@pytest.mark.parametrize("command", [["status"], ["read", "picture.png"], ["download", "kmnist"]])
def test_a_python_without_the_packages_is_told_which_to_use(command):
    """-S: this Python without its site-packages, so without NumPy, in the folder of the checkout."""
    process = subprocess.run(
        [sys.executable, "-S", "-m", "kuzushiji", *command], cwd=CHECKOUT, capture_output=True, text=True
    )
    assert process.returncode == 2 and process.stdout == ""
    assert re.fullmatch(r"kuzushiji: this Python has no numpy; the series' own is .venv/bin/python\n", process.stderr)
