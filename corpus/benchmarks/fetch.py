"""Fetches benchmark files from where they are published, and goes on where it was stopped."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from corpus.atomic import atomic_path, no_room_named
from corpus.benchmarks.catalog import BenchmarkFile, BenchmarkSet, Source
from corpus.benchmarks.check import check_file
from corpus.benchmarks.download import download, foreign
from corpus.benchmarks.unpack import unpack
from corpus.errors import WebtextError
from corpus.runtime import Progress

STALL_S: Final = 30.0
"""A server that sends nothing for so long is given up."""


def missing_files(benchmark: BenchmarkSet, folder: Path) -> list[BenchmarkFile]:
    """The files of a set that are not in a benchmarks folder."""
    return [file for file in benchmark.files if not (folder / file.path).exists()]


def fetch_set(
    benchmark: BenchmarkSet, folder: Path, progress: Progress, stall_s: float = STALL_S
) -> list[BenchmarkFile]:
    """Bring what is missing of a set to a benchmarks folder; what is there is left alone.

    A file appears under its name once it is whole and has the published sum, if there is one; it
    goes again if its reader does not find in it what was published. What was downloaded before an
    error is kept beside it, and a later call asks for the rest.

    Returns:
        The files that were fetched.

    Raises:
        WebtextError: an address does not answer, or gives something else; or there is no address.
    """
    missing = missing_files(benchmark, folder)
    by_source: dict[Source, list[BenchmarkFile]] = {}
    for file in missing:
        if file.source is None:
            raise WebtextError(
                f"{file.path} cannot be fetched without you",
                hint=f"Get it from {benchmark.by_hand} and put it there.",
            )
        by_source.setdefault(file.source, []).append(file)
    try:
        for source, files in by_source.items():
            _fetch(source, files, folder, progress, stall_s)
    except OSError as exc:
        raise WebtextError(
            f"{folder / benchmark.name} cannot be written: {exc}",
            hint="Give --to a folder that you may write to.",
        ) from exc
    return missing


def _fetch(
    source: Source,
    files: Sequence[BenchmarkFile],
    folder: Path,
    progress: Progress,
    stall_s: float,
) -> None:
    name = source.url.rpartition("/")[2]
    part = folder / Path(files[0].path).parent / f".{name}.download"
    part.parent.mkdir(parents=True, exist_ok=True)
    with no_room_named(part):
        download(source, part, progress, stall_s)
    # Whatever stops this, the archive stays: a later call need not download it again.
    if files[0].member is None:
        with atomic_path(folder / files[0].path) as temporary:
            part.replace(temporary)
    else:
        progress.advance(0, "unpacking")
        unpack(part, source.url, files, folder)
        part.unlink()
    for file in files:
        finding = check_file(folder, file)
        if finding.state == "damaged":
            (folder / file.path).unlink()
            raise foreign(source.url, f"of {file.path}, {finding.problem}")
