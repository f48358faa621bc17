"""Where things are looked for, and what is said where a home or a folder is missing."""

import os
from pathlib import Path

import pytest

from kuzushiji import DataError, data_folder, load_kmnist


def test_downloads_go_to_the_checkout_the_user_s_cache_or_where_the_variable_says(isolated, monkeypatch, tmp_path):
    monkeypatch.setattr("pooch.os_cache", lambda project: tmp_path / "cache" / project)
    assert data_folder() == isolated / "data"
    (isolated / "pyproject.toml").unlink()
    assert data_folder() == tmp_path / "cache" / "kuzushiji"  # of an installed copy
    monkeypatch.setenv("KUZUSHIJI_CACHE", str(tmp_path / "elsewhere"))
    assert data_folder() == tmp_path / "elsewhere"


@pytest.mark.parametrize("entry", ["~no-such-user/data", "{}/none", "{}/file", "{}/file/below"])
def test_what_is_no_folder_is_named(isolated, monkeypatch, tmp_path, entry):
    (tmp_path / "file").touch()
    entry = entry.format(tmp_path)
    monkeypatch.setenv("KUZUSHIJI_DATA", os.pathsep.join([str(tmp_path), "", entry]))
    with pytest.raises(DataError, match=f"KUZUSHIJI_DATA names {entry}, which is no folder.*correct it"):
        load_kmnist("train")
    with pytest.raises(DataError, match=f"the folder given is {entry}, which is no folder"):
        load_kmnist("train", folder=entry)


def test_without_a_home_the_variable_to_set_is_named(isolated, monkeypatch):
    def unknown(path):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", unknown)
    monkeypatch.setenv("KUZUSHIJI_CACHE", "~/cache")
    with pytest.raises(DataError, match="~/cache.*no such home folder.*KUZUSHIJI_CACHE"):
        data_folder()
