"""Tables of links: every kind gives the same rows, and what is no table is said to be none."""

import csv
import gzip
import io
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import orjson
import pyarrow as pa
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings, strategies as st
from pyarrow import parquet

from corpus.errors import UsageError
from crawler.links.dumps import DamagedError
from crawler.links.posts import Corrupt, Listed
from crawler.links.url_tables import read_table

NAMES = ["URL", "karma", "Created_UTC", "subreddit", "submission_id"]
ROWS = [
    ("https://a.example/1?x=1,2", 5, 1_500_000_000, "news", "a1"),
    ('https://b.example/"q"', -3, 1_500_000_001, "worldnews", "a2"),
    ("https://c.example/ü", None, None, None, None),
]
EXPECTED = [(url, score, day, sub or "", name or "") for url, score, day, sub, name in ROWS]


def as_csv(delimiter: str) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerows([NAMES, *ROWS])
    return text.getvalue().encode()


def as_ndjson() -> bytes:
    return b"".join(orjson.dumps(dict(zip(NAMES, row, strict=True))) + b"\n" for row in ROWS)


def as_parquet() -> bytes:
    table = pa.Table.from_pylist([dict(zip(NAMES, row, strict=True)) for row in ROWS])
    file = io.BytesIO()
    parquet.write_table(table, file, row_group_size=2)
    return file.getvalue()


KINDS: dict[str, Callable[[], bytes]] = {
    "links.csv": lambda: as_csv(","),
    "marked.csv": lambda: b"\xef\xbb\xbf" + as_csv(","),
    "links.tsv": lambda: as_csv("\t"),
    "links.csv.gz": lambda: gzip.compress(as_csv(",")),
    "links.ndjson": as_ndjson,
    "links.jsonl.zst": lambda: zstandard.compress(as_ndjson()),
    "links.parquet": as_parquet,
}


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def fields(row: Listed | Corrupt) -> tuple:
    assert isinstance(row, Listed), row
    return row.url, row.score, row.created_utc, row.subreddit, row.id


@pytest.mark.parametrize("name", KINDS)
def test_each_kind_of_table_gives_the_same_rows(tmp_path: Path, name: str):
    rows = list(read_table(write(tmp_path / name, KINDS[name]())))
    assert [fields(row) for _, row in rows] == EXPECTED
    numbers = [number for number, _ in rows]
    assert numbers == sorted(set(numbers))
    assert all(isinstance(row, Listed) and row.has_scores and row.has_dates for _, row in rows)


def test_a_text_has_urls_and_remarks_and_knows_no_scores(tmp_path: Path):
    text = write(
        tmp_path / "list.txt", b"# mine\nhttps://a.example/1\r\n\nno url\nhttp://b.org/#x\n"
    )
    (first, one), (second, two), (third, three) = read_table(text)
    assert (first, second, third) == (2, 4, 5)
    assert isinstance(two, Corrupt)
    assert isinstance(one, Listed)
    assert isinstance(three, Listed)
    assert (one.url, three.url) == ("https://a.example/1", "http://b.org/#x")
    assert (one.score, one.has_scores, one.has_dates) == (None, False, False)


def test_a_table_of_urls_alone_knows_no_scores(tmp_path: Path):
    ((_, row),) = read_table(write(tmp_path / "links.csv", b"Link\nhttps://a.example/\n"))
    assert isinstance(row, Listed)
    assert (row.url, row.has_scores, row.has_dates) == ("https://a.example/", False, False)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("links.csv", b"title,score\nx,3\n"),
        ("links.ndjson", b'{"title": "x", "score": 3}\n'),
        ("links.parquet", None),
    ],
)
def test_a_table_without_urls_is_wrong_usage_that_lists_its_columns(
    tmp_path: Path, name: str, content: bytes | None
):
    path = tmp_path / name
    if content is None:
        parquet.write_table(pa.table({"title": ["x"], "score": [3]}), path)
    else:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=r"no column of URLs.*title, score"):
        list(read_table(path))


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (datetime(2017, 1, 1, tzinfo=UTC), 1_483_228_800),
        (datetime(2017, 1, 1), 1_483_228_800),
        (date(2017, 1, 1), 1_483_228_800),
        ("2017-01-01", 1_483_228_800),
        ("2017-01-01T01:00:00+01:00", 1_483_228_800),
        ("1483228800", 1_483_228_800),
        (1_483_228_800.0, 1_483_228_800),
        ("last year", None),
        (None, None),
    ],
)
def test_dates_are_read_as_they_are_written(tmp_path: Path, written: object, expected: int | None):
    table = pa.table({"url": ["https://a.example/"], "date": [written]})
    parquet.write_table(table, tmp_path / "links.parquet")
    ((_, row),) = read_table(tmp_path / "links.parquet")
    assert isinstance(row, Listed)
    assert row.created_utc == expected


def test_rows_that_cannot_be_read_are_corrupt_and_the_rest_is_read(tmp_path: Path):
    lines = b"url,score\nhttps://a.example/,3\nhttps://b.example/\nhttps://c.example/,4,5\n"
    kinds = [type(row) for _, row in read_table(write(tmp_path / "links.csv", lines))]
    assert kinds == [Listed, Corrupt, Listed]
    lines = b'{"url":"https://a.example/"}\n{"url":\n[1]\n{"url":7}\n'
    kinds = [type(row) for _, row in read_table(write(tmp_path / "links.ndjson", lines))]
    assert kinds == [Listed, Corrupt, Corrupt, Listed]


@pytest.mark.parametrize("name", [name for name in KINDS if name.endswith((".gz", ".zst"))])
def test_of_a_cut_off_table_the_rows_before_are_read(tmp_path: Path, name: str):
    content = KINDS[name]()
    path = write(tmp_path / name, content[:-9])
    rows = read_table(path)
    with pytest.raises(DamagedError, match="cut off"):
        list(rows)


def test_a_file_that_is_no_parquet_is_damaged_and_a_missing_one_is_wrong_usage(tmp_path: Path):
    with pytest.raises(DamagedError, match="no Parquet file; 0 rows"):
        list(read_table(write(tmp_path / "links.parquet", b"PAR1" + bytes(100))))
    for name in ("none.parquet", "none.csv", "none.txt"):
        with pytest.raises(UsageError, match=name):
            list(read_table(tmp_path / name))


def test_a_large_parquet_file_tells_how_far_it_is(tmp_path: Path):
    path = tmp_path / "links.parquet"
    urls = [f"https://a.example/{number}" for number in range(20_000)]
    parquet.write_table(pa.table({"url": urls}), path)
    told: list[int] = []
    assert sum(1 for _ in read_table(path, told.append)) == len(urls)
    assert told == sorted(set(told))
    assert len(told) > 1
    assert told[-1] == path.stat().st_size


@settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(content=st.binary(max_size=60), name=st.sampled_from(["x.csv", "x.ndjson", "x.txt"]))
def test_no_bytes_stop_a_reader_without_a_word(tmp_path: Path, content: bytes, name: str):
    head = {"x.csv": b"url,score\n", "x.ndjson": b'{"url":"a"}\n', "x.txt": b"http://a\n"}[name]
    rows = list(read_table(write(tmp_path / name, head + content)))
    assert all(isinstance(row, Listed | Corrupt) for _, row in rows)
