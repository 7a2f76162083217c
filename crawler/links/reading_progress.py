"""How far the reading is, told while files are read and by whatever process reads them."""

import mmap
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from corpus.runtime import Progress

_SLOT = struct.Struct("<3Q")  # of one file: bytes read, submissions, links
_SHOW_EVERY_S = 0.5
_MB = 1_000_000


@dataclass(frozen=True)
class Tally:
    """What was read so far."""

    num_bytes: int
    num_submissions: int
    num_links: int


class Tallies:
    """A small file in shared memory with a slot for each file that is read; one writer per slot."""

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), 0)

    @staticmethod
    def create(path: Path, num_files: int) -> "Tallies":
        """A new file of zeros at `path`."""
        path.write_bytes(bytes(_SLOT.size * num_files))
        return Tallies(path)

    def set(self, index: int, tally: Tally) -> None:
        """File `index` was read as far as this."""
        numbers = (tally.num_bytes, tally.num_submissions, tally.num_links)
        _SLOT.pack_into(self._memory, index * _SLOT.size, *numbers)

    def total(self) -> Tally:
        """The sum over all files."""
        return Tally(*map(sum, zip(*_SLOT.iter_unpack(self._memory), strict=True)))


@contextmanager
def shown(tallies: Tallies, total_bytes: int, progress: Progress) -> Iterator[None]:
    """Tell `progress` twice a second, while the body runs, what the tallies say.

    Args:
        tallies: What the readers write.
        total_bytes: Size of all files as they lie on disk.
        progress: Whom to tell; counts in MB, so that the time left follows from the files' sizes.
    """
    progress.start(max(1, round(total_bytes / _MB)), "MB")
    ended = threading.Event()
    shower = threading.Thread(target=_show, args=(tallies, progress, ended), daemon=True)
    shower.start()
    try:
        yield
    finally:
        ended.set()
        shower.join()


def _show(tallies: Tallies, progress: Progress, ended: threading.Event) -> None:
    num_shown = 0
    is_last = False
    while not is_last:
        is_last = ended.wait(_SHOW_EVERY_S)  # the last look comes after the end
        now = tallies.total()
        num_mb = round(now.num_bytes / _MB)
        note = f"{now.num_submissions:,} submissions, {now.num_links:,} links"
        progress.advance(num_mb - num_shown, note)
        progress.report({"num_submissions": now.num_submissions, "num_links": now.num_links})
        num_shown = num_mb
