"""Downloads from a server on this machine that cuts, stalls, lies and fails; no other host is ever asked."""

import os
import re
import time

import pytest
from conftest import contents

from kuzushiji import DataError, Unreachable, datasets, download, load_kmnist, paths, registry
from kuzushiji.files import digest_of

KEY = ("train", "images")
OTHER = "a file came whose digest is not that of kmnist-train-imgs.npz"
FAILURES = {
    "cut": "connection closed before the end of the file",
    "cut_without_length": OTHER,
    "claims_too_much": "connection closed before the end of the file",
    "claims_too_little": OTHER,
    "empty": OTHER,
    "flipped_byte": OTHER,
    "web_page": "a web page came instead of kmnist-train-imgs.npz",
    "status_404": "HTTP 404 Not Found",
    "status_500": "HTTP 500 Internal Server Error",
    "status_503": "HTTP 503 Service Unavailable",
    "fails_after_the_probe": "HTTP 503 Service Unavailable",
    "stalls": "timed out",
    "silent": r"(timed out|no answer in 0.5 s)",
    "drips": "no answer in 0.5 s",
    "redirects_nowhere": r"no usable answer .*Invalid IPv6 URL",
}


@pytest.fixture
def part(server, small, monkeypatch):
    """The registry's entry of the file that the tests fetch; the server has it and the other three."""
    server.files = contents(small.folder)
    monkeypatch.setattr(download, "PROBE_SECONDS", 0.5)
    monkeypatch.setattr(download, "TIMEOUT", (0.5, 0.5))
    monkeypatch.setattr("pooch.core.time.sleep", lambda seconds: None)
    return small.parts[KEY]


@pytest.fixture
def sources(server, monkeypatch):
    def be(*behaviours):
        monkeypatch.setitem(registry.SOURCES, "kmnist", tuple(map(server.source, behaviours)))

    return be


def fetch(part, folder):
    return download.fetch("kmnist", part.name, folder, part.digest)


def without_parts(folder):
    return {name: content for name, content in contents(folder).items() if not name.endswith(".partial")}


@pytest.mark.parametrize("behaviour", ["good", "good_without_length", "good_with_nonsense_as_length", "slow"])
def test_good_file_arrives(server, part, sources, tmp_path, capfd, behaviour):
    sources(behaviour)
    assert fetch(part, tmp_path / "new" / "folder") == tmp_path / "new" / "folder" / part.name
    assert contents(tmp_path / "new") == {f"folder/{part.name}": server.files[part.name]}
    assert capfd.readouterr() == ("", "")


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
    assert re.search(rf"^  {address}: {reason}", str(caught.value), re.MULTILINE) and caught.value.setting == ""
    assert without_parts(tmp_path / "new") == {part.name: b"what was there before"}


def test_every_source_is_listed_with_its_reason(part, sources, tmp_path):
    sources("status_404", "cut", "web_page", "flipped_byte", "silent")
    with pytest.raises(Unreachable) as caught:
        fetch(part, tmp_path / "new")
    first, *lines, last = str(caught.value).splitlines()
    assert first == f"{part.name} could not be had from any source:" and "KUZUSHIJI_DATA" in last
    for behaviour in ("status_404", "cut", "web_page", "flipped_byte", "silent"):
        (line,) = [line for line in lines if f"/{behaviour}/" in line]
        assert re.search(FAILURES[behaviour], line)
    assert len(lines) == 5 and without_parts(tmp_path / "new") == {}


@pytest.mark.parametrize("kind", ["md5", "blob"])
def test_old_release_is_named(server, part, sources, tmp_path, monkeypatch, kind):
    (tmp_path / "old").write_bytes(b"the old release, of another size too")
    server.files[part.name] = (tmp_path / "old").read_bytes()
    monkeypatch.setitem(registry.OLD_RELEASE, part.name, digest_of(tmp_path / "old", kind))
    sources("good")
    with pytest.raises(Unreachable, match=f"{part.name} is the OLD release .before 5 February 2019."):
        fetch(part, tmp_path / "new")


def test_an_md5_is_held_against_the_file_too(server, part, sources, tmp_path):
    sources("good")
    good = digest_of(datasets.find_part(part, server_folder(server, tmp_path))[0], "md5")
    assert download.fetch("kmnist", part.name, tmp_path / "a", good).exists()
    with pytest.raises(Unreachable, match=OTHER):
        download.fetch("kmnist", part.name, tmp_path / "b", good[:-1] + ("0" if good[-1] != "0" else "1"))
    assert contents(tmp_path / "b") == {}


def server_folder(server, tmp_path):
    (tmp_path / "copy").mkdir()
    for name, content in server.files.items():
        (tmp_path / "copy" / name).write_bytes(content)
    return tmp_path / "copy"


@pytest.mark.parametrize("behaviour", ["silent", "drips"])
def test_hosts_that_never_answer_cost_no_more_than_the_probe(part, sources, tmp_path, behaviour):
    sources(*[behaviour] * 5)
    start = time.monotonic()
    with pytest.raises(Unreachable):
        fetch(part, tmp_path / "new")
    assert time.monotonic() - start < 2 * download.PROBE_SECONDS


@pytest.fixture
def left_over(tmp_path):
    """A folder where earlier downloads left something."""
    (tmp_path / "new").mkdir()
    return tmp_path / "new"


def test_a_download_goes_on_where_it_stopped(server, part, sources, tmp_path):
    sources("resumable")
    assert fetch(part, tmp_path / "new").read_bytes() == server.files[part.name]
    assert server.ranges[-1] == f"bytes={1 << 16}-"  # the blocks that had arrived
    assert contents(tmp_path / "new") == {part.name: server.files[part.name]}


def test_what_another_process_left_is_taken_over_and_what_one_still_writes_is_not(server, part, sources, left_over):
    content = server.files[part.name]
    sources("resumable")
    left, short, busy = (left_over / f"{part.name}.{number}.partial" for number in (1, 2, 3))
    for path, length in ((left, 5000), (short, 10), (busy, 9000)):
        path.write_bytes(content[:length])
    for path in (left, short):
        os.utime(path, (0, 0))
    assert fetch(part, left_over).read_bytes() == content
    assert server.ranges[-1] == "bytes=5000-" and contents(left_over) == {part.name: content, busy.name: content[:9000]}


@pytest.mark.parametrize("left", [b"not the beginning of this file", b"longer" * 100000], ids=["other", "longer"])
def test_what_was_left_of_another_file_is_thrown_away(server, part, sources, left_over, left):
    sources("resumable", "good")
    (left_over / f"{part.name}.1.partial").write_bytes(left)
    os.utime(left_over / f"{part.name}.1.partial", (0, 0))
    assert fetch(part, left_over).read_bytes() == server.files[part.name]
    assert contents(left_over) == {part.name: server.files[part.name]}


def test_a_server_that_cannot_resume_sends_the_whole_file(server, part, sources, left_over):
    sources("good")
    (left_over / f"{part.name}.1.partial").write_bytes(server.files[part.name][:5000])
    os.utime(left_over / f"{part.name}.1.partial", (0, 0))
    assert fetch(part, left_over).read_bytes() == server.files[part.name]


def test_folder_that_cannot_be_written_is_named(part, sources, tmp_path):
    sources("good")
    (tmp_path / "new").write_bytes(b"a file where the folder should be")
    with pytest.raises(DataError, match=f"could not write {tmp_path / 'new' / part.name}: ") as caught:
        fetch(part, tmp_path / "new")
    assert not isinstance(caught.value, Unreachable)
    assert (tmp_path / "new").read_bytes() == b"a file where the folder should be"


def test_full_disk_is_named_and_no_file_takes_its_name(small, part, sources, tmp_path):
    sources("good")
    process = small.run(f"""
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (100000, 100000))
try:
    download.fetch("kmnist", {part.name!r}, {str(tmp_path / "new")!r}, {part.digest!r})
except paths.DataError as error:
    print(type(error).__name__, error)
""")
    out, err = process.communicate(timeout=30)
    assert out.startswith(f"DataError could not write {tmp_path / 'new' / part.name}: File too large; free some space")
    assert err == "" and without_parts(tmp_path / "new") == {}


# ------------------------------------------------------------------------------------------------------ settings

BROKEN = {
    "SOCKS without its package": ("HTTP_PROXY", "socks5://127.0.0.1:9", "HTTP_PROXY names a SOCKS proxy, .*PySocks"),
    "no port": ("HTTP_PROXY", "http://host:port", "HTTP_PROXY names a proxy whose address cannot be used"),
    "no host": ("http_proxy", "http://", "http_proxy names a proxy whose address cannot be used"),
    "half an address": ("ALL_PROXY", "http://[bad", "ALL_PROXY names a proxy whose address cannot be used"),
    "other scheme": ("HTTP_PROXY", "ftp://127.0.0.1:9", "HTTP_PROXY names a proxy whose address cannot be used"),
    "certificates": ("REQUESTS_CA_BUNDLE", "/no/such.pem", "REQUESTS_CA_BUNDLE names a file of certificates that"),
}


@pytest.mark.parametrize(("name", "value", "message"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_setting_is_named_in_the_line_and_in_the_error(small, monkeypatch, capfd, name, value, message):
    if "SOCKS" in message:
        pytest.importorskip("requests")
        monkeypatch.setitem(__import__("sys").modules, "socks", None)
    scheme = "https" if "CA_BUNDLE" in name else "http"
    monkeypatch.setitem(registry.SOURCES, "kmnist", (scheme + "://codh.invalid/{name}",))
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv(name, value)
    with pytest.raises(Unreachable) as caught:
        load_kmnist("train", source="kmnist")
    assert re.match(message, caught.value.setting) and value not in caught.value.setting
    load_kmnist("train")
    out, err = capfd.readouterr()
    assert re.fullmatch(rf"data: eigenkana, .*\(KMNIST was not reachable: {message}.*\)\n", out) and err == ""


def test_a_proxy_that_refuses_is_named(monkeypatch):
    import requests

    refused = requests.exceptions.ProxyError("Unable to connect to proxy", OSError("Tunnel connection failed: 403"))
    assert download.explain(refused, "https://codh.invalid/").startswith("the proxy that the system's proxy setting na")
    monkeypatch.setenv("HTTPS_PROXY", "http://no-such-host.invalid:3128")
    assert download.explain(refused, "https://codh.invalid/").startswith("the proxy that HTTPS_PROXY names refused")


def test_a_working_setting_is_not_blamed(monkeypatch):
    """SOCKS stands in the name of the pool of every connection through such a proxy; a good bundle may lack a name."""
    failed = OSError(
        "SOCKSHTTPSConnectionPool(host='codh.invalid', port=443): Max retries exceeded (Connection refused)"
    )
    monkeypatch.setenv("HTTPS_PROXY", "socks5://127.0.0.1:9")
    assert download.explain(failed, "https://codh.invalid/") == "connection refused"
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/good.pem")
    failed = OSError("SSLError [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate")
    assert download.explain(failed, "https://codh.invalid/") == "certificate not accepted"


def test_an_unknown_error_is_told_without_what_requests_wraps_it_in(monkeypatch):
    wrapped = (
        "HTTPSConnectionPool(host='x', port=443): Max retries (Caused by NewError('<C object at 0x7f12>: strange'))"
    )
    assert download.explain(OSError(wrapped), "https://codh.invalid/") == "no usable answer (strange)"


def test_a_folder_that_may_not_be_written_is_named_whatever_pooch_says(part, sources, tmp_path, monkeypatch):
    def refuse(path, *_, **__):
        raise PermissionError("Pooch could not write to data cache folder.")  # without a number or a file

    sources("good")
    monkeypatch.setattr("pooch.core.make_local_storage", refuse)
    with pytest.raises(DataError, match="could not write .*kmnist-train-imgs.npz: .*KUZUSHIJI_CACHE"):
        fetch(part, tmp_path)


def test_two_processes_do_not_take_over_the_same_leftover(left_over, part):
    first, second = (left_over / f"{part.name}.{process}.partial" for process in "ab")
    (left_over / f"{part.name}.1.partial").write_bytes(b"x" * 100)
    os.utime(left_over / f"{part.name}.1.partial", (0, 0))
    download.adopt(part.name, first)
    download.adopt(part.name, second)  # the first has not received anything yet
    assert contents(left_over) == {first.name: b"x" * 100}


def test_what_this_process_left_is_its_own_before_the_first_bytes_come(left_over, part, monkeypatch):
    import requests

    own = left_over / f"{part.name}.a.partial"
    own.write_bytes(b"x" * 100)
    os.utime(own, (0, 0))

    def get(*_, headers, **__):
        raise requests.ConnectionError(f"asked for {headers['Range']}, idle: {time.time() - own.stat().st_mtime > 9}")

    monkeypatch.setattr(requests, "get", get)
    with pytest.raises(requests.ConnectionError, match="asked for bytes=100-, idle: False"):
        download.receive("http://codh.invalid/", part.name, own)


def test_a_smaller_leftover_does_not_replace_what_this_process_has(left_over, part):
    own = left_over / f"{part.name}.a.partial"
    own.write_bytes(b"x" * 100)
    (left_over / f"{part.name}.1.partial").write_bytes(b"y")
    os.utime(left_over / f"{part.name}.1.partial", (0, 0))
    download.adopt(part.name, own)
    assert contents(left_over) == {own.name: b"x" * 100}


def test_what_a_failed_download_leaves_may_be_taken_over_at_once(part, sources, tmp_path):
    sources("cut")
    with pytest.raises(Unreachable):
        fetch(part, tmp_path / "new")
    (left,) = (tmp_path / "new").glob("*.partial")
    assert left.stat().st_size > 0 and left.stat().st_mtime == 0


# ------------------------------------------------------------------------------------------------- whole data sets


def test_load_downloads_what_is_missing_into_the_data_folder_once(server, part, small, sources, capfd):
    sources("status_404", "good")
    images, labels = load_kmnist("test")
    assert (images == small.arrays["test", "images"]).all() and (labels == small.arrays["test", "labels"]).all()
    assert contents(paths.data_folder() / "kmnist") == contents(small.folder)
    assert capfd.readouterr() == ("data: KMNIST, 60,000 train + 10,000 test images, verified\n", "")
    asked = len(server.requests)
    datasets._loaded.clear()  # as in a new process
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
    sources(*["silent"] * len(registry.SOURCES["kmnist"]))
    start = time.monotonic()
    process = small.run("images, labels = datasets.load_kmnist('test'); assert images.shape == (10000, 28, 28)")
    out, err = process.communicate(timeout=60)
    assert out == "data: eigenkana, 60,000 + 10,000 generated images (KMNIST was not reachable)\n"
    assert err == "" and process.returncode == 0
    assert time.monotonic() - start < 30


def test_a_killed_download_leaves_nothing_that_passes_and_the_next_goes_on(server, part, small, sources, monkeypatch):
    folder = paths.data_folder() / "kmnist"
    sources("stalls")
    process = small.run("download.TIMEOUT = (60, 60); datasets.load_kmnist('train')")
    try:
        wait_for(lambda: any(half.stat().st_size >= 1 << 16 for half in folder.glob("*.partial")))
    finally:
        process.kill()
        process.communicate()
    assert all(re.fullmatch(rf"{part.name}\.\w+\.partial|tmp\w+", left) for left in contents(folder))
    assert datasets.find_part(part) is None

    monkeypatch.setattr(download, "IDLE_SECONDS", 0)
    sources("resumable", "good")
    assert len(load_kmnist("train")[0]) == len(small.arrays["train", "labels"])
    assert contents(folder).items() >= contents(small.folder).items()
    assert any(asked and re.fullmatch(r"bytes=[1-9]\d{4,}-", asked) for asked in server.ranges)


def test_two_processes_at_once_both_succeed(server, part, small, sources):
    sources("slow")
    processes = [small.run("print(len(datasets.load_kmnist('test')[0]))") for _ in range(2)]
    for process in processes:
        out, err = process.communicate(timeout=60)
        assert out.endswith("verified\n20\n") and err == ""
    assert server.requests.count("slow") > 10  # else they were not at it at once: one needs 8 requests
    assert contents(paths.data_folder() / "kmnist") == contents(small.folder)


def wait_for(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def test_sources_are_the_official_host_first_and_the_mirrors_pinned():
    for dataset, mirrors in (("kmnist", 3), ("k49", 2), ("kkanji", 0)):
        addresses = registry.urls(dataset, "FILE")
        assert addresses[:2] == [f"{s}://codh.rois.ac.jp/kmnist/dataset/{dataset}/FILE" for s in ("https", "http")]
        assert len(addresses) == 2 + mirrors
        for address in addresses[2:]:
            pinned = rf"https://raw\.githubusercontent\.com/[\w-]+/[\w-]+/[0-9a-f]{{40}}/(data|{dataset})/FILE"
            assert re.fullmatch(pinned, address)


def test_of_the_sources_that_answer_the_first_is_used(server, part, sources, tmp_path):
    sources("good", "good_without_length")
    fetch(part, tmp_path / "new")
    assert server.requests[2:] == ["good"]  # the first two are the probe
