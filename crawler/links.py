"""Stage "links": submission dumps become one row per canonical URL that is worth a visit.

Two passes, both bounded in memory. The first reads each dump once, decides line by line, and
spools what it accepts to one hidden file per dump and partition. The second takes one partition at
a time, merges the submissions of each URL and writes the partition's links sorted by URL. The
result depends on neither the order of the dumps nor that of their lines.
"""

import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import TypeVar

import orjson

from corpus.atomic import no_room_named, write_bytes
from corpus.errors import UsageError, WebtextError
from corpus.manifest import Manifest
from corpus.parallel import map_in_processes
from corpus.runtime import Runtime
from corpus.schema import LINKS, REJECTS
from corpus.shards import shard_name, write_shard
from corpus.stage import Inputs, StageWriter, reject
from crawler.dumps import read_lines
from crawler.submissions import Link, LinksConfig, Rejection, judge

T = TypeVar("T")
R = TypeVar("R")

# A decoder of a real dump holds up to 2 GiB (see crawler.dumps): more of them at once would not
# fit into a machine that is otherwise large enough.
_MAX_DECODERS = 4
LIBRARIES = ("webtext", "w3lib", "tldextract")


@dataclass(frozen=True)
class _Dump:
    index: int
    path: Path
    config: LinksConfig
    output: Path

    @property
    def marker(self) -> Path:
        return self.output / f".dump-{self.index:05d}.json"


@dataclass(frozen=True)
class _Partition:
    index: int
    num_dumps: int
    output: Path

    @property
    def spools(self) -> list[Path]:
        return [_spool(self.output, dump, self.index) for dump in range(self.num_dumps)]


def run(config: LinksConfig, inputs: Inputs, output: Path, runtime: Runtime) -> Manifest:
    """Read every dump and write `links-XXXXX.arrow`, one per partition, sorted by URL.

    Args:
        config: Which submissions become links.
        inputs: The dump files, under any roles (`dump-0`, `dump-1`, ...).
        output: The stage's folder.
        runtime: Workers and progress.

    Raises:
        UsageError: there are no dumps, or one does not exist.
        WebtextError: a dump is damaged or holds corrupt lines.
    """
    if not inputs:
        raise UsageError(
            "there are no submission dumps to read",
            hint='Name them in the recipe: [links] dumps = ["RS_2017-11.zst"].',
        )
    writer = StageWriter("links", config, inputs, output)
    dumps = [
        _Dump(index, path, config, output) for index, (_, path) in enumerate(sorted(inputs.items()))
    ]
    partitions = [_Partition(index, len(dumps), output) for index in range(config.partitions)]
    runtime.progress.start(None, "submissions")
    num_lines = 0
    for num_read in _map(_read_dump, dumps, min(runtime.workers, _MAX_DECODERS, len(dumps))):
        num_lines += num_read
        runtime.progress.advance(num_read)
    for _ in _map(_merge_partition, partitions, min(runtime.workers, config.partitions)):
        pass
    manifest = writer.finish(num_lines, libraries=LIBRARIES)
    for dump in dumps:
        dump.marker.unlink(missing_ok=True)
    return manifest


def _read_dump(dump: _Dump) -> int:
    """First pass over one dump: spool its links, keep its rejects, return its number of lines."""
    if dump.marker.is_file():
        return orjson.loads(dump.marker.read_bytes())["num_lines"]
    num_lines = 0

    def judged() -> Iterator[dict]:
        nonlocal num_lines
        for number, line in read_lines(dump.path):
            num_lines += 1
            verdict = judge(line, dump.config)
            if isinstance(verdict, Rejection):
                yield reject(f"{dump.path.name}:{number}", verdict.reason, verdict.detail)
            else:
                partition = zlib.crc32(verdict.domain.encode()) % dump.config.partitions
                spools[partition].write(orjson.dumps(verdict) + b"\n")

    with no_room_named(dump.output), ExitStack() as stack:
        spools = [
            stack.enter_context(_spool(dump.output, dump.index, partition).open("wb"))
            for partition in range(dump.config.partitions)
        ]
        # The rejects of the second pass have the partitions' numbers, those of the first follow.
        rejects = shard_name("rejects", dump.config.partitions + dump.index)
        write_shard(dump.output / rejects, _few_corrupt(judged(), dump), REJECTS)
    write_bytes(dump.marker, orjson.dumps({"num_lines": num_lines}))
    return num_lines


def _few_corrupt(rejects: Iterable[dict], dump: _Dump) -> Iterator[dict]:
    num_corrupt = 0
    for row in rejects:
        num_corrupt += row["reason"] == "corrupt_line"
        if num_corrupt > dump.config.max_corrupt_lines:
            line = row["key"].rsplit(":", 1)[1]
            raise WebtextError(
                f"corrupt line {dump.path}:{line}: {row['detail']}",
                hint="Get the dump again, or keep such lines aside and go on: "
                "--set links.max_corrupt_lines=100 (per dump).",
            )
        yield row


def _merge_partition(partition: _Partition) -> None:
    """Second pass over one partition: one row per URL, sorted; the rest is kept as rejects."""
    name = shard_name("links", partition.index)
    if not (partition.output / name).is_file():
        groups = [list(group) for _, group in groupby(_spooled(partition), attrgetter("url"))]
        merged = (
            reject(link.url, "same_url", link.submission_id) for g in groups for link in g[1:]
        )
        write_shard(partition.output / shard_name("rejects", partition.index), merged, REJECTS)
        write_shard(partition.output / name, map(_row, groups), LINKS)
    for spool in partition.spools:
        spool.unlink(missing_ok=True)


def _spooled(partition: _Partition) -> list[Link]:
    links: list[Link] = []
    for spool in partition.spools:
        with spool.open("rb") as lines:
            links.extend(Link(**orjson.loads(line)) for line in lines)
    return sorted(links, key=attrgetter("url", "submission_id"))


def _row(links: list[Link]) -> dict:
    """The row of one URL from all its submissions."""
    dates = [link.created_s for link in links if link.created_s is not None]
    return {
        "url": links[0].url,
        "domain": links[0].domain,
        "score": max(link.score for link in links),
        "first_seen": datetime.fromtimestamp(min(dates), UTC) if dates else None,
        "subreddits": sorted({link.subreddit for link in links} - {""}),
        "submission_ids": sorted({link.submission_id for link in links} - {""}),
    }


def _map(function: Callable[[T], R], tasks: list[T], workers: int) -> Iterable[R]:
    # One worker is ourselves: starting a process takes longer than reading a small dump.
    return map(function, tasks) if workers == 1 else map_in_processes(function, tasks, workers)


def _spool(output: Path, dump: int, partition: int) -> Path:
    return output / f".spool-{dump:05d}-{partition:05d}.ndjson"
