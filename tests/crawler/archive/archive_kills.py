"""Kills an archiving process at each of its steps: run as a module, with a folder.

A step is a call of the archive, or an open, a rename, a cut or a removal that the archive makes.
For each of them one process is killed just before it, a second one that goes on from there at a
random step, and a third one finishes. Prints how many steps there are.
"""

import os
import random
import shutil
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import orjson
from warcio.archiveiterator import ArchiveIterator

from crawler.archive.partition import PartitionArchive
from crawler.archive.warc import FETCHED, Outcome, Response

NUM_LINKS = 7
MAX_FILE_BYTES = 12_000
"""Two or three links."""

_STEPS = {"open", "os.rename", "os.truncate", "os.remove"}
_HTML = [("Content-Type", "text/html")]


def url_of(row: int) -> str:
    return f"http://example.org/{row}"


def crawl(folder: Path, step: Callable[[], None]) -> None:
    """Settle every link that is not settled, and finish; note in a file what was settled."""
    archive = PartitionArchive(folder, 0, NUM_LINKS, {"robots": "obey"}, MAX_FILE_BYTES)
    assert all(archive.settled[row] for row in told(folder))
    assert archive.outcomes.total() == archive.settled.sum()
    rows = [row for row in range(NUM_LINKS) if not archive.settled[row]]
    random.Random(len(rows)).shuffle(rows)
    for row in rows:
        step()
        archive.writer.write_exchange("http://example.org/robots.txt", [], _page(-1), cut=False)
        step()
        moved = Response(301, [("Location", url_of(row))], b"")
        archive.writer.write_exchange(f"{url_of(row)}/old", [], moved, cut=False, row=row)
        archive.writer.write_exchange(url_of(row), [], _page(row), cut=False, row=row)
        step()
        name = FETCHED if row % 3 else "http_404"
        assert archive.settle(row, Outcome(url=url_of(row), outcome=name, status=200))
        descriptor = os.open(_note(folder), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(descriptor, b"%d\n" % row)
        os.close(descriptor)
    step()
    archive.finish()


def told(folder: Path) -> list[int]:
    """The rows whose `settle` returned."""
    return list(map(int, _note(folder).read_text().split())) if _note(folder).exists() else []


def killed_at(number: int, folder: Path) -> int:
    """Crawl in a process of its own, killed before step `number`; the number of its steps."""
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        num_steps = 0

        def step(*_: object) -> None:
            nonlocal num_steps
            if num_steps == number:
                os._exit(9)
            num_steps += 1

        def hook(event: str, arguments: tuple) -> None:
            if event in _STEPS and str(folder) in str(arguments[0]):
                step()

        sys.addaudithook(hook)
        try:
            crawl(folder, step)
        except BaseException as exc:
            sys.excepthook(type(exc), exc, exc.__traceback__)
            os._exit(1)
        os.write(write_end, orjson.dumps(num_steps))
        os._exit(0)
    os.close(write_end)
    with open(read_end, "rb") as pipe:  # noqa: PTH123 - a descriptor
        content = pipe.read()
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert status in {0, 9}, f"killed at step {number}: ended with {status}"
    return int(content or 0)


def check(folder: Path, shards: dict[str, bytes]) -> None:
    """Everything is there once, and nothing else."""
    records: Counter[tuple[str, str]] = Counter()
    for path in sorted(folder.glob("*.warc.gz")):
        assert path.stat().st_size <= MAX_FILE_BYTES
        with path.open("rb") as file:
            for record in ArchiveIterator(file, check_digests="raise"):  # pyright: ignore
                record.content_stream().read()
                url = record.rec_headers.get_header("WARC-Target-URI") or ""
                records[record.rec_type, url] += 1
    for row in range(NUM_LINKS):
        for kind, url in (
            ("response", url_of(row)),
            ("request", url_of(row)),
            ("response", f"{url_of(row)}/old"),
            ("metadata", url_of(row)),
        ):
            assert records[kind, url] == 1, (kind, url, records[kind, url])
    assert shards_of(folder) == shards
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def shards_of(folder: Path) -> dict[str, bytes]:
    """The shards that do not depend on when a link was settled."""
    paths = [*folder.glob("rejects-*.arrow"), *folder.glob("pages-*.arrow")]
    return {path.name: path.read_bytes() for path in paths}


def main(root: Path) -> int:
    undisturbed = root / "undisturbed"
    undisturbed.mkdir()
    crawl(undisturbed, lambda: None)  # here: what is imported on first use is in every fork
    shards = shards_of(undisturbed)
    (root / "whole").mkdir()
    num_steps = killed_at(10**9, root / "whole")
    rng = random.Random(0)
    for number in range(num_steps):
        folder = root / f"killed-{number}"
        folder.mkdir()
        killed_at(number, folder)
        killed_at(rng.randrange(num_steps), folder)
        killed_at(10**9, folder)
        check(folder, shards)
        shutil.rmtree(folder)
    return num_steps


def _page(row: int) -> Response:
    return Response(200, _HTML, random.Random(row).randbytes(2000).hex().encode())


def _note(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.told")


if __name__ == "__main__":
    sys.stdout.write(f"{main(Path(sys.argv[1]))}\n")
