"""What a harvest remembers between its rounds: a SQLite database beside the day files it seals.

A submission is known by its number, the base-36 id as an integer, and is in one of three states:
held until its karma is mature, re-read and waiting for its day to end, or settled. Each step is one
transaction, so kill -9 leaves a submission in exactly one of them.
"""

import fcntl
import json
import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import zstandard

from corpus.atomic import atomic_path
from corpus.errors import WebtextError

DATABASE = "harvest.db"
_LAYOUT = 1
_DAY_FILE = "RS_????-??-??.zst"
_SCHEMA = """
CREATE TABLE held (number INTEGER PRIMARY KEY, created_s REAL NOT NULL);
CREATE INDEX held_by_age ON held (created_s);
-- An integer key alone: about 10 bytes for each submission ever seen.
CREATE TABLE settled (number INTEGER PRIMARY KEY);
CREATE TABLE reread (number INTEGER PRIMARY KEY, day TEXT NOT NULL, submission BLOB NOT NULL);
CREATE TABLE walks (listing TEXT PRIMARY KEY, newest INTEGER NOT NULL, newest_s REAL NOT NULL);
CREATE TABLE gaps (listing TEXT NOT NULL, from_s REAL NOT NULL, until_s REAL NOT NULL);
CREATE TABLE sealed (day TEXT PRIMARY KEY, num_submissions INTEGER NOT NULL);
"""
_ID = re.compile(r"[0-9a-z]{1,12}")  # 12 digits still fit into SQLite's 64 bits
_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest submission that a walk of a listing has met."""

    number: int
    created_s: float


@dataclass(frozen=True, slots=True)
class Gap:
    """A time whose submissions no walk of a listing has seen, in seconds since 1970."""

    listing: str
    from_s: float
    until_s: float


def id_to_number(submission_id: str) -> int:
    """`87` -> 295: ids are numbers in base 36.

    Raises:
        ValueError: it is none.
    """
    if not _ID.fullmatch(submission_id):  # int() takes signs, underscores and other digits too
        raise ValueError(f"{submission_id!r} is no submission id")
    return int(submission_id, 36)


def number_to_id(number: int) -> str:
    """295 -> `87`."""
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = _ALPHABET[digit] + digits
    return digits or "0"


def sealed_dumps(folder: Path, before: date | None = None) -> list[Path]:
    """The day files in a harvest's folder that will never change again, oldest first.

    Args:
        folder: The harvest's folder, `data/reddit`.
        before: Only those of days (UTC) before this one; None: all.
    """
    end = "9999" if before is None else before.isoformat()
    return [path for path in sorted(folder.glob(_DAY_FILE)) if _day_of(path) < end]


@contextmanager
def open_store(folder: Path) -> "Iterator[Store]":
    """Open a harvest's folder, making it if need be, and keep other processes out.

    Raises:
        WebtextError: another process is at work in it, its database is damaged or of a later
            version, or the disk is full.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise WebtextError(
                f"another webtext process is harvesting into {folder}",
                hint="Wait for it, or stop it; one harvest per data folder is enough.",
            ) from exc
        try:
            with closing(sqlite3.connect(folder / DATABASE)) as database:
                yield Store(folder, database)
        except sqlite3.DatabaseError as exc:
            raise WebtextError(
                f"{folder / DATABASE} cannot be used: {exc}",
                hint="Free some disk space if it is full. If the file is damaged, move it away: "
                "sealed day files are not touched, and what is held is found again.",
            ) from exc


class Store:
    """A harvest's memory; made by `open_store`."""

    def __init__(self, folder: Path, database: sqlite3.Connection) -> None:
        self._folder = folder
        self._database = database
        self._make_tables()

    def newest(self, listing: str) -> Newest | None:
        """The newest submission of the last complete walk of a listing; None: never walked."""
        query = "SELECT newest, newest_s FROM walks WHERE listing = ?"
        row = self._database.execute(query, (listing,)).fetchone()
        return None if row is None else Newest(*row)

    def finish_walk(self, listing: str, met: Mapping[int, float], gap: Gap | None) -> int:
        """Hold what a complete walk met (created_s by number) unless known; how many were not.

        A walk is kept whole or not at all: after half a walk, the next one would stop at what the
        first half met, and never see the second.
        """
        if not met:
            return 0
        last = self.newest(listing)
        newest = max(met)
        mark = Newest(newest, met[newest])
        if last is not None and last.number > mark.number:
            mark = last
        with self._database:
            num_new = self._hold(met)
            self._database.execute(
                "INSERT OR REPLACE INTO walks VALUES (?, ?, ?)",
                (listing, mark.number, mark.created_s),
            )
            if gap is not None:
                self._database.execute(
                    "INSERT INTO gaps VALUES (?, ?, ?)", (gap.listing, gap.from_s, gap.until_s)
                )
        return num_new

    def num_held(self) -> int:
        """Submissions whose karma is not yet mature, or not yet re-read."""
        return self._database.execute("SELECT COUNT(*) FROM held").fetchone()[0]

    def num_due(self, created_until_s: float) -> int:
        """Held submissions created until then, in seconds since 1970."""
        query = "SELECT COUNT(*) FROM held WHERE created_s <= ?"
        return self._database.execute(query, (created_until_s,)).fetchone()[0]

    def due(self, created_until_s: float, limit: int) -> list[int]:
        """The oldest held submissions created until then, in seconds since 1970."""
        query = "SELECT number FROM held WHERE created_s <= ? ORDER BY created_s, number LIMIT ?"
        return [row[0] for row in self._database.execute(query, (created_until_s, limit))]

    def gaps(self) -> list[Gap]:
        """Every gap since the harvest began, oldest first."""
        query = "SELECT listing, from_s, until_s FROM gaps ORDER BY from_s, listing"
        return [Gap(*row) for row in self._database.execute(query)]

    def settle(
        self, numbers: Sequence[int], reread: Mapping[int, dict[str, object]], today: date
    ) -> None:
        """Mark a batch as done, and keep the submissions among it that were re-read for today."""
        day = self._open_day(today).isoformat()
        # Packed one by one: a third of the size while they wait for their day to end.
        kept = [(n, day, zstandard.compress(_encode(each))) for n, each in reread.items()]
        keys = [(number,) for number in numbers]
        with self._database:
            self._database.executemany("INSERT INTO reread VALUES (?, ?, ?)", kept)
            self._database.executemany("INSERT OR IGNORE INTO settled VALUES (?)", keys)
            self._database.executemany("DELETE FROM held WHERE number = ?", keys)

    def seal(self, today: date) -> list[Path]:
        """Write the file of each day before today that has submissions; return the new files.

        Killed between a file and its mark, the next call writes the same bytes again.
        """
        query = "SELECT DISTINCT day FROM reread WHERE day < ? ORDER BY day"
        days = [row[0] for row in self._database.execute(query, (today.isoformat(),))]
        return [self._seal(day) for day in days]

    def _seal(self, day: str) -> Path:
        path = self._folder / f"RS_{day}.zst"
        query = "SELECT submission FROM reread WHERE day = ? ORDER BY number"
        num_submissions = 0
        compressor = zstandard.ZstdCompressor(level=10, write_checksum=True)
        with (
            atomic_path(path) as temporary,
            temporary.open("wb") as file,
            compressor.stream_writer(file, closefd=False) as lines,
        ):
            for (packed,) in self._database.execute(query, (day,)):
                lines.write(zstandard.decompress(packed))
                num_submissions += 1
        with self._database:
            self._database.execute("INSERT INTO sealed VALUES (?, ?)", (day, num_submissions))
            self._database.execute("DELETE FROM reread WHERE day = ?", (day,))
        return path

    def _open_day(self, day: date) -> date:
        """This day, or the next that is not sealed: a clock may have been set back."""
        query = "SELECT 1 FROM sealed WHERE day = ?"
        while self._database.execute(query, (day.isoformat(),)).fetchone():
            day += timedelta(days=1)
        return day

    def _hold(self, met: Mapping[int, float]) -> int:
        before = self._database.total_changes
        self._database.executemany(
            "INSERT OR IGNORE INTO held SELECT ?, ? "
            "WHERE NOT EXISTS (SELECT 1 FROM settled WHERE number = ?)",
            ((number, created_s, number) for number, created_s in sorted(met.items())),
        )
        return self._database.total_changes - before

    def _make_tables(self) -> None:
        (layout,) = self._database.execute("PRAGMA user_version").fetchone()
        if layout == 0:
            self._database.executescript(f"BEGIN;{_SCHEMA}PRAGMA user_version = {_LAYOUT};COMMIT;")
        elif layout != _LAYOUT:
            raise WebtextError(
                f"{self._folder / DATABASE} was written by another version of webtext",
                hint="Use that version, or another data folder.",
            )


def day_of(moment: datetime) -> date:
    """The UTC day of a moment."""
    return moment.astimezone(UTC).date()


def _day_of(path: Path) -> str:
    return path.stem.removeprefix("RS_")


def _encode(submission: Mapping[str, object]) -> bytes:
    """A line of a dump. Half a surrogate pair, which JSON may hold, becomes a question mark."""
    line = json.dumps(submission, ensure_ascii=False, separators=(",", ":"))
    return line.encode("utf-8", "replace") + b"\n"
