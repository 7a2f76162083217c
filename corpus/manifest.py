"""A stage's manifest: what went in, what came out, what was dropped and why. Written last."""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import Literal, Self

import orjson
from pydantic import AliasChoices, Field, ValidationError, field_validator, model_validator

from corpus.atomic import write_bytes
from corpus.errors import WebtextError
from corpus.settings import Section

MANIFEST = "manifest.json"
WITHDRAWN = "withdrawn.json"
"""Takes the manifest's place when a takedown has taken the folder's data away."""

ShardKind = Literal["data", "rejects", "lineage", "archive"]


class Shard(Section):
    """One finished file of a stage."""

    name: str
    kind: ShardKind
    """Only `data` is part of the stage's hash: see docs/data-format.md."""
    rows: int
    bytes: int
    sha256: str
    tokens: int | None = None
    """Of a token shard: tells where a window lies without opening every shard."""

    @field_validator("name")
    @classmethod
    def _is_inside(cls, name: str) -> str:
        path = PurePosixPath(name)
        if path.is_absolute() or not path.parts or ".." in path.parts:
            raise ValueError(f"{name!r} is no file inside the folder")
        return name


class Counts(Section):
    """What a stage took in and what became of it: in = out + the sum of rejects, always."""

    incoming: int = Field(validation_alias=AliasChoices("in", "incoming"), serialization_alias="in")
    out: int
    rejects: dict[str, int] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _nothing_vanishes(self) -> Self:
        if self.incoming != self.out + sum(self.rejects.values()):
            raise ValueError(
                f"in ({self.incoming}) is not out ({self.out}) + rejects ({self.rejects})"
            )
        return self


class Input(Section):
    """A folder or file that a stage read."""

    path: str
    hash: str


class Times(Section):
    """When the stage began and ended (the last time, if it was killed in between)."""

    started: datetime
    finished: datetime

    @property
    def seconds(self) -> float:
        """Wall-clock time from start to end."""
        return (self.finished - self.started).total_seconds()


class Manifest(Section):
    """The record of one finished stage folder; its presence means that the stage is done."""

    stage: str
    config: dict[str, object]
    inputs: dict[str, Input]
    shards: list[Shard]
    counts: Counts
    figures: dict[str, int | float | str] = Field(default_factory=dict)
    """Further measurements of the stage, by name with unit: `num_train_tokens`, `best_loss`."""
    problems: list[str] = Field(default_factory=list)
    """What a person should know although the stage went on, such as a dump that is cut off."""
    versions: dict[str, str]
    times: Times
    hash: str
    """Hash of the content (names and sha256 of the `data` shards): same content, same hash."""
    replaces: str | None = None
    """The folder's name of the version that this one is without what was taken down."""
    replaced_by: str | None = None
    """Of a withdrawn folder: the name of the version that took its place; None: nothing did."""


def content_hash(shards: list[Shard]) -> str:
    """Hash of what a stage made, blind to when it was made and what was dropped (hex, 64)."""
    digest = hashlib.sha256()
    for shard in sorted(shards, key=lambda shard: shard.name):
        if shard.kind == "data":
            digest.update(f"{shard.name} {shard.sha256}\n".encode())
    return digest.hexdigest()


def stage_key(
    stage: str, config: Section, input_hashes: Mapping[str, str], libraries: tuple[str, ...]
) -> str:
    """Name of a stage's folder: 16 hex digits over its config, inputs and code versions.

    Args:
        stage: The stage's name.
        config: The recipe section that the stage reads.
        input_hashes: The hash of each input, by role.
        libraries: Distributions that shape the stage's bytes; a new version makes a new folder.
            Our own, `webtext`, is among them except where making again costs too much: pages.
    """
    identity = {
        "stage": stage,
        "config": config.identity(),
        "inputs": dict(input_hashes),
        "versions": {name: version(name) for name in libraries},
    }
    encoded = orjson.dumps(identity, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(encoded).hexdigest()[:16]


def library_versions(libraries: tuple[str, ...]) -> dict[str, str]:
    """The installed version of webtext and of each distribution in `libraries`."""
    return {name: version(name) for name in sorted({"webtext", *libraries})}


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write `manifest.json` atomically: after this the stage counts as done."""
    content = manifest.model_dump(mode="json", by_alias=True)
    write_bytes(folder / MANIFEST, orjson.dumps(content, option=orjson.OPT_INDENT_2))


def is_finished(folder: Path) -> bool:
    """Whether the stage that writes `folder` has ended."""
    return (folder / MANIFEST).is_file()


def is_withdrawn(folder: Path) -> bool:
    """Whether a takedown has taken the folder's data away; its record is left."""
    return (folder / WITHDRAWN).is_file() and not is_finished(folder)


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a finished stage whose data is there.

    Raises:
        WebtextError: there is none, it is not of this version, or the data was withdrawn.
    """
    if is_withdrawn(folder):
        replaced_by = _parse(folder / WITHDRAWN).replaced_by
        raise WebtextError(
            f"{folder} was withdrawn by a takedown: its data is gone",
            hint=f"Use {folder.with_name(replaced_by)}, which took its place."
            if replaced_by
            else "Make it again from the version that took its source's place.",
        )
    return _parse(folder / MANIFEST)


def read_record(folder: Path) -> Manifest:
    """What was recorded of a stage, also where a takedown has taken its data away.

    Raises:
        WebtextError: there is neither a manifest nor the record of one.
    """
    return _parse(folder / (WITHDRAWN if is_withdrawn(folder) else MANIFEST))


def _parse(path: Path) -> Manifest:
    folder = path.parent
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except FileNotFoundError as exc:
        raise WebtextError(
            f"{folder} has no {MANIFEST}: the stage that makes it has not ended",
            hint="Run the command that makes it again; it goes on where it stopped.",
        ) from exc
    except ValidationError as exc:
        first = exc.errors()[0]
        raise WebtextError(
            f"{path} is not a manifest that this version reads: "
            f"{'.'.join(map(str, first['loc']))}: {first['msg']}",
            hint=f"Move {folder} away and run the command that makes it again.",
        ) from exc
