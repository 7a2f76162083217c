"""A fetch ends with whole files of the published sums, whatever the server does, or says why."""

import hashlib
import io
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path

import pytest

from corpus.benchmarks.catalog import BenchmarkFile, BenchmarkSet, Source
from corpus.benchmarks.fetch import fetch_set, missing_files
from corpus.errors import WebtextError
from corpus.runtime import SilentProgress

LINES = 30_000
CONTENT = b"".join(b"sentence %d\n" % i for i in range(LINES))
TEST, TRAIN = "ptb/ptb.test.txt", "ptb/ptb.train.txt"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def tar_of(*members: tuple[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return packed.getvalue()


def zip_of(*members: tuple[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return packed.getvalue()


@pytest.fixture
def single(publisher):
    """A set of one file that lies at its address as it is, its sum published or not."""

    def make(*, has_sum: bool = True, num_examples: int = LINES) -> BenchmarkSet:
        publisher.files["/ptb.test.txt"] = CONTENT
        known = (len(CONTENT), sha256(CONTENT)) if has_sum else (None, None)
        source = Source(f"{publisher.url}/ptb.test.txt", *known)
        file = BenchmarkFile(path=TEST, source=source, num_examples=num_examples)
        return BenchmarkSet("ptb", "", (file,))

    return make


@pytest.fixture
def packed(publisher):
    """A set of two files in one archive."""

    def make(archive: bytes, num_bytes: int | None = None) -> BenchmarkSet:
        publisher.files["/all.tgz"] = archive
        source = Source(f"{publisher.url}/all.tgz", len(archive), sha256(archive))
        files = (
            BenchmarkFile(path=TEST, source=source, member="data/test", num_bytes=num_bytes),
            BenchmarkFile(path=TRAIN, source=source, member="data/train"),
        )
        return BenchmarkSet("ptb", "", files)

    return make


def fetch(benchmark: BenchmarkSet, folder: Path, stall_s: float = 10) -> list[str]:
    return [each.path for each in fetch_set(benchmark, folder, SilentProgress(), stall_s)]


def test_what_is_fetched_is_the_published_file_and_nothing_else(single, publisher, tmp_path):
    assert fetch(single(), tmp_path) == [TEST]
    assert (tmp_path / TEST).read_bytes() == CONTENT
    assert [path.name for path in (tmp_path / "ptb").iterdir()] == ["ptb.test.txt"]
    assert publisher.agents == {"webtext"}


@pytest.mark.parametrize("pack", [tar_of, zip_of])
def test_members_are_taken_out_of_an_archive_that_is_downloaded_once(
    pack, packed, publisher, tmp_path
):
    benchmark = packed(pack(("./data/train", b"a\n"), ("data/other", b"x"), ("data/test", b"b\n")))
    assert fetch(benchmark, tmp_path) == [TEST, TRAIN]
    assert (tmp_path / TEST).read_bytes() == b"b\n"
    assert (tmp_path / TRAIN).read_bytes() == b"a\n"
    assert len(list((tmp_path / "ptb").iterdir())) == 2
    assert len(publisher.requests) == 1


def test_a_redirect_is_followed(single, publisher, tmp_path):
    benchmark = single()
    publisher.files["/elsewhere"] = publisher.files.pop("/ptb.test.txt")
    publisher.moved["/ptb.test.txt"] = f"{publisher.url}/elsewhere"
    fetch(benchmark, tmp_path)
    assert (tmp_path / TEST).read_bytes() == CONTENT


def test_files_that_are_there_are_left_alone(packed, publisher, tmp_path):
    (tmp_path / "ptb").mkdir()
    (tmp_path / TEST).write_text("mine")
    benchmark = packed(tar_of(("data/test", b"b\n"), ("data/train", b"a\n")))
    assert fetch(benchmark, tmp_path) == [TRAIN]
    assert fetch(benchmark, tmp_path) == []
    assert missing_files(benchmark, tmp_path) == []
    assert (tmp_path / TEST).read_text() == "mine"
    assert len(publisher.requests) == 1


def test_a_download_that_broke_off_is_gone_on_with(single, publisher, tmp_path):
    benchmark = single()
    publisher.stops_after = 200_000
    with pytest.raises(WebtextError, match="was not fetched") as caught:
        fetch(benchmark, tmp_path)
    assert "run the same command again" in caught.value.hint
    assert not (tmp_path / TEST).exists()
    fetch(benchmark, tmp_path)
    assert (tmp_path / TEST).read_bytes() == CONTENT
    [_, (_, ranged)] = publisher.requests
    begun = int(ranged.removeprefix("bytes=").removesuffix("-"))
    assert 100_000 < begun <= 200_000


_FETCH = """
import sys
from pathlib import Path
from corpus.benchmarks.catalog import BenchmarkFile, BenchmarkSet, Source
from corpus.benchmarks.fetch import fetch_set
from corpus.runtime import SilentProgress
path, url, num_bytes, sha256, folder = sys.argv[1:]
file = BenchmarkFile(path=path, source=Source(url, int(num_bytes), sha256))
fetch_set(BenchmarkSet("ptb", "", (file,)), Path(folder), SilentProgress(), 60)
"""


def test_a_fetch_that_was_killed_half_way_is_gone_on_with(single, publisher, tmp_path):
    benchmark = single()
    source = benchmark.files[0].source
    publisher.pauses_after = 300_000
    arguments = [TEST, source.url, str(source.num_bytes), source.sha256, str(tmp_path)]
    part = tmp_path / "ptb" / ".ptb.test.txt.download"
    with subprocess.Popen([sys.executable, "-c", _FETCH, *arguments]) as process:
        while not (part.exists() and part.stat().st_size >= 200_000):
            assert process.poll() is None
            time.sleep(0.02)
        process.kill()
    assert not (tmp_path / TEST).exists()
    kept = part.stat().st_size
    fetch(benchmark, tmp_path)
    assert (tmp_path / TEST).read_bytes() == CONTENT
    assert publisher.requests[1:] == [("/ptb.test.txt", f"bytes={kept}-")]


@pytest.mark.parametrize("has_ranges", [True, False])
@pytest.mark.parametrize("beginning", [CONTENT[:1000], b"else", CONTENT + b"more", CONTENT, b""])
def test_whatever_an_earlier_attempt_left_the_file_is_right_at_last(
    beginning, has_ranges, single, publisher, tmp_path
):
    benchmark = single()
    publisher.has_ranges = has_ranges
    (tmp_path / "ptb").mkdir()
    (tmp_path / "ptb" / ".ptb.test.txt.download").write_bytes(beginning)
    if beginning == b"else" and has_ranges:  # two halves of different files: seen by the sum
        with pytest.raises(WebtextError, match="sha256"):
            fetch(benchmark, tmp_path)
    fetch(benchmark, tmp_path)
    assert (tmp_path / TEST).read_bytes() == CONTENT


def test_a_whole_download_that_was_not_unpacked_is_not_downloaded_again(
    packed, publisher, tmp_path
):
    archive = tar_of(("data/test", b"b\n"), ("data/train", b"a\n"))
    (tmp_path / "ptb").mkdir()
    (tmp_path / "ptb" / ".all.tgz.download").write_bytes(archive)
    assert fetch(packed(archive), tmp_path) == [TEST, TRAIN]
    assert publisher.requests == []


def test_without_a_published_sum_a_download_begins_anew(single, publisher, tmp_path):
    (tmp_path / "ptb").mkdir()
    (tmp_path / "ptb" / ".ptb.test.txt.download").write_bytes(CONTENT[:1000])
    fetch(single(has_sum=False), tmp_path)
    assert (tmp_path / TEST).read_bytes() == CONTENT
    assert publisher.requests == [("/ptb.test.txt", "")]


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (CONTENT[:-1] + b"x", "sha256"),
        (CONTENT + b"more", "more than"),
        (CONTENT[:-5], "ended after"),
    ],
)
def test_another_content_than_the_published_is_refused(body, problem, single, publisher, tmp_path):
    benchmark = single()
    publisher.files["/ptb.test.txt"] = body
    with pytest.raises(WebtextError, match=problem):
        fetch(benchmark, tmp_path)
    assert not (tmp_path / TEST).exists()
    publisher.files["/ptb.test.txt"] = CONTENT
    publisher.has_ranges = False
    fetch(benchmark, tmp_path)
    assert (tmp_path / TEST).read_bytes() == CONTENT


def test_without_a_sum_the_reader_tells_what_is_not_the_set(single, tmp_path):
    with pytest.raises(WebtextError, match="30,000 examples, not 3,761"):
        fetch(single(has_sum=False, num_examples=3761), tmp_path)
    assert not (tmp_path / TEST).exists()


def test_what_the_server_does_not_have_is_named(single, publisher, tmp_path):
    benchmark = single()
    publisher.files.clear()
    with pytest.raises(WebtextError, match=r"ptb\.test\.txt was not fetched: it answers 404"):
        fetch(benchmark, tmp_path)


def test_a_server_that_stalls_is_given_up(single, publisher, tmp_path):
    benchmark = single()
    publisher.pauses_after = 0
    with pytest.raises(WebtextError, match="was not fetched"):
        fetch(benchmark, tmp_path, stall_s=0.3)


def test_no_server_at_all_is_an_error_that_names_the_address(tmp_path):
    source = Source("http://127.0.0.1:9/x")
    benchmark = BenchmarkSet("ptb", "", (BenchmarkFile(path=TEST, source=source),))
    with pytest.raises(WebtextError, match=r"127\.0\.0\.1:9/x was not fetched"):
        fetch(benchmark, tmp_path)


def test_what_only_a_person_can_get_says_where(tmp_path):
    file = BenchmarkFile(path="cnndm/test.csv", source=None)
    benchmark = BenchmarkSet("cnndm", "", (file,), "https://example.org")
    with pytest.raises(WebtextError, match="without you") as caught:
        fetch(benchmark, tmp_path)
    assert "https://example.org" in caught.value.hint


@pytest.mark.parametrize("name", ["../../data/test", "/data/test", "data/../data/test"])
def test_an_archive_writes_nowhere_but_where_its_files_belong(name, packed, tmp_path):
    folder = tmp_path / "a" / "b"
    archive = tar_of((name, b"evil"), ("data/train", b"a\n"))
    with pytest.raises(WebtextError, match="no data/test"):
        fetch(packed(archive), folder)
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.parent for path in written} == {folder / "ptb"}
    assert not any(path.read_bytes() == b"evil" for path in written)


def test_a_link_in_an_archive_is_no_file(packed, tmp_path):
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as archive:
        link = tarfile.TarInfo("data/test")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
        archive.addfile(link)
    with pytest.raises(WebtextError, match="no data/test"):
        fetch(packed(raw.getvalue()), tmp_path)


@pytest.mark.parametrize("pack", [tar_of, zip_of])
def test_no_more_is_inflated_than_a_file_may_have(pack, packed, tmp_path):
    archive = pack(("data/test", bytes(50_000_000)), ("data/train", b"a\n"))
    assert len(archive) < 100_000
    with pytest.raises(WebtextError, match="more than 1,000 bytes"):
        fetch(packed(archive, num_bytes=1000), tmp_path)
    assert not (tmp_path / TEST).exists()


@pytest.mark.parametrize(
    "archive", [b"no archive", tar_of(("data/test", CONTENT))[:-2000], b"PK\x05\x06" + bytes(18)]
)
def test_a_damaged_archive_is_named(archive, packed, tmp_path):
    with pytest.raises(WebtextError, match=r"all\.tgz does not give what was published"):
        fetch(packed(archive), tmp_path)
    assert not (tmp_path / TEST).exists()


def test_a_folder_that_cannot_be_written_is_named(single, tmp_path):
    (tmp_path / "ptb").write_text("a file where the folder should be")
    with pytest.raises(WebtextError, match="cannot be written"):
        fetch(single(), tmp_path)
