"""The stage "extended": the documents of a corpus, and after them those of a later round.

The shards of both are linked, not copied: an extended corpus takes the room of what is new. The
base's shards keep their numbers, so whatever was made of them shard by shard stays true; the new
ones follow. A document whose address the base knows already stays as the base has it.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus.manifest import Manifest, read_manifest
from corpus.runtime import Runtime
from corpus.schema import DOCUMENTS
from corpus.settings import Section
from corpus.shards import open_shard, read_rows, shard_name
from corpus.stage import Inputs, StageWriter, data_shards, reject
from corpus.storage.files import local_file
from corpus.storage.hard_links import link_file
from dedup.splits import batches

STAGE: Final = "extended"
LIBRARIES: Final = ("webtext",)

KNOWN_URL: Final = "known_url"
"""Reject reason of a new document whose address is in the base, perhaps with another text."""

_ID_DIGITS: Final = 16


class ExtendedConfig(Section):
    """Nothing to choose: what is extended by what are inputs."""


@dataclass(frozen=True)
class _Place:
    """Where a documents shard comes from, and its number in the extended corpus."""

    shard: Path
    number: int

    @property
    def name(self) -> str:
        return shard_name("documents", self.number)


def run(config: ExtendedConfig, inputs: Inputs, output: Path, runtime: Runtime) -> Manifest:
    """Put the new documents behind those of the base.

    Args:
        config: Nothing.
        inputs: `base`, the documents of a corpus, and `documents`, the new ones: none of them a
            copy of one of the base (`dedup.kept`).
        output: Receives `documents-*.arrow`: the base's, and from the next number on the new ones
            that are not empty; and rejects with the reason `known_url`.
        runtime: Worker threads and progress.

    Memory: 8 bytes per new document.

    Raises:
        WebtextError: an input is unfinished or damaged, or the disk is full.
    """
    writer = StageWriter(STAGE, config, inputs, output)
    old, new = _places(inputs)
    runtime.progress.start(2 * len(old) + len(new), "shards")
    known = _known_ids(old, new, runtime)
    for place in old:
        _link(writer, place)
        runtime.progress.advance(note="linked")
    for place in new:
        _take_in(writer, place, known)
        runtime.progress.advance(note="linked")
    num_old, num_new = (_num_documents(inputs[role]) for role in ("base", "documents"))
    return writer.finish(
        num_old + num_new,
        libraries=LIBRARIES,
        figures={"num_base_documents": num_old, "num_new_documents": num_new - len(known)},
    )


def _places(inputs: Inputs) -> tuple[list[_Place], list[_Place]]:
    old = [_Place(path, _number(path)) for path in data_shards(inputs["base"], "documents-")]
    start = max((place.number for place in old), default=-1) + 1
    # A shard of which deduplication left nothing is worth no number: there is one in each round.
    rows = {shard.name: shard.rows for shard in read_manifest(inputs["documents"]).shards}
    found = data_shards(inputs["documents"], "documents-")
    full = sorted((path for path in found if rows[path.name]), key=_number)
    return old, [_Place(path, number) for number, path in enumerate(full, start)]


def _number(shard: Path) -> int:
    return int(shard.stem.rpartition("-")[2])


def _num_documents(folder: Path) -> int:
    shards = read_manifest(folder).shards
    return sum(each.rows for each in shards if each.name.startswith("documents-"))


def _known_ids(old: list[_Place], new: list[_Place], runtime: Runtime) -> np.ndarray:
    """The ids of the new documents that the base has too, as numbers."""
    ids = np.concatenate([np.empty(0, np.uint64), *(_ids_of(place.shard) for place in new)])
    known = [ids[:0]]
    pool = ThreadPoolExecutor(runtime.workers)  # to unpack a shard lets go of the interpreter
    try:
        for both in pool.map(partial(_ids_among, ids=ids), (place.shard for place in old)):
            known.append(both)
            runtime.progress.advance(note="ids compared")
    finally:
        pool.shutdown(cancel_futures=True)
    return np.unique(np.concatenate(known))


def _ids_among(shard: Path, ids: np.ndarray) -> np.ndarray:
    return np.intersect1d(_ids_of(shard), ids)


def _ids_of(shard: Path) -> np.ndarray:
    parts = [_as_numbers(batch.column("id")) for batch in batches(shard, ["id"])]
    return np.concatenate([np.empty(0, np.uint64), *parts])


def _as_numbers(ids: pa.Array) -> np.ndarray:
    # A piece of a decontaminated document (ID-1) has the address of the whole.
    options = pc.SliceOptions(0, _ID_DIGITS)
    digits = "".join(pc.call_function("utf8_slice_codeunits", [ids], options).to_pylist())
    return np.frombuffer(bytes.fromhex(digits), ">u8").astype(np.uint64)


def _take_in(writer: StageWriter, place: _Place, known: np.ndarray) -> None:
    """Link a new shard; write it anew if the base knows some of its addresses."""
    if writer.is_done(place.name):
        return
    among = np.isin(_ids_of(place.shard), known)
    if not among.any():
        _link(writer, place)
        return
    rejects = (reject(row["id"], KNOWN_URL, row["url"]) for row in _rows(place, among))
    writer.write_rejects(place.number, rejects)
    writer.write(place.name, _rows(place, ~among), DOCUMENTS)


def _rows(place: _Place, wanted: Iterable[bool]) -> Iterator[dict]:
    return (row for row, is_wanted in zip(read_rows(place.shard), wanted, strict=True) if is_wanted)


def _link(writer: StageWriter, place: _Place) -> None:
    if writer.is_done(place.name):
        return
    # Made before a column existed: written anew with nulls in it, so that all shards are of a kind.
    if open_shard(place.shard).schema != DOCUMENTS:
        writer.write(place.name, read_rows(place.shard), DOCUMENTS)
        return
    link_file(local_file(place.shard), writer.output / place.name)
