"""Reads tables of links: CSV, Parquet, ndjson, or plain text with a URL on each line.

A table needs a column of URLs; score, date, subreddit and id are taken where it has them. Columns
are found by name, in any case of letters. Lists that others published are read as they are.
"""

import csv
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet

from corpus.errors import UsageError
from crawler.links.dumps import COMPRESSIONS, DamagedError, OnRead, read_lines, unwatched
from crawler.links.posts import Corrupt, Listed, whole_number

Rows = Iterator[tuple[int, Listed | Corrupt]]

_SYNONYMS = {
    "url": ("url", "uri", "link", "href", "address"),
    "score": ("score", "karma", "points", "ups", "upvotes"),
    "created": ("created_utc", "created", "created_at", "date", "datetime", "timestamp", "time"),
    "subreddit": ("subreddit", "sub"),
    "id": ("id", "submission_id", "reddit_id", "post_id"),
}
_BATCH_ROWS = 8192
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_DELIMITERS = {".csv": ",", ".tsv": "\t"}
_NDJSON = {".ndjson", ".jsonl", ".json"}


def read_table(path: Path, on_read: OnRead = unwatched) -> Rows:
    """The rows of a table, each with its number from 1; its name says of which kind it is.

    `.csv`, `.tsv`, `.parquet`, `.ndjson`, `.jsonl` or `.json`; all else is plain text. All but
    Parquet may be compressed, which a further suffix says: `.csv.gz`.

    Raises:
        UsageError: there is no such file, or it has no column of URLs.
        DamagedError: the file is cut off or damaged; raised after the last row.
    """
    kind = path.with_suffix("") if path.suffix in COMPRESSIONS else path
    if kind.suffix == ".parquet":
        return _parquet_rows(path, on_read)
    if kind.suffix in _DELIMITERS:
        return _csv_rows(path, _DELIMITERS[kind.suffix], on_read)
    return (_ndjson_rows if kind.suffix in _NDJSON else _text_rows)(path, on_read)


def _text_rows(path: Path, on_read: OnRead) -> Rows:
    for number, line in read_lines(path, on_read):
        text = _text(line, number).strip()
        if text.startswith("#"):
            continue
        is_url = "://" in text
        yield number, _row({"url": text}, {"url"}) if is_url else Corrupt(f"no URL: {text[:200]}")


def _csv_rows(path: Path, delimiter: str, on_read: OnRead) -> Rows:
    number = 0

    def lines() -> Iterator[str]:
        nonlocal number
        for number, line in read_lines(path, on_read):
            yield _text(line, number).rstrip("\r\n") + "\n"

    reader = csv.reader(lines(), delimiter=delimiter)
    header = next(reader, [])
    columns = _columns(path, header)
    places = {field: header.index(name) for field, name in columns.items()}
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as exc:
            yield number, Corrupt(f"no row of a table: {exc}")
            continue
        if len(cells) < len(header):
            yield number, Corrupt(f"{len(cells)} of {len(header)} cells: {cells}"[:200])
        else:
            values = {field: cells[place] for field, place in places.items()}
            yield number, _row(values, columns)


def _ndjson_rows(path: Path, on_read: OnRead) -> Rows:
    columns: dict[str, str] = {}
    for number, line in read_lines(path, on_read):
        try:
            fields = orjson.loads(line.removeprefix(_BYTE_ORDER_MARK) if number == 1 else line)
        except orjson.JSONDecodeError as exc:
            yield number, Corrupt(f"{exc}: {line[:200].decode(errors='replace')}")
            continue
        if not isinstance(fields, dict):
            yield number, Corrupt(f"no JSON object: {line[:200].decode(errors='replace')}")
            continue
        columns = columns or _columns(path, list(fields))
        values = {field: fields.get(name) for field, name in columns.items()}
        yield number, _row(values, columns)


def _parquet_rows(path: Path, on_read: OnRead) -> Rows:
    number = 0
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            columns = _columns(path, file.schema_arrow.names)
            num_rows, size_bytes = file.metadata.num_rows, path.stat().st_size
            for batch in file.iter_batches(_BATCH_ROWS, columns=list(columns.values())):
                for row in _batch_rows(batch, columns):
                    number += 1
                    yield number, row
                on_read(size_bytes * number // num_rows)
    except (FileNotFoundError, IsADirectoryError, PermissionError) as exc:
        raise UsageError(
            f"{path} cannot be read: {exc}", hint="Check links.urls in the recipe."
        ) from exc
    except (pa.ArrowException, OSError) as exc:
        raise DamagedError(
            f"{path} is damaged, cut off or no Parquet file; {number:,} rows could be read: {exc}"
        ) from exc


def _batch_rows(batch: pa.RecordBatch, columns: Mapping[str, str]) -> Iterator[Listed]:
    cells = [batch.column(name).to_pylist() for name in columns.values()]
    for values in zip(*cells, strict=True):
        yield _row(dict(zip(columns, values, strict=True)), columns)


def _columns(path: Path, names: list[str]) -> dict[str, str]:
    """The name in the table of each field that it has.

    Raises:
        UsageError: no column has the name of one of URLs.
    """
    by_lower = {name.strip().lower(): name for name in reversed(names)}
    found = {
        field: by_lower[synonym]
        for field, synonyms in _SYNONYMS.items()
        for synonym in reversed(synonyms)
        if synonym in by_lower
    }
    if "url" not in found:
        raise UsageError(
            f"{path} has no column of URLs; its columns are: {', '.join(names)[:500] or 'none'}",
            hint=f"Name one of them {' or '.join(_SYNONYMS['url'])}. "
            "A list with a URL on each line and nothing else is read from a .txt file.",
        )
    return found


def _row(values: Mapping[str, object], columns: Collection[str]) -> Listed:
    url, subreddit, row_id = (values.get(name) for name in ("url", "subreddit", "id"))
    return Listed(
        url=str(url) if url is not None else None,
        score=whole_number(values.get("score")),
        created_utc=_seconds(values.get("created")),
        subreddit=str(subreddit or ""),
        id=str(row_id or ""),
        has_scores="score" in columns,
        has_dates="created" in columns,
    )


def _seconds(value: object) -> int | None:
    """Seconds since 1970 of a number, a date or the text of one; without a zone it is UTC."""
    number = whole_number(value)
    if number is not None:
        return number
    try:
        moment = datetime.fromisoformat(value.strip()) if isinstance(value, str) else value
    except ValueError:
        return None
    if isinstance(moment, date) and not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
    if not isinstance(moment, datetime):
        return None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def _text(line: bytes, number: int) -> str:
    # Spreadsheets begin a file with a mark that would become part of its first column's name.
    return (line.removeprefix(_BYTE_ORDER_MARK) if number == 1 else line).decode(errors="replace")
