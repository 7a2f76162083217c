"""Where the pages lie that put two runs or two corpora side by side."""

from pathlib import Path
from typing import Final

FOLDER: Final = "reports"
"""In the data folder: a comparison belongs to none of what it compares."""

_NAME_CHARS: Final = 12


def difference_page(data: Path, a: str, b: str) -> Path:
    """The page of two runs or corpora, by their ids or hashes."""
    return data / FOLDER / f"{a[:_NAME_CHARS]}-{b[:_NAME_CHARS]}.html"


def difference_pages(data: Path, name: str) -> list[Path]:
    """All pages that put a run or a corpus beside another."""
    found = (data / FOLDER).glob("*-*.html")
    return [path for path in found if name[:_NAME_CHARS] in path.stem.split("-")]
