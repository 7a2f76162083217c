"""The WMT sets of news in English and French, a sentence or two per line."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from corpus.benchmarks.files import benchmark_file, foreign, read_lines

Year = Literal[2013, 2014]


class Translation(NamedTuple):
    """The same in both languages."""

    english: str
    french: str


def wmt_translations(folder: Path, year: Year) -> Iterator[Translation]:
    """The lines of newstest: 3,003 of 2014, which WMT-14 scored, or 3,000 of the year before.

    Raises:
        NotAvailableError: a file is missing.
        WebtextError: the two files have not as many lines.
    """
    english, french = (
        benchmark_file(folder, f"wmt_fr_en/newstest{year}.{name}") for name in ("eng", "fra")
    )
    try:
        for lines in zip(read_lines(english), read_lines(french), strict=True):
            yield Translation(*(line.rstrip("\n") for line in lines))
    except ValueError as exc:
        raise foreign(french, f"it has not as many lines as {english.name}") from exc
