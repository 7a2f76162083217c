"""Opens the files of a benchmarks folder, and says where to get what is missing or damaged.

A benchmarks folder holds one subfolder per set, with the file names that the publishers chose.
"""

import shlex
from collections.abc import Iterator
from pathlib import Path

import orjson

from corpus.benchmarks.published_sets import PUBLISHED_SETS
from corpus.errors import WebtextError


class NotAvailableError(WebtextError):
    """A benchmark's file is not there; the hint says where to get it."""


def benchmark_file(folder: Path, file: str) -> Path:
    """The path of `file` (`set/name`) in a benchmarks folder.

    Raises:
        NotAvailableError: it is missing.
    """
    path = folder / file
    if not path.is_file():
        raise NotAvailableError(
            f"benchmark file {path} is missing", hint=f"Get it from {_source(path)}."
        )
    return path


def read_lines(path: Path) -> Iterator[str]:
    """The lines of a benchmark's file, line ends included.

    Raises:
        WebtextError: it is not UTF-8.
    """
    try:
        with path.open(encoding="utf-8", newline="\n") as lines:
            yield from lines
    except UnicodeDecodeError as exc:
        raise foreign(path, f"it is not UTF-8 ({exc.reason})") from exc


def read_objects(path: Path) -> Iterator[tuple[int, dict]]:
    """The JSON objects of a benchmark's file with a JSON object per line, and their line numbers.

    Raises:
        WebtextError: a line is not a JSON object.
    """
    for number, line in enumerate(read_lines(path), start=1):
        try:
            value = orjson.loads(line)
        except orjson.JSONDecodeError as exc:
            raise foreign(path, f"line {number} is not JSON") from exc
        if not isinstance(value, dict):
            raise foreign(path, f"line {number} is not a JSON object")
        yield number, value


def foreign(path: Path, problem: str) -> WebtextError:
    """The error for a file that is not what the benchmark's publishers made."""
    return WebtextError(
        f"benchmark file {path} is not in its published format: {problem}",
        hint=f"Get it again from {_source(path)}, after removing it.",
    )


def _source(path: Path) -> str:
    name, folder = path.parent.name, path.parent.parent
    [benchmark] = [each for each in PUBLISHED_SETS if each.name == name]
    source = benchmark.file(path.name).source
    if source is None:
        return benchmark.by_hand
    return f"{source.url} with `webtext benchmarks fetch {name} --to {shlex.quote(str(folder))}`"
