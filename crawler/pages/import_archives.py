"""Stage `pages` without a crawl: the pages that other crawlers archived as WARC files.

Two passes, both bounded in memory. The first reads each file once, from its beginning to its end,
and gives each response its outcome; what is a page goes into runs sorted by URL. The second takes
one partition at a time, keeps the latest page of each address, and writes the shards that a crawl
would. A record that is a gzip member of its own is read where it lies: the lineage names its file
by its absolute path. Of other files (no gzip, or one stream of it) nothing could be read by offset
later, so their pages are copied into an archive file of ours.
"""

import shutil
from pathlib import Path

from corpus.errors import UsageError
from corpus.manifest import Manifest
from corpus.runtime import Runtime
from corpus.stage import Inputs, StageWriter, check_readable
from crawler.pages.archived import ArchivesConfig
from crawler.pages.archived_merge import PagePartition, merge_pages
from crawler.pages.archived_reading import ArchiveFile, Reading, read_archive

ROLE = "archive"
"""How the roles of the files among a stage's inputs begin: `archive-0`, `archive-1`."""

_UNREADABLE = "Check archives.files in the recipe: each is a WARC file."
LIBRARIES = ("webtext", "warcio", "w3lib", "tldextract")
_MB = 1_000_000


def run(config: ArchivesConfig, inputs: Inputs, output: Path, runtime: Runtime) -> Manifest:
    """Read every archive and write `pages-XXXXX.arrow` with its lineage, sorted by URL.

    Each response and each damaged place counts as one that came in.

    Args:
        config: Which responses are pages.
        inputs: WARC files as `archive-0`, `archive-1`, ...; perhaps a `takedown` list.
        output: The stage's folder.
        runtime: Workers and progress.

    Raises:
        UsageError: there is nothing to read, or a file cannot be opened.
        WebtextError: a file holds no WARC record.
    """
    writer = StageWriter("pages", config, inputs, output)
    work = output / ".work"
    work.mkdir(exist_ok=True)
    files = _files(config, inputs, output, work)
    readings = _read_all(files, runtime)
    runs = [run for reading in readings for run in reading.runs]
    partitions = [PagePartition(index, runs, output, work) for index in range(config.partitions)]
    tasks = runtime.runner.map(merge_pages, partitions, min(runtime.workers, config.partitions))
    for num_done, _ in enumerate(tasks, start=1):
        runtime.progress.advance(0, f"{num_done} of {config.partitions} partitions merged")
    manifest = writer.finish(
        sum(reading.num_incoming for reading in readings),
        libraries=LIBRARIES,
        figures={
            "num_partitions": config.partitions,
            "archive_files": len(files),
            "archive_bytes": sum(file.path.stat().st_size for file in files),
            "copied_pages": sum(reading.num_copied for reading in readings),
            "other_records": sum(reading.num_others for reading in readings),
        },
        problems=[reading.problem for reading in readings if reading.problem],
    )
    shutil.rmtree(work)
    return manifest


def _files(config: ArchivesConfig, inputs: Inputs, output: Path, work: Path) -> list[ArchiveFile]:
    roles = [role for role in inputs if role.startswith(ROLE)]
    roles.sort(key=lambda role: int(role.rpartition("-")[2]))
    if not roles:
        raise UsageError(
            "there are no archives to read",
            hint='Name them in the recipe: [archives] files = ["CC-MAIN-00000.warc.gz"].',
        )
    for role in roles:
        check_readable(inputs[role], _UNREADABLE)
    takedown = inputs.get("takedown")
    return [
        ArchiveFile(index, inputs[role].absolute(), config, takedown, output, work)
        for index, role in enumerate(roles)
    ]


def _read_all(files: list[ArchiveFile], runtime: Runtime) -> list[Reading]:
    sizes = [round(file.path.stat().st_size / _MB) for file in files]
    runtime.progress.start(max(1, sum(sizes)), "MB")
    readings: list[Reading] = []
    num_pages = num_incoming = 0
    for reading in runtime.runner.map(read_archive, files, min(runtime.workers, len(files))):
        readings.append(reading)
        num_incoming += reading.num_incoming
        num_pages += reading.num_pages
        note = f"{num_incoming:,} responses, {num_pages:,} pages"
        runtime.progress.advance(sizes[reading.index], note)
        runtime.progress.report({"num_responses": num_incoming, "num_pages": num_pages})
    # As they finish, workers give them in any order.
    return sorted(readings, key=lambda reading: reading.index)
