"""The folder that one stage writes: shards finished one by one, the manifest last.

A stage is a plain function `run(config, inputs, output, runtime) -> Manifest`. It reads the
folders in `inputs`, writes `output` and nothing else, and may be killed at any moment: what it
finished stays, `StageWriter.is_done` tells it so the next time.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from corpus.manifest import (
    MANIFEST,
    Counts,
    Input,
    Manifest,
    Shard,
    ShardKind,
    Times,
    content_hash,
    library_versions,
    read_manifest,
    write_manifest,
)
from corpus.schema import REJECTS
from corpus.settings import Section
from corpus.shards import file_sha256, num_rows, read_rows, shard_name, write_shard

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
        libraries: tuple[str, ...] = (),
        figures: dict[str, int | float | str] | None = None,
    ) -> Manifest:
        """Count the shards, check that nothing vanished, and write the manifest.

        Args:
            num_incoming: Items that the stage took in, counted at its input, not at its output.
            libraries: Distributions that shaped the bytes; their versions are recorded.
            figures: Further measurements, by name.

        Raises:
            ValueError: in is not out + rejects: a bug in the stage.
        """
        shards = [_describe(path) for path in sorted(self.output.iterdir()) if _is_shard(path)]
        manifest = Manifest(
            stage=self.stage,
            config=self.config.model_dump(mode="json"),
            inputs={role: describe_input(path) for role, path in self.inputs.items()},
            shards=shards,
            counts=Counts(
                incoming=num_incoming,
                out=sum(shard.rows for shard in shards if shard.kind == "data"),
                rejects=count_rejects(self.output),
            ),
            figures=figures or {},
            versions=library_versions(libraries),
            times=Times(started=self.started, finished=datetime.now(UTC)),
            hash=content_hash(shards),
        )
        write_manifest(self.output, manifest)
        return manifest


def describe_input(path: Path) -> Input:
    """An input's path and hash: a stage folder's content hash, a plain file's sha256."""
    if path.is_dir():
        return Input(path=str(path), hash=read_manifest(path).hash)
    return Input(path=str(path), hash=file_sha256(path))


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
        counter.update(row["reason"] for row in read_rows(path, ["reason"]))
    return dict(counter.most_common())


def reject(key: str, reason: str, detail: str = "") -> dict[str, str]:
    """A row of a rejects shard."""
    return {"key": key, "reason": reason, "detail": detail}


def _is_shard(path: Path) -> bool:
    return path.is_file() and path.name != MANIFEST and not path.name.startswith(".")


def _describe(path: Path) -> Shard:
    kind = _kind(path)
    return Shard(
        name=path.name,
        kind=kind,
        rows=num_rows(path) if path.suffix == ".arrow" else 0,
        bytes=path.stat().st_size,
        sha256=file_sha256(path),
    )


def _kind(path: Path) -> ShardKind:
    if path.name.startswith("rejects-"):
        return "rejects"
    if path.name.startswith("lineage-"):
        return "lineage"
    return "data" if path.suffix == ".arrow" else "archive"
