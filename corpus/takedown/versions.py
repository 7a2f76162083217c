"""A new version of a finished stage folder, without what was taken down.

Nothing here knows of lists and addresses: what goes is a set of items (`corpus.takedown.items`).
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

import pyarrow as pa
import pyarrow.ipc

from corpus.atomic import atomic_path, write_bytes
from corpus.errors import WebtextError
from corpus.manifest import (
    Counts,
    Input,
    Manifest,
    Shard,
    Times,
    content_hash,
    read_manifest,
    write_manifest,
)
from corpus.parallel import map_tasks
from corpus.runtime import Runtime
from corpus.schema import REJECTS
from corpus.shards import file_sha256, num_rows, num_tokens, open_shard, read_rows, write_shard
from corpus.stage import count_rejects, describe_input, reject
from corpus.storage.files import fetch
from corpus.storage.hard_links import link_file
from corpus.takedown.items import ITEM_COLUMNS, TAKEDOWN, are_gone, item_of, items_of, read_columns
from corpus.tokens.stage import write_tokens

MARKER: Final = ".takedown"
"""In a folder that a takedown makes: without a manifest beside it, it may be removed."""

Gone = Mapping[str, str]
"""The items that go, and what says so: `takedown.txt:3`."""

RejectKey = Literal["url", "id"]
"""The column that a stage's rejects take their keys from."""


@dataclass(frozen=True)
class Version:
    """A new version of a finished folder: what of it changes."""

    old: Path
    new: Path
    reject_key: RejectKey
    inputs: Mapping[str, Path]
    """The inputs that have a new version themselves, by role."""
    items: Mapping[str, frozenset[str]]
    """By shard that is written anew: the items that go from it. Archives among them are written
    by the caller, who knows their format."""
    num_shards: int
    """Of the old version, all of them."""


def write_version(version: Version, gone: Gone, listed: Path, runtime: Runtime) -> Manifest:
    """Write the new version: shards concerned anew, all others as hard links, the manifest last.

    What came in stays as counted; each item that goes becomes a reject `takedown`. A file that is
    in the new folder already is done, by a killed run or by the caller, whose `version.new` is
    named by what goes.

    Args:
        version: What to write.
        gone: Every item that goes.
        listed: The list that says so: recorded as the input `takedown`.
        runtime: Worker processes and progress, told of each shard of the old version.

    Raises:
        WebtextError: a shard is missing or damaged, or no space is left.
    """
    started = datetime.now(UTC)
    manifest = read_manifest(version.old)
    fetch(version.old, [shard.name for shard in manifest.shards])
    write_bytes(version.new / MARKER, b"")
    added = _added_rejects(version, manifest, gone)
    tasks = list(_tasks(version, manifest, gone, added))
    for shard in manifest.shards:
        if shard.name not in version.items and shard.name not in added:
            _link(version.old / shard.name, version.new / shard.name)
            runtime.progress.advance()
    for _ in map_tasks(_write_shard, tasks, min(runtime.workers, max(1, len(tasks)))):
        runtime.progress.advance()
    return _finish(
        version, manifest, {name: len(rows) for name, rows in added.items()}, listed, started
    )


def _link(source: Path, target: Path) -> None:
    if not source.is_file():
        raise _damaged(f"{source} is missing")
    target.parent.mkdir(exist_ok=True)
    try:
        # There at once and whole; the names outlive a power cut when the manifest is written.
        os.link(source, target)
    except FileExistsError:
        pass  # done by a killed run
    except OSError:
        link_file(source, target)


def _damaged(problem: str) -> WebtextError:
    return WebtextError(
        problem,
        hint="Put a sound copy in its place and run the same command again; or remove the "
        "folder, and every later one that was made from it, and build again.",
    )


@dataclass(frozen=True)
class _Task:
    """A shard to write anew: plain data for a worker process."""

    source: Path | None
    """None: there was no such shard of rejects."""
    target: Path
    sha256: str
    gone: Gone
    added: list[dict[str, str]]
    """Rejects to add to it."""


def _tasks(
    version: Version, manifest: Manifest, gone: Gone, added: Mapping[str, list[dict[str, str]]]
) -> Iterator[_Task]:
    known = {shard.name: shard for shard in manifest.shards}
    # Rejects first, as a stage writes them.
    names = {name for name in version.items if name.endswith(".arrow")} | added.keys()
    for name in sorted(names, key=lambda name: (name not in added, name)):
        items = {item: gone[item] for item in version.items.get(name, ())}
        source = version.old / name if name in known else None
        sha256 = known[name].sha256 if name in known else ""
        yield _Task(source, version.new / name, sha256, items, added.get(name, []))


def _added_rejects(
    version: Version, manifest: Manifest, gone: Gone
) -> dict[str, list[dict[str, str]]]:
    """A reject for each item that goes, by the shard of rejects beside the shard it goes from."""
    data = [shard for shard in manifest.shards if shard.kind == "data"]
    # Where documents fell into pieces, documents are counted, not rows.
    are_pieces = sum(shard.rows for shard in data) != manifest.counts.out
    added: dict[str, list[dict[str, str]]] = {}
    for shard in data:
        if items := version.items.get(shard.name):
            name = f"rejects-{Path(shard.name).stem.rpartition('-')[2]}.arrow"
            keys = dict(_keys_that_go(version, shard.name, items, are_pieces=are_pieces))
            rows = [reject(key, TAKEDOWN, gone[item]) for key, item in keys.items()]
            added.setdefault(name, []).extend(rows)
    return added


def _keys_that_go(
    version: Version, name: str, items: frozenset[str], *, are_pieces: bool
) -> Iterator[tuple[str, str]]:
    """Key of the reject and item of each row that goes."""
    gone = pa.array(sorted(items), pa.string())
    for batch in read_columns(version.old / name, ITEM_COLUMNS):
        going = batch.filter(pa.array(are_gone(batch, gone)))
        items = items_of(going).to_pylist()
        keys = items if are_pieces else going.column(version.reject_key).to_pylist()
        yield from zip(keys, items, strict=True)


def _write_shard(task: _Task) -> None:
    if task.target.exists():
        return
    if task.source is None:
        write_shard(task.target, task.added, REJECTS)
        return
    if file_sha256(task.source) != task.sha256:
        raise _damaged(f"{task.source} is damaged: its sha256 is not {task.sha256}")
    schema = open_shard(task.source).schema
    if schema.names == REJECTS.names:
        write_shard(task.target, _rejects(task), schema)
    elif "tokens" in schema.names:
        for batch in _remaining(task):  # one, as in every token shard
            write_tokens(task.target, batch)
    else:
        _write_batches(task.target, _remaining(task), schema)


def _rejects(task: _Task) -> Iterator[dict]:
    assert task.source is not None
    for row in read_rows(task.source):
        item = item_of(row["key"])
        if item in task.gone and row["reason"] != TAKEDOWN:
            # What the old detail says may quote the text.
            yield reject(row["key"], TAKEDOWN, task.gone[item])
        else:
            yield row
    yield from task.added


def _remaining(task: _Task) -> Iterator[pa.RecordBatch]:
    assert task.source is not None
    reader = open_shard(task.source)
    gone = pa.array(sorted(task.gone), pa.string())
    for index in range(reader.num_record_batches):
        batch = reader.get_batch(index)
        # `filter` copies: nothing of the rows that go is left in the buffers.
        yield batch.filter(pa.array(~are_gone(batch, gone)))


def _write_batches(path: Path, batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> None:
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with atomic_path(path) as temporary, pa.ipc.new_file(temporary, schema, options=options) as out:
        for batch in batches:
            if batch.num_rows:
                out.write_batch(batch)


def _finish(
    version: Version,
    manifest: Manifest,
    num_added: Mapping[str, int],
    listed: Path,
    began: datetime,
) -> Manifest:
    shards = _describe_all(version, manifest, version.items.keys() | num_added.keys())
    inputs = {role: _input(manifest, role, folder) for role, folder in version.inputs.items()}
    new = manifest.model_copy(
        update={
            "inputs": {**manifest.inputs, **inputs, TAKEDOWN: describe_input(listed)},
            "shards": shards,
            "counts": Counts(
                incoming=manifest.counts.incoming,
                out=manifest.counts.out - sum(num_added.values()),
                rejects=count_rejects(version.new),
            ),
            "figures": {**manifest.figures, **_token_figures(version.new, manifest, shards)},
            "times": Times(started=began, finished=datetime.now(UTC)),
            "hash": content_hash(shards),
            "replaces": version.old.name,
        }
    )
    write_manifest(version.new, new)
    return new


def _input(manifest: Manifest, role: str, folder: Path) -> Input:
    path = Path(manifest.inputs[role].path).with_name(folder.name)
    return Input(path=str(path), hash=read_manifest(folder).hash)


def _describe_all(version: Version, manifest: Manifest, written: AbstractSet[str]) -> list[Shard]:
    """The new folder's shards by name; what was linked is as the old manifest says, unread."""
    old = {shard.name: shard for shard in manifest.shards}
    return [
        _describe(version.new / name, old.get(name)) if name in written else old[name]
        for name in sorted(old.keys() | written)
    ]


def _describe(path: Path, old: Shard | None) -> Shard:
    is_arrow = path.suffix == ".arrow"
    return Shard(
        name=path.name,
        kind="rejects" if old is None else old.kind,
        rows=num_rows(path) if is_arrow else 0,
        bytes=path.stat().st_size,
        sha256=file_sha256(path),
        tokens=num_tokens(path) if is_arrow else None,
    )


def _token_figures(folder: Path, manifest: Manifest, shards: list[Shard]) -> dict[str, int]:
    figures: dict[str, int] = {}
    for split in ("train", "val"):
        if f"num_{split}_tokens" in manifest.figures:
            mine = [shard for shard in shards if shard.name.startswith(f"{split}-")]
            figures[f"num_{split}_documents"] = sum(shard.rows for shard in mine)
            figures[f"num_{split}_tokens"] = sum(_num_tokens(folder, shard) for shard in mine)
    return figures


def _num_tokens(folder: Path, shard: Shard) -> int:
    """Also of a shard whose manifest is of a version that did not record it."""
    return (num_tokens(folder / shard.name) or 0) if shard.tokens is None else shard.tokens
