"""Where things are looked for, and what is said where a home, a checkout or a permission is missing."""

import os
from pathlib import Path

import pytest

from kuzushiji import DataError, Unreachable, build_folder, data_folder, load_kmnist, paths


@pytest.fixture
def homeless(isolated, monkeypatch):
    """A user without HOME and without an entry in the list of users, as in some containers."""

    def unknown(path):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", lambda path: unknown(path) if str(path).startswith("~") else path)
    monkeypatch.setattr("pooch.os_cache", unknown)  # platformdirs raises too, since its release 4.4


def test_kuzushiji_cache_takes_the_place_of_the_data_folder(isolated, monkeypatch, tmp_path):
    assert data_folder() == isolated / "data"
    monkeypatch.setenv("KUZUSHIJI_CACHE", str(tmp_path / "elsewhere"))
    assert data_folder() == tmp_path / "elsewhere"
    with pytest.raises(Unreachable, match=f"into {tmp_path / 'elsewhere' / 'kmnist'}, or into a folder"):
        load_kmnist("train", source="kmnist")


def test_an_installed_copy_has_its_data_in_the_user_s_cache_and_says_so(isolated, monkeypatch, tmp_path):
    (isolated / "pyproject.toml").unlink()
    monkeypatch.setattr("pooch.os_cache", lambda project: tmp_path / "cache" / project)
    assert data_folder() == tmp_path / "cache" / "kuzushiji"
    with pytest.raises(Unreachable, match=f"into {tmp_path / 'cache' / 'kuzushiji' / 'kmnist'}, or into a folder"):
        load_kmnist("train", source="kmnist")


def test_without_a_home_the_variable_is_named(homeless, isolated, monkeypatch):
    assert data_folder() == isolated / "data"  # a checkout needs none
    (isolated / "pyproject.toml").unlink()
    with pytest.raises(DataError, match="KUZUSHIJI_CACHE is not set, .*no such home folder"):
        load_kmnist("train")
    monkeypatch.setenv("KUZUSHIJI_DATA", str(isolated / "data"))  # nor does who has the files elsewhere
    with pytest.raises(DataError, match="KUZUSHIJI_CACHE is not set"):  # as long as nothing has to be downloaded
        load_kmnist("train")
    monkeypatch.setenv("KUZUSHIJI_CACHE", "~/cache")
    with pytest.raises(DataError, match="KUZUSHIJI_CACHE names ~/cache, but this system knows no such home"):
        data_folder()


def test_without_a_home_named_folders_will_do(homeless, isolated, small, monkeypatch):
    (isolated / "pyproject.toml").unlink()
    monkeypatch.setenv("KUZUSHIJI_DATA", str(small.folder))
    assert len(load_kmnist("test")[0]) == 20


def test_the_home_of_nobody_is_named(isolated, monkeypatch):
    monkeypatch.setenv("KUZUSHIJI_DATA", "~no-such-user/data")
    with pytest.raises(DataError, match="KUZUSHIJI_DATA names ~no-such-user/data, but this system knows no such home"):
        load_kmnist("train")


def test_a_checkout_that_cannot_be_written_is_named(isolated, monkeypatch):
    def refuse(path, **_):
        raise PermissionError(13, "Permission denied", str(path))

    with monkeypatch.context() as patched:
        patched.setattr(Path, "mkdir", refuse)  # chmod does not keep root out
        with pytest.raises(DataError, match="build cannot be written .Permission denied.: allow writing there"):
            build_folder()
    build_folder()
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # it is there, and somebody else's
    with pytest.raises(DataError, match="build cannot be written .Permission denied.: allow writing there"):
        build_folder()


def test_outside_of_a_checkout_notebooks_write_beside_themselves(isolated, monkeypatch, tmp_path):
    assert build_folder() == isolated / "build"
    (isolated / "pyproject.toml").unlink()
    monkeypatch.chdir(tmp_path)
    assert build_folder() == tmp_path / "build" and os.path.isdir("build")


def test_what_the_project_ships_is_found_in_the_checkout_and_in_the_package(isolated):
    assert paths.bundled("eigenkana.npz") == isolated / "data" / "eigenkana.npz"
    (isolated / "data" / "eigenkana.npz").unlink()
    assert paths.bundled("eigenkana.npz") == paths.PACKAGE / "bundled" / "eigenkana.npz"
