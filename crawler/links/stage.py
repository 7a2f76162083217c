"""Stage "links": dumps and tables of submissions become one row per page that is worth a visit.

Two passes, both bounded in memory. The first reads each file once, decides line by line, and writes
what it accepts as sorted runs. The second takes one partition at a time, merges the submissions of
each page and writes the partition's links sorted by URL. The result depends on neither the order of
the files nor that of their lines. Variants of an address (http and https, `www.`, a last slash) are
one page; the one that most submissions name is fetched.
"""

import shutil
from pathlib import Path

from corpus.errors import UsageError
from corpus.manifest import Manifest
from corpus.runtime import Runtime
from corpus.stage import Inputs, StageWriter, check_readable
from crawler.links.merge import Partition, merge_partition
from crawler.links.reading_progress import Tallies, shown
from crawler.links.sources import Reading, Source, read_source, tallies_path
from crawler.links.submissions import LinksConfig

# A decoder of a real dump holds up to 2 GiB (see `dumps`): more of them at once would not fit into
# a machine that is otherwise large enough.
_MAX_DECODERS = 4
_UNREADABLE = (
    "Check links.dumps and links.urls in the recipe, or name the file with --set links.dumps."
)
LIBRARIES = ("webtext", "w3lib", "tldextract")


def run(config: LinksConfig, inputs: Inputs, output: Path, runtime: Runtime) -> Manifest:
    """Read every source and write `links-XXXXX.arrow`, one per partition, sorted by URL.

    Args:
        config: Which submissions become links.
        inputs: Files to read: submission dumps as `dump-0`, `dump-1`, ..., tables of URLs as
            `urls-0`, ...; perhaps a list of what must not be crawled as `takedown`, and the folder
            of what was crawled as `crawled`.
        output: The stage's folder.
        runtime: Workers and progress.

    Raises:
        UsageError: there is nothing to read, a file does not exist, or a table has no URLs.
        WebtextError: a file holds no submissions, or too many corrupt lines.
    """
    writer = StageWriter("links", config, inputs, output)
    work = output / ".work"
    work.mkdir(exist_ok=True)
    sources = _sources(config, inputs, output, work)
    readings = _read_all(sources, work, runtime)
    partitions = [
        Partition(
            index,
            [run for reading in readings for run in reading.runs],
            config,
            inputs.get("crawled") if config.skip_crawled else None,
            output,
            work,
        )
        for index in range(config.partitions)
    ]
    tasks = runtime.runner.map(merge_partition, partitions, min(runtime.workers, config.partitions))
    for num_done, _ in enumerate(tasks, start=1):
        runtime.progress.advance(0, f"{num_done} of {config.partitions} partitions merged")
    manifest = writer.finish(
        sum(reading.num_submissions for reading in readings),
        libraries=LIBRARIES,
        problems=[reading.problem for reading in readings if reading.problem],
    )
    shutil.rmtree(work)
    return manifest


def _sources(config: LinksConfig, inputs: Inputs, output: Path, work: Path) -> list[Source]:
    roles = sorted(role for role in inputs if role.startswith(("dump", "urls")))
    if not roles:
        raise UsageError(
            "there are no submission dumps and no tables of URLs to read",
            hint='Name them in the recipe: [links] dumps = ["RS_2017-11.zst"].',
        )
    for role in roles:
        check_readable(inputs[role], _UNREADABLE)
    takedown = inputs.get("takedown")
    return [
        Source(index, role, inputs[role], config, takedown, output, work)
        for index, role in enumerate(roles)
    ]


def _read_all(sources: list[Source], work: Path, runtime: Runtime) -> list[Reading]:
    tallies = Tallies.create(tallies_path(work), len(sources))
    total_bytes = sum(source.path.stat().st_size for source in sources)
    workers = min(runtime.workers, _MAX_DECODERS, len(sources))
    with shown(tallies, total_bytes, runtime.progress):
        readings = list(runtime.runner.map(read_source, sources, workers))
    # As they finish, workers give them in any order.
    return sorted(readings, key=lambda reading: reading.problem)
