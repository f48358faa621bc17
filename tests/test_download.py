"""Downloads from a server on this machine that cuts, stalls, lies and fails; no other host is ever asked."""

import dataclasses
import os
import re
import time

import pytest
from conftest import contents

from kuzushiji import DataError, Unreachable, catalogue, data, download, load_kmnist

KEY = ("train", "images")
FAILURES = {
    "cut": "connection closed before the end of the file",
    "cut_without_length": r"kmnist-train-imgs.npz has [\d,]+ bytes, expected [\d,]+",
    "claims_too_much": "connection closed before the end of the file",
    "claims_too_little": r"kmnist-train-imgs.npz has [\d,]+ bytes, expected [\d,]+",
    "empty": "kmnist-train-imgs.npz has 0 bytes, expected",
    "flipped_byte": "kmnist-train-imgs.npz has the right size but sha256 [0-9a-f]{64}, expected",
    "web_page": "a web page came instead of kmnist-train-imgs.npz",
    "status_404": "HTTP 404 Not Found",
    "status_500": "HTTP 500 Internal Server Error",
    "status_503": "HTTP 503 Service Unavailable",
    "fails_after_the_probe": "HTTP 503 Service Unavailable",
    "stalls": "timed out",
    "silent": r"(timed out|no answer in 0.5 s)",
    "drips": "no answer in 0.5 s",
}


@pytest.fixture
def part(server, small, monkeypatch):
    """The catalogue's entry of the file that the tests fetch; the server has it and the other three."""
    server.files = contents(small.folder)
    monkeypatch.setattr(download, "PROBE_SECONDS", 0.5)
    monkeypatch.setattr(download, "TIMEOUT", (0.5, 0.5))
    return small.parts[KEY]


@pytest.fixture
def sources(server, monkeypatch):
    def be(*behaviours):
        monkeypatch.setitem(catalogue.SOURCES, "kmnist", tuple(map(server.source, behaviours)))

    return be


def fetch(part, folder):
    return download.fetch("kmnist", part.name, folder, lambda path: download.verify_file(path, part))


@pytest.mark.parametrize("behaviour", ["good", "good_without_length", "good_with_nonsense_as_length", "slow"])
def test_good_file_arrives(server, part, sources, tmp_path, behaviour):
    sources(behaviour)
    assert fetch(part, tmp_path / "new" / "folder") == tmp_path / "new" / "folder" / part.name
    assert contents(tmp_path / "new") == {f"folder/{part.name}": server.files[part.name]}


@pytest.mark.parametrize("behaviour", FAILURES)
def test_bad_source_is_passed_over_for_a_good_one(server, part, sources, tmp_path, behaviour):
    sources(behaviour, "good")
    path = fetch(part, tmp_path / "new")
    assert contents(tmp_path / "new") == {part.name: server.files[part.name]} and path.name == part.name
    assert behaviour in server.requests


@pytest.mark.parametrize(("behaviour", "reason"), FAILURES.items())
def test_bad_source_alone_is_named_with_its_reason_and_the_good_file_stays(
    server, part, sources, tmp_path, behaviour, reason
):
    sources(behaviour)
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / part.name).write_bytes(b"what was there before")
    with pytest.raises(Unreachable) as caught:
        fetch(part, tmp_path / "new")
    address = re.escape(server.source(behaviour).format(name=part.name))
    assert re.search(rf"^  {address}: {reason}", str(caught.value), re.MULTILINE)
    assert contents(tmp_path / "new") == {part.name: b"what was there before"}


def test_every_source_is_listed_with_its_reason(part, sources, tmp_path):
    sources("status_404", "cut", "web_page", "flipped_byte", "silent")
    with pytest.raises(Unreachable) as caught:
        fetch(part, tmp_path / "new")
    first, *lines, last = str(caught.value).splitlines()
    assert first == f"{part.name} could not be had from any source:" and "KUZUSHIJI_DATA" in last
    for behaviour in ("status_404", "cut", "web_page", "flipped_byte", "silent"):
        (line,) = [line for line in lines if f"/{behaviour}/" in line]
        assert re.search(FAILURES[behaviour], line)
    assert len(lines) == 5 and contents(tmp_path / "new") == {}


@pytest.mark.parametrize("kind", ["md5", "blob"])
def test_old_release_is_named(server, part, sources, tmp_path, monkeypatch, kind):
    (tmp_path / "old").write_bytes(b"the old release, of another size too")
    server.files[part.name] = (tmp_path / "old").read_bytes()
    table = {"md5": catalogue.OLD_RELEASE_MD5, "blob": catalogue.OLD_RELEASE_BLOB}[kind]
    monkeypatch.setitem(table, part.name, download.digests(tmp_path / "old")[kind])
    sources("good")
    with pytest.raises(Unreachable, match=f"{part.name} is the OLD release .before 5 February 2019."):
        fetch(part, tmp_path / "new")


@pytest.mark.parametrize(("behaviour", "downloads"), [("cut", 2), ("flipped_byte", 1), ("web_page", 1)])
def test_broken_connections_are_tried_again_and_wrong_files_are_not(
    server, part, sources, tmp_path, behaviour, downloads
):
    sources(behaviour)
    with pytest.raises(Unreachable):
        fetch(part, tmp_path / "new")
    assert len(server.requests) == 1 + downloads  # the probe is the first


@pytest.mark.parametrize("behaviour", ["silent", "drips"])
def test_hosts_that_never_answer_cost_no_more_than_the_probe(part, sources, tmp_path, behaviour):
    sources(*[behaviour] * 5)
    start = time.monotonic()
    with pytest.raises(Unreachable):
        fetch(part, tmp_path / "new")
    assert time.monotonic() - start < 2 * download.PROBE_SECONDS


def test_folder_that_cannot_be_written_is_named(part, sources, tmp_path):
    sources("good")
    (tmp_path / "new").write_bytes(b"a file where the folder should be")
    with pytest.raises(DataError, match=f"could not write {tmp_path / 'new' / part.name}: ") as caught:
        fetch(part, tmp_path / "new")
    assert not isinstance(caught.value, Unreachable)
    assert (tmp_path / "new").read_bytes() == b"a file where the folder should be"


def test_full_disk_is_named_and_leaves_nothing(small, part, sources, tmp_path):
    sources("good")
    process = small.run(f"""
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (100000, 100000))
try:
    download.fetch("kmnist", {part.name!r}, {str(tmp_path / "new")!r}, print)
except data.DataError as error:
    print(type(error).__name__, error)
""")
    out, err = process.communicate(timeout=30)
    assert out.startswith(f"DataError could not write {tmp_path / 'new' / part.name}: File too large; free some space")
    assert err == "" and contents(tmp_path / "new") == {}


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("size", 1, "has [0-9,]+ bytes, expected 1$"),
        ("sha256", "0" * 64, "right size but sha256 .* expected 0{64}"),
        ("md5", "0" * 32, "right size but md5 .* expected 0{32}"),
        ("blob", "0" * 40, "right size but blob .* expected 0{40}"),
    ],
)
def test_size_and_every_known_digest_must_agree(small, field, value, message):
    path, part = small.folder / small.parts[KEY].name, small.parts[KEY]
    download.verify_file(path, part)
    with pytest.raises(DataError, match=message):
        download.verify_file(path, dataclasses.replace(part, **{field: value}))


def test_blob_is_git_s_own(tmp_path):
    (tmp_path / "a").write_bytes(b"hello\n")
    assert download.digests(tmp_path / "a")["blob"] == "ce013625030ba8dba906f756967f9e9ca394464a"


# ------------------------------------------------------------------------------------------------- whole data sets


def test_load_downloads_what_is_missing_into_the_data_folder_once(server, part, small, sources, capfd):
    sources("status_404", "good")
    images, labels = load_kmnist("test")
    assert (images == small.arrays["test", "images"]).all() and (labels == small.arrays["test", "labels"]).all()
    assert contents(data.data_folder() / "kmnist") == contents(small.folder)
    assert capfd.readouterr() == ("data: KMNIST, 60,000 train + 10,000 test images, verified\n", "")
    asked = len(server.requests)
    data._verified_paths.cache_clear()  # as in a new process
    load_kmnist("test")
    assert len(server.requests) == asked


def test_connection_lost_after_the_first_file_is_an_error_and_not_eigenkana(server, part, small, sources):
    sources("good")
    for other in list(small.parts.values())[1:]:
        server.files[other.name] = b"<html>"
    with pytest.raises(DataError, match="only 1 of the 4 files of kmnist were found.*train-labels") as caught:
        load_kmnist("train")
    assert not isinstance(caught.value, Unreachable)


def test_offline_is_decided_within_30_seconds_with_one_line(small, server, sources):
    """With the time limits as they are, against hosts that accept the connection and never answer."""
    server.files = contents(small.folder)
    sources(*["silent"] * len(catalogue.SOURCES["kmnist"]))
    start = time.monotonic()
    process = small.run("images, labels = data.load_kmnist('test'); assert images.shape == (10000, 28, 28)")
    out, err = process.communicate(timeout=60)
    assert out == "data: eigenkana, 60,000 + 10,000 generated images (KMNIST was not reachable)\n"
    assert err == "" and process.returncode == 0
    assert time.monotonic() - start < 30


def test_killed_download_leaves_nothing_that_passes_and_the_next_succeeds(server, part, small, sources):
    folder = data.data_folder() / "kmnist"
    sources("stalls")
    process = small.run("download.TIMEOUT = (60, 60); data.load_kmnist('train')")
    try:
        wait_for(lambda: any(len(half) >= 1 << 16 for half in contents(folder).values()))
    finally:
        process.kill()
        process.communicate()
    (left,) = contents(folder)
    assert re.fullmatch(rf"{part.name}\..*\.part", left)
    assert data.find_part(part) is None

    sources("good")
    assert len(load_kmnist("train")[0]) == len(small.arrays["train", "labels"])
    assert contents(folder).items() >= contents(small.folder).items()


def test_leftovers_are_removed_when_old_and_kept_when_young(server, part, sources, tmp_path):
    sources("good")
    old, young, other = (tmp_path / name for name in (f"{part.name}.a.part", f"{part.name}.b.part", "other.c.part"))
    for path in (old, young, other):
        path.write_bytes(b"half")
    for path in (old, other):
        os.utime(path, (0, time.time() - 2 * download.STALE_SECONDS))
    fetch(part, tmp_path)
    assert (old.exists(), young.exists(), other.exists()) == (False, True, True)


def test_two_processes_at_once_both_succeed(server, part, small, sources):
    sources("slow")
    processes = [small.run("print(len(data.load_kmnist('test')[0]))") for _ in range(2)]
    for process in processes:
        out, err = process.communicate(timeout=60)
        assert out.endswith("verified\n20\n") and err == ""
    assert server.requests.count("slow") > 10  # else they were not at it at once: one needs 8 requests
    assert contents(data.data_folder() / "kmnist") == contents(small.folder)


def wait_for(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def test_sources_are_the_official_host_first_and_the_mirrors_pinned():
    for dataset, mirrors in (("kmnist", 3), ("k49", 2), ("kkanji", 0)):
        addresses = catalogue.urls(dataset, "FILE")
        assert addresses[:2] == [f"{s}://codh.rois.ac.jp/kmnist/dataset/{dataset}/FILE" for s in ("https", "http")]
        assert len(addresses) == 2 + mirrors
        for address in addresses[2:]:
            pinned = rf"https://raw\.githubusercontent\.com/[\w-]+/[\w-]+/[0-9a-f]{{40}}/(data|{dataset})/FILE"
            assert re.fullmatch(pinned, address)


def test_a_proxy_that_refuses_is_named():
    import requests

    refused = requests.exceptions.ProxyError("Unable to connect to proxy", OSError("Tunnel connection failed: 403"))
    assert download.explain(refused) == "the proxy refused"
