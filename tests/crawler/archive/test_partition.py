"""The archive of one partition: files of limited size, restarts, and the shards derived from it."""

import os
import random
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st
from warcio.archiveiterator import ArchiveIterator

from corpus.errors import WebtextError
from corpus.shards import read_rows
from crawler.archive import writer as archive_writer
from crawler.archive.partition import PartitionArchive, archive_paths, derive_shards
from crawler.archive.records import outcome_record
from crawler.archive.warc import FETCHED, Outcome, Response, iterate_outcomes, read_response

# An archive that is left as it is, as by a kill, is never closed.
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

ROOT = Path(__file__).parents[3]
HTML = [("Content-Type", "text/html")]
NUM_LINKS = 12
SMALL_BYTES = 12_000
"""Two or three of the links below in a file."""


def url_of(row: int) -> str:
    return f"http://example.org/{row}"


def body_of(row: int) -> bytes:
    return random.Random(row).randbytes(2000).hex().encode()


def answer(archive: PartitionArchive, row: int, status: int = 200) -> None:
    archive.writer.write_exchange(
        url_of(row), [], Response(status, HTML, body_of(row)), cut=False, row=row
    )


def outcome_of(row: int) -> Outcome:
    """Every fourth link is dead."""
    if row % 4 == 3:
        return Outcome(url=url_of(row), outcome="dns_error", detail="NoSuchHost")
    return Outcome(
        url=url_of(row), outcome=FETCHED, status=200, final_url=url_of(row), fetched_at=row
    )


def settle(archive: PartitionArchive, *rows: int) -> None:
    for row in rows:
        if row % 4 != 3:
            answer(archive, row)
        assert archive.settle(row, outcome_of(row))


def open_archive(folder: Path, max_file_bytes: int = SMALL_BYTES) -> PartitionArchive:
    folder.mkdir(exist_ok=True)
    return PartitionArchive(folder, 0, NUM_LINKS, {"robots": "obey"}, max_file_bytes)


def whole_archive(folder: Path, max_file_bytes: int = SMALL_BYTES) -> Path:
    archive = open_archive(folder, max_file_bytes)
    settle(archive, *range(NUM_LINKS))
    archive.finish()
    return folder


def shards_of(folder: Path) -> dict[str, bytes]:
    return {
        path.name: path.read_bytes()
        for path in sorted(folder.glob("*.arrow"))
        if not path.name.startswith("lineage-")
    }


def records_of(path: Path) -> list[tuple[str, str]]:
    with path.open("rb") as file:
        return [
            (record.rec_type, record.rec_headers.get_header("WARC-Target-URI"))
            for record in ArchiveIterator(file)
        ]


def test_the_archive_is_files_of_limited_size_that_each_tell_a_whole_story(tmp_path):
    archive = open_archive(tmp_path / "a")
    settle(archive, *range(NUM_LINKS))
    archive.writer.close()
    paths = archive_paths(tmp_path / "a", 0)
    assert [path.name for path in paths[:2]] == [
        "pages-00000-00000.warc.gz",
        "pages-00000-00001.warc.gz",
    ]
    assert len(paths) > 3
    assert sum(path.stat().st_size for path in paths) == archive.num_bytes
    for path in paths:
        assert path.stat().st_size <= SMALL_BYTES
        records = records_of(path)
        assert [kind for kind, _ in records].count("warcinfo") == 1
        assert records[0][0] == "warcinfo"
        for outcome in iterate_outcomes(path):
            is_dead = outcome.outcome != FETCHED
            assert records.count(("response", outcome.url)) == (not is_dead)
            assert outcome.warc == ("" if is_dead else path.name)
            if not is_dead:
                assert read_response(path, outcome.offset).body == body_of(outcome.row)


def test_a_file_is_also_full_when_it_holds_so_many_outcomes(tmp_path, monkeypatch):
    monkeypatch.setattr(archive_writer, "_MAX_FILE_OUTCOMES", 5)
    whole_archive(tmp_path / "a", 10**9)
    files = archive_paths(tmp_path / "a", 0)
    assert [len(list(iterate_outcomes(path))) for path in files] == [5, 5, 2]


def test_a_page_is_found_by_its_lineage(tmp_path):
    folder = whole_archive(tmp_path / "a")
    rows = {row["url"]: row for row in read_rows(folder / "lineage-00000.arrow")}
    pages = [row["url"] for row in read_rows(folder / "pages-00000.arrow")]
    assert pages == sorted(rows) == sorted(url_of(n) for n in range(NUM_LINKS) if n % 4 != 3)
    for number in range(NUM_LINKS):
        if row := rows.get(url_of(number)):
            assert read_response(folder / row["warc"], row["offset"]).body == body_of(number)
            assert row["fetched_at"].timestamp() == number


def test_dead_links_are_kept_aside_with_reason_and_detail(tmp_path):
    rejects = list(read_rows(whole_archive(tmp_path / "a") / "rejects-00000.arrow"))
    keys = sorted(url_of(n) for n in range(NUM_LINKS) if n % 4 == 3)
    assert rejects == [{"key": key, "reason": "dns_error", "detail": "NoSuchHost"} for key in keys]


def test_order_and_file_size_and_restarts_leave_no_trace_in_the_shards(tmp_path_factory):
    expected = shards_of(whole_archive(tmp_path_factory.mktemp("whole"), 10**9))

    @given(
        st.permutations(range(NUM_LINKS)),
        st.sets(st.integers(1, NUM_LINKS - 1), max_size=3),
        st.integers(5_000, 50_000),
    )
    @settings(max_examples=15)
    def check(order, stops, max_file_bytes):
        folder = tmp_path_factory.mktemp("parts")
        cuts = [0, *sorted(stops), NUM_LINKS]
        for start, end in pairwise(cuts):
            for part in folder.glob(".*.part"):  # killed while it wrote
                part.write_bytes(part.read_bytes() + outcome_record(outcome_of(0))[:-1])
            archive = open_archive(folder, max_file_bytes)
            assert set(archive.settled.nonzero()[0]) == set(order[:start])
            settle(archive, *order[start:end])
            archive.writer.write_exchange(
                "http://h/robots.txt", [], Response(404, [], b""), cut=False
            )
        archive = open_archive(folder, max_file_bytes)
        assert archive.settled.all()
        archive.finish()
        assert shards_of(folder) == expected
        assert not [path for path in folder.iterdir() if path.name.startswith(".")]

    check()


def test_a_link_is_settled_once(tmp_path):
    archive = open_archive(tmp_path / "a")
    settle(archive, 1)
    assert not archive.settle(1, outcome_of(1))
    assert archive.outcomes == {FETCHED: 1}
    again = open_archive(tmp_path / "a")
    assert not again.settle(1, outcome_of(1))
    assert again.settle(3, outcome_of(3))
    assert again.outcomes == {FETCHED: 1, "dns_error": 1}


def test_an_answer_to_a_link_that_is_not_settled_does_not_remain(tmp_path):
    archive = open_archive(tmp_path / "a", 10**9)
    answer(archive, 0, status=302)
    answer(archive, 0)
    answer(archive, 1)
    settle(archive, 2)
    archive.settle(0, outcome_of(0))
    archive = open_archive(tmp_path / "a", 10**9)
    answer(archive, 1)
    archive.settle(1, outcome_of(1))
    archive.writer.close()
    [path] = archive_paths(tmp_path / "a", 0)
    told = [(kind, url) for kind, url in records_of(path) if kind in {"response", "metadata"}]
    rows = [2, 2, 0, 0, 0, 1, 1]
    assert [url for _, url in told] == [url_of(row) for row in rows]


def test_what_is_held_back_is_limited_and_found_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(archive_writer, "_MAX_HELD_BYTES", 7_000)
    archive = open_archive(tmp_path / "a", 10_000)
    rows = [row for row in range(NUM_LINKS) if row % 4 != 3]
    for row in rows:
        answer(archive, row)
    before_bytes = archive.num_bytes
    for row in range(NUM_LINKS):
        assert archive.settle(row, outcome_of(row))
    assert before_bytes > 10_000
    archive.finish()
    found = list(read_rows(tmp_path / "a" / "lineage-00000.arrow"))
    for row in found:
        body = read_response(tmp_path / "a" / row["warc"], row["offset"]).body
        assert body == body_of(int(row["url"].rpartition("/")[2]))
    assert len(found) == len(rows)


def test_a_restart_reads_no_finished_file(tmp_path):
    archive = open_archive(tmp_path / "a")
    settle(archive, *range(8))
    for path in archive_paths(tmp_path / "a", 0):
        path.write_bytes(bytes(path.stat().st_size))
    again = open_archive(tmp_path / "a")
    assert list(again.settled) == [row < 8 for row in range(NUM_LINKS)]
    assert again.num_bytes == archive.num_bytes


@pytest.mark.parametrize("lost", ["*.arrow", ".outcomes-*", "rejects-*"])
def test_shards_that_are_lost_are_derived_again(tmp_path, lost):
    folder = whole_archive(tmp_path / "a")
    before = shards_of(folder)
    for path in folder.glob(lost):
        path.unlink()
    derive_shards(folder, 0)
    assert shards_of(folder) == before


def test_a_partition_without_links_has_shards_without_rows(tmp_path):
    PartitionArchive(tmp_path, 7, 0).finish()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "lineage-00007.arrow",
        "pages-00007.arrow",
        "rejects-00007.arrow",
    ]


def test_partitions_share_a_folder(tmp_path):
    archives = [PartitionArchive(tmp_path, index, NUM_LINKS) for index in (0, 1)]
    for archive in archives:
        settle(archive, archive.index)
    again = [PartitionArchive(tmp_path, index, NUM_LINKS) for index in (0, 1)]
    assert [list(archive.settled.nonzero()[0]) for archive in again] == [[0], [1]]


def test_an_archive_of_other_links_is_an_error(tmp_path):
    archive = open_archive(tmp_path / "a")
    settle(archive, NUM_LINKS - 1)
    with pytest.raises(WebtextError, match=r"partition 0 .* belongs to other links"):
        PartitionArchive(tmp_path / "a", 0, NUM_LINKS - 1)


@pytest.mark.slow
def test_killed_at_any_step_it_holds_each_page_once(tmp_path):
    """See archive_kills: that process forks, which this one, with its threads, better does not."""
    result = subprocess.run(
        [sys.executable, "-m", "tests.crawler.archive.archive_kills", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )
    assert result.returncode == 0, result.stderr
    assert int(result.stdout) > 60
