"""The command line: what it prints, where it puts files, and one clear message with status 2 when it cannot."""

import shutil
import subprocess
import sys

import numpy as np
import pytest
from conftest import CHECKOUT, contents

from kuzushiji import files, paths, registry
from kuzushiji.__main__ import main

PARTS = registry.PARTS["kmnist"].values()


def run(capfd, *arguments):
    """The exit status, stdout and stderr of a command."""
    return main(list(map(str, arguments))), *capfd.readouterr()


def test_status_says_of_every_file_what_it_is(named, capfd):
    status, out, _ = run(capfd, "status")
    assert status == 0 and out.count("not found") == 5 and "not made yet" in out and "eigenkana.npz" in out
    assert all(f"current release, verified: {named / part.name}\n" in out for part in PARTS)
    (named / "kmnist-test-imgs.npz").write_bytes(b"<html>")
    (named / "kkanji.tar").write_bytes(b"not looked into")
    status, out, _ = run(capfd, "status")
    assert status == 2 and out.count("verified: ") == 3
    assert f"BAD: {named / 'kmnist-test-imgs.npz'} is a web page" in out
    assert f"found, verified when it is decoded: {named / 'kkanji.tar'}\n" in out


def test_download_verifies_or_copies_byte_for_byte(named, small, tmp_path, capfd):
    (named / "kmnist-train-imgs.npz").write_bytes(b"<html>")
    (tmp_path / "to").mkdir()
    status, out, error = run(capfd, "download", "kmnist", "--to", tmp_path / "to")
    assert (status, out) == (2, "") and "is a web page" in error and contents(tmp_path / "to") == {}
    small.copy(named)
    assert run(capfd, "download", "kmnist") == (0, "".join(f"{named / part.name}: verified\n" for part in PARTS), "")
    (tmp_path / "to" / "kmnist-test-imgs.npz").write_bytes(b"bad")
    for folder in (tmp_path / "to", named):  # the folder where they are, too
        assert run(capfd, "download", "kmnist", "--to", folder)[0] == 0
        assert contents(folder) == contents(small.folder)


def test_npz_to_idx_and_back(small, named, monkeypatch, tmp_path, capfd):
    assert run(capfd, "download", "kmnist", "--format", "idx", "--to", tmp_path / "idx")[0] == 0
    monkeypatch.setenv("KUZUSHIJI_DATA", str(tmp_path / "idx"))
    assert run(capfd, "download", "kmnist", "--to", tmp_path / "npz")[0] == 0
    assert len(contents(tmp_path / "idx")) == len(contents(tmp_path / "npz")) == 4
    for key, part in registry.PARTS["kmnist"].items():
        assert np.array_equal(files.read_idx(tmp_path / "idx" / (part.idx + ".gz")), small.arrays[key])
        assert np.array_equal(files.read_npz(tmp_path / "npz" / part.name), small.arrays[key])


def test_a_copy_that_fails_half_way_leaves_what_stood_there(isolated, monkeypatch, tmp_path, capfd):
    def fail(source, target):
        target.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    verified, target = [], tmp_path / "to"
    monkeypatch.setattr("kuzushiji.kkanji.verify_tar", verified.append)
    (isolated / "data" / "kkanji.tar").write_bytes(b"a tar")
    assert run(capfd, "download", "kkanji", "--to", target) == (0, f"{target / 'kkanji.tar'}: verified\n", "")
    (isolated / "data" / "kkanji.tar").write_bytes(b"another tar")
    monkeypatch.setattr(shutil, "copyfile", fail)
    status, out, error = run(capfd, "download", "kkanji", "--to", target)
    assert (status, out) == (2, "") and f"could not write {target / 'kkanji.tar'}: " in error and "No space" in error
    assert contents(target) == {"kkanji.tar": b"a tar"} and verified == [isolated / "data" / "kkanji.tar"] * 2


@pytest.mark.parametrize("dataset", ["kmnist", "k49", "kkanji"])
def test_what_cannot_be_had_is_told_with_status_2(isolated, capfd, dataset):
    status, out, error = run(capfd, "download", dataset)
    assert (status, out) == (2, "") and "could not be had from any source:\n" in error and "connection refused" in error
    assert not (paths.data_folder() / dataset).exists()
    if dataset != "kmnist":
        status, out, error = run(capfd, "download", dataset, "--format", "idx")
        assert (status, out) == (2, "") and f"{dataset} is not: leave out --format idx" in error


def test_that_nobody_reads_on_is_no_traceback(isolated):
    command = [sys.executable, "-m", "kuzushiji", "status"]  # as in `python -m kuzushiji status | head -1`
    with subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


def test_a_python_without_the_packages_is_told_in_a_line(isolated):
    command = [sys.executable, "-S", "-m", "kuzushiji", "status"]  # without its site-packages, so without NumPy
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "no numpy" in done.stderr


def test_being_stopped_is_no_traceback(isolated, monkeypatch, capfd):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("kuzushiji.datasets.obtain", stop)
    assert run(capfd, "download", "kmnist") == (130, "", "kuzushiji: stopped\n")


def test_a_file_name_that_cannot_be_printed_is_escaped(isolated, tmp_path, capfd):
    status, _, error = run(capfd, "read", tmp_path / "a\nb\x1b.png")
    assert status == 2 and error.count("\n") == 1 and "a\\nb\\x1b.png" in error


def test_a_tar_is_verified_once(isolated, monkeypatch, capfd):
    verified, path = [], isolated / "data" / "kkanji.tar"
    monkeypatch.setattr("kuzushiji.kkanji.verify_tar", verified.append)
    monkeypatch.setattr("kuzushiji.kkanji.fetch", lambda *_, check: check(path) or path)
    assert run(capfd, "download", "kkanji")[0] == 0 and verified == [path]  # downloaded
    path.touch()
    assert run(capfd, "download", "kkanji")[0] == 0 and verified == [path] * 2  # found
