"""Downloads from a server on this machine that cuts, stalls, lies and fails; no other host is ever asked."""

import re

import pytest
from conftest import contents

from kuzushiji import DataError, Unreachable, datasets, download, load_kmnist, paths, registry
from kuzushiji.files import digest_of

FAILURES = {
    "cut": "closed before the end of the file",
    "cut_without_length": "digest",
    "flipped_byte": "digest",
    "web_page": "a web page came instead of kmnist-train-imgs.npz",
    "status_404": "HTTP 404 Not Found",
    "fails_after_the_probe": "HTTP 404 Not Found",
    "stalls": "timed out|closed",
    "drips": "no answer in 0.5 s",
}


@pytest.fixture
def part(server, small, monkeypatch):
    """The registry's entry of the file that the tests fetch; the server has it and the other three."""
    server.files = contents(small.folder)
    monkeypatch.setattr(download, "PROBE_SECONDS", 0.5)
    monkeypatch.setattr(download, "TIMEOUT", (0.5, 0.5))
    monkeypatch.setattr("pooch.core.time.sleep", lambda seconds: None)
    return small.parts["train", "images"]


def fetch(part, folder):
    return download.fetch("kmnist", part.name, folder, part.digest)


def test_the_first_good_file_arrives_and_is_as_any_file_of_its_user(server, part, tmp_path, capfd):
    server.be("kmnist", "good", "flipped_byte")
    path = fetch(part, tmp_path / "new" / "folder")
    assert contents(tmp_path / "new") == {f"folder/{part.name}": server.files[part.name]}
    assert server.requests[2:] == ["good"]  # the first two are the probe
    (tmp_path / "other").touch()
    assert path.stat().st_mode == (tmp_path / "other").stat().st_mode and capfd.readouterr() == ("", "")


def test_bad_sources_are_named_and_passed_over_for_a_good_one(server, part, tmp_path):
    folder = tmp_path / "new"
    folder.mkdir()
    (folder / part.name).write_bytes(b"what was there before")
    server.be("kmnist", *FAILURES)
    with pytest.raises(Unreachable) as caught:
        fetch(part, folder)
    _, *lines, advice = str(caught.value).splitlines()
    for line, (behaviour, reason) in zip(lines, FAILURES.items(), strict=True):
        assert f"/{behaviour}/" in line and re.search(reason, line)
    assert "KUZUSHIJI_DATA" in advice and str(folder) in advice
    assert contents(folder) == {part.name: b"what was there before"}
    server.requests.clear()
    server.be("kmnist", *FAILURES, "good")
    assert fetch(part, folder) == folder / part.name and set(server.requests) == {*FAILURES, "good"}
    assert contents(folder) == {part.name: server.files[part.name]}


@pytest.mark.parametrize(("found", "told", "reason"), [
    ("other digest", Unreachable, "digest"),
    ("refused", Unreachable, "not what was meant"),
    ("interrupted", KeyboardInterrupt, None),
    ("old", Unreachable, "is the OLD release .before 5 February 2019."),
])  # fmt: skip
def test_what_is_not_the_official_file_does_not_take_its_name(server, part, tmp_path, monkeypatch, found, told, reason):
    def check(path):
        if found in ("refused", "interrupted"):
            raise DataError("not what was meant") if found == "refused" else KeyboardInterrupt

    server.be("kmnist", "good")
    path, digest = fetch(part, tmp_path / "good"), "md5:" + "0" * 32 if found == "other digest" else None
    if found == "old":
        monkeypatch.setitem(registry.OLD_RELEASE, part.name, digest_of(path, "md5"))
    with pytest.raises(told, match=reason):
        download.fetch("kmnist", part.name, tmp_path / "new", digest, check)
    assert contents(tmp_path / "new") == {}
    assert download.fetch("kmnist", part.name, tmp_path / "good", digest_of(path, "md5"), check) == path


@pytest.mark.parametrize(("dataset", "mirrors"), [("kmnist", 3), ("k49", 2), ("kkanji", 0)])
def test_sources_are_the_official_host_first_and_the_mirrors_pinned(dataset, mirrors):
    addresses = registry.urls(dataset, "FILE")
    assert addresses[:2] == [f"{s}://codh.rois.ac.jp/kmnist/dataset/{dataset}/FILE" for s in ("https", "http")]
    pinned = rf"https://raw\.githubusercontent\.com/[\w-]+/[\w-]+/[0-9a-f]{{40}}/(data|{dataset})/FILE"
    assert [bool(re.fullmatch(pinned, address)) for address in addresses[2:]] == [True] * mirrors


@pytest.mark.parametrize(("name", "value"), [("HTTP_PROXY", "http://host:port"), ("REQUESTS_CA_BUNDLE", "/no.pem")])
def test_where_a_setting_is_broken_the_loader_goes_on_to_eigenkana(small, monkeypatch, capfd, name, value):
    monkeypatch.setitem(registry.SOURCES, "kmnist", tuple(s + "://codh.invalid/{name}" for s in ("http", "https")))
    monkeypatch.setenv(name, value)
    with pytest.raises(Unreachable, match="certificate not accepted|no usable answer .*host:port"):
        load_kmnist("train", source="kmnist")
    load_kmnist("train")
    assert capfd.readouterr().out.startswith("data: eigenkana")


def test_a_failure_is_not_remembered_and_what_is_missing_is_downloaded_once(server, part, small):
    server.be("kmnist", "status_404")
    assert len(load_kmnist("test")[0]) == 10000
    server.be("kmnist", "status_404", "good")  # the network is back
    assert (load_kmnist("test")[0] == small.arrays["test", "images"]).all()
    assert contents(paths.data_folder() / "kmnist") == contents(small.folder)
    asked = len(server.requests)
    datasets._loaded.clear()  # as in a new process
    assert len(load_kmnist("test")[0]) == 20 and len(server.requests) == asked


def test_folder_that_cannot_be_written_is_named(server, part, tmp_path):
    server.be("kmnist", "good")
    (tmp_path / "new").write_bytes(b"a file where the folder should be")
    with pytest.raises(DataError, match=f"could not write {tmp_path / 'new' / part.name}: .*KUZUSHIJI_CACHE") as caught:
        fetch(part, tmp_path / "new")
    assert not isinstance(caught.value, Unreachable) and contents(tmp_path)["new"].startswith(b"a file where")
