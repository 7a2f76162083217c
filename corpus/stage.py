"""The folder that one stage writes: shards finished one by one, the manifest last.

A stage is a plain function `run(config, inputs, output, runtime) -> Manifest`. It reads the
folders in `inputs`, writes `output` and nothing else, and may be killed at any moment: what it
finished stays, `StageWriter.is_done` tells it so the next time.
"""

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from corpus.errors import UsageError
from corpus.manifest import (
    MANIFEST,
    Counts,
    Input,
    Manifest,
    Shard,
    ShardKind,
    Times,
    content_hash,
    is_finished,
    is_withdrawn,
    library_versions,
    read_manifest,
    write_manifest,
)
from corpus.schema import REJECTS
from corpus.settings import Section
from corpus.shards import (
    file_sha256,
    num_rows as shard_rows,
    num_tokens,
    open_shard,
    shard_name,
    write_shard,
)
from corpus.walk import files_below

CARD = "README.md"
"""A dataset card: written after the manifest, and no part of what the stage made."""

_CHECKPOINTS = "checkpoints"
"""In a run's folder: what its training can go on from, of which only the newest stay."""

Inputs = Mapping[str, Path]
"""The folders a stage reads, by role: `{"documents": data/documents/0123456789abcdef}`."""


class StageWriter:
    """Writes one stage's folder; `finish` counts what lies there and writes the manifest.

    A unit of work `index` may have up to three shards. Write `rejects` and `lineage` before the
    data shard, so that the data shard's presence means that the whole unit is done.
    """

    def __init__(self, stage: str, config: Section, inputs: Inputs, output: Path) -> None:
        self.stage = stage
        self.config = config
        self.inputs = inputs
        self.output = output
        self.started = datetime.now(UTC)
        output.mkdir(parents=True, exist_ok=True)

    def is_done(self, name: str) -> bool:
        """Whether the shard `name` was finished, now or by an earlier, killed run."""
        return (self.output / name).is_file()

    def write(self, name: str, rows: Iterable[dict], schema: pa.Schema) -> None:
        """Write one shard, atomically."""
        write_shard(self.output / name, rows, schema)

    def write_rejects(self, index: int, rejects: Iterable[dict]) -> None:
        """Keep aside what unit `index` dropped: dicts of key, reason, detail."""
        self.write(shard_name("rejects", index), rejects, REJECTS)

    def finish(
        self,
        num_incoming: int,
        *,
        num_out: int | None = None,
        libraries: tuple[str, ...] = (),
        figures: dict[str, int | float | str] | None = None,
        problems: Sequence[str] = (),
    ) -> Manifest:
        """Count the shards, check that nothing vanished, and write the manifest.

        Args:
            num_incoming: Items that the stage took in, counted at its input, not at its output.
            num_out: Items that came out, where that is not the rows of the data shards.
            libraries: Distributions that shaped the bytes; their versions are recorded.
            figures: Further measurements, by name.
            problems: What a person should know although the stage went on, a sentence each.

        Raises:
            ValueError: in is not out + rejects: a bug in the stage.
        """
        shards = describe_shards(self.output)
        num_rows = sum(shard.rows for shard in shards if shard.kind == "data")
        manifest = Manifest(
            stage=self.stage,
            config=self.config.model_dump(mode="json"),
            inputs={role: describe_input(path) for role, path in self.inputs.items()},
            shards=shards,
            counts=Counts(
                incoming=num_incoming,
                out=num_rows if num_out is None else num_out,
                rejects=count_rejects(self.output),
            ),
            figures=figures or {},
            problems=list(problems),
            versions=library_versions(libraries),
            times=Times(started=self.started, finished=datetime.now(UTC)),
            hash=content_hash(shards),
        )
        write_manifest(self.output, manifest)
        return manifest


def describe_input(path: Path) -> Input:
    """An input's path and hash: a stage's content hash, or over the bytes of a file or folder.

    Raises:
        UsageError: there is nothing at `path`.
    """
    if is_finished(path) or is_withdrawn(path):
        return Input(path=str(path), hash=read_manifest(path).hash)
    if path.is_file():
        return Input(path=str(path), hash=file_sha256(path))
    if path.is_dir():
        return Input(path=str(path), hash=_folder_hash(path))
    raise UsageError(
        f"{path} does not exist", hint="Check the path in the recipe or on the command line."
    )


def check_readable(path: Path, hint: str) -> None:
    """See that an input file can be opened, before any work is done.

    Raises:
        UsageError: it cannot; `hint` says what to do.
    """
    try:
        path.open("rb").close()
    except OSError as exc:
        raise UsageError(f"{path} cannot be read: {exc.strerror}", hint=hint) from exc


def data_shards(folder: Path, prefix: str = "") -> list[Path]:
    """The data shards of a finished stage whose names begin with `prefix`, in order."""
    return [
        folder / shard.name
        for shard in read_manifest(folder).shards
        if shard.kind == "data" and shard.name.startswith(prefix)
    ]


def count_rejects(folder: Path) -> dict[str, int]:
    """How many things a stage dropped, per reason, most frequent first."""
    counter: Counter[str] = Counter()
    for path in sorted(folder.glob("rejects-*.arrow")):
        reader = open_shard(path)
        for index in range(reader.num_record_batches):
            reasons = reader.get_batch(index).column("reason").value_counts()
            counter.update({each["values"]: each["counts"] for each in reasons.to_pylist()})
    return dict(counter.most_common())


def reject(key: str, reason: str, detail: str = "") -> dict[str, str]:
    """A row of a rejects shard."""
    return {"key": key, "reason": reason, "detail": detail}


def _shard_paths(folder: Path) -> list[Path]:
    """What a folder holds; what is hidden is work in progress."""
    return [path for path in files_below(folder) if path.name not in {MANIFEST, CARD}]


def _folder_hash(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in _shard_paths(folder):
        digest.update(f"{path.relative_to(folder).as_posix()} {file_sha256(path)}\n".encode())
    return digest.hexdigest()


def describe_shards(folder: Path) -> list[Shard]:
    """Every shard of a folder, by name, as its manifest records it."""
    paths = _shard_paths(folder)
    # Hashing lets go of the interpreter.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(lambda path: _describe(path, folder), paths))


def _describe(path: Path, folder: Path) -> Shard:
    is_arrow = path.suffix == ".arrow"
    name = path.relative_to(folder)
    return Shard(
        name=name.as_posix(),
        kind=_kind(name),
        rows=shard_rows(path) if is_arrow else 0,
        bytes=path.stat().st_size,
        sha256=file_sha256(path),
        tokens=num_tokens(path) if is_arrow else None,
    )


def _kind(path: Path) -> ShardKind:
    if path.name.startswith("rejects-"):
        return "rejects"
    if path.name.startswith("lineage-") or path.parts[0] == _CHECKPOINTS:
        return "lineage"
    # Logs and metrics hold times; older runs' optimizer state differs in bytes from run to run.
    if path.suffix in {".log", ".jsonl", ".pt"}:
        return "lineage"
    return "archive" if path.name.endswith(".warc.gz") else "data"
