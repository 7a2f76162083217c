"""The windows of tokens that training takes, read from memory-mapped shards, and whose they are."""

from collections.abc import Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa

from corpus.errors import WebtextError
from corpus.manifest import MANIFEST, read_manifest
from corpus.shards import open_shard
from corpus.storage.files import local_file
from corpus.tokens.splits import Split

# Linux allows a process 65,530 maps; train and val together take half of them at most.
_MAX_MAPPED: Final = 16_384

_TOKEN_LISTS: Final = (pa.large_list(pa.uint16()), pa.large_list(pa.uint32()))


class _TokenShard(msgspec.Struct):
    """What of a manifest's shard tells where a window lies."""

    name: str
    rows: int
    tokens: int | None = None


class _Record(msgspec.Struct):
    shards: list[_TokenShard]


class DocumentPart(NamedTuple):
    """What a window holds of one document."""

    document_id: str
    shard: int
    """Number of the token shard and of the documents shard that it was made of."""
    num_tokens: int
    """Tokens of the document that the window predicts, its end-of-text included."""


class TokenWindows:
    """The windows of `block_size + 1` tokens in a split's shards, read as one endless text.

    Neighbours share one token, so that every token but the first is predicted exactly once; a
    rest shorter than a window is left out, and a window may cross from one shard into the next.
    Opening reads the manifest only: a shard is mapped, without a copy and without keeping a file
    descriptor, when a window first needs it. Memory grows with the number of shards (about 0.6 kB
    each), not of tokens.

    Args:
        folder: A finished tokens folder.
        split: Which of its splits.
        block_size: Tokens that a model sees at once.

    Raises:
        WebtextError: the folder is not finished, was withdrawn, or is of an earlier version.
    """

    def __init__(self, folder: Path, split: Split, block_size: int) -> None:
        self.block_size = block_size
        self._folder = folder
        self._shards = _with_tokens(folder, split)
        sizes = [shard.tokens or 0 for shard in self._shards]
        self._starts = np.cumsum([0, *sizes], dtype=np.int64)
        self._stream = lru_cache(_MAX_MAPPED)(partial(_map_tokens, folder, self._shards))

    @property
    def num_tokens(self) -> int:
        """Tokens in the split."""
        return int(self._starts[-1])

    def __len__(self) -> int:
        return max(0, self.num_tokens - 1) // self.block_size

    def __getitem__(self, index: int) -> np.ndarray:
        """Window `index`: (block_size + 1,) int64, a copy.

        Raises:
            IndexError: there is no such window.
            WebtextError: a shard is missing, damaged or of another corpus.
        """
        return self.read([index])[0]

    def read(self, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        """Several windows: (n, block_size + 1) int64, one copy from the maps.

        Raises:
            IndexError: there is no such window.
            WebtextError: a shard is missing, damaged or of another corpus.
        """
        starts = self._first_tokens(np.asarray(indices, dtype=np.int64))
        windows = np.empty((len(starts), self.block_size + 1), dtype=np.int64)
        shards = self._shards_of(starts)
        offsets = starts - self._starts[shards]
        for window, shard, offset in zip(windows, shards.tolist(), offsets.tolist(), strict=True):
            self._fill(window, shard, offset)
        return windows

    def documents(self, index: int) -> list[DocumentPart]:
        """The documents of the tokens that window `index` predicts: all but its first, in order.

        Raises:
            IndexError: there is no such window.
            WebtextError: a shard is missing, damaged or of another corpus.
        """
        # A window's first token is its neighbour's last one: predicted there.
        start = int(self._first_tokens(np.array([index]))[0]) + 1
        end = start + self.block_size
        parts = []
        first, last = self._shards_of(np.array([start, end - 1])).tolist()
        for number in range(first, last + 1):
            shard, before = self._shards[number], int(self._starts[number])
            batch = _open_batch(self._folder, shard)
            _check_offsets(batch, self._folder / shard.name)
            parts += _parts(batch, shard, max(0, start - before), end - before)
        return parts

    def _first_tokens(self, indices: np.ndarray) -> np.ndarray:
        outside = indices[(indices < 0) | (indices >= len(self))]
        if len(outside):
            raise IndexError(f"window {outside[0]} of {len(self)}")
        return indices * self.block_size

    def _shards_of(self, tokens: np.ndarray) -> np.ndarray:
        return np.searchsorted(self._starts, tokens, side="right") - 1

    def _fill(self, window: np.ndarray, shard: int, offset: int) -> None:
        filled = 0
        while filled < len(window):
            part = self._stream(shard)[offset : offset + len(window) - filled]
            window[filled : filled + len(part)] = part
            filled, shard, offset = filled + len(part), shard + 1, 0


def _with_tokens(folder: Path, split: Split) -> list[_TokenShard]:
    """The split's shards that hold a token, as the manifest has them."""
    try:
        # 20,000 shards take pydantic 45 ms, this 5.
        record = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=_Record)
    except (FileNotFoundError, msgspec.DecodeError):
        read_manifest(folder)  # says what is wrong: not finished, withdrawn, or no manifest
        raise
    shards = [shard for shard in record.shards if shard.name.startswith(f"{split}-")]
    for shard in shards:
        if shard.tokens is None:
            raise WebtextError(
                f"the manifest of {folder} does not say how many tokens {shard.name} has: "
                "it is of an earlier version",
                hint=f"Move {folder} away and run the command that makes it again.",
            )
    return [shard for shard in shards if shard.tokens]


def _map_tokens(folder: Path, shards: Sequence[_TokenShard], number: int) -> np.ndarray:
    # The array keeps the map alive; the file is closed with the reader.
    batch = _open_batch(folder, shards[number])
    return batch.column("tokens").values.to_numpy(zero_copy_only=True)


def _open_batch(folder: Path, shard: _TokenShard) -> pa.RecordBatch:
    """The one record batch of a token shard, which must be the one that the manifest names."""
    path = local_file(folder / shard.name)
    reader = open_shard(path)
    if reader.num_record_batches != 1 or not _has_tokens(reader.schema):
        raise WebtextError(
            f"{path} is no token shard (one record batch with columns 'id' and 'tokens')",
            hint="Give the folder that the tokens stage wrote.",
        )
    batch = reader.get_batch(0)
    values = batch.column("tokens").values
    num_tokens = len(values) - values.null_count  # a flipped bit can turn tokens into nulls
    if (batch.num_rows, num_tokens) != (shard.rows, shard.tokens):
        raise WebtextError(
            f"{path} has {batch.num_rows} documents of {num_tokens} tokens, the manifest says "
            f"{shard.rows} of {shard.tokens}: it is damaged or of another corpus",
            hint="Remove its folder and run the command again.",
        )
    return batch


def _check_offsets(batch: pa.RecordBatch, path: Path) -> None:
    # A wrong offset would send pyarrow to read outside of its memory.
    try:
        batch.validate(full=True)
    except pa.ArrowInvalid as exc:
        raise WebtextError(
            f"shard {path} is damaged: {exc}", hint="Remove its folder and run the command again."
        ) from exc


def _has_tokens(schema: pa.Schema) -> bool:
    return schema.names == ["id", "tokens"] and schema.field("tokens").type in _TOKEN_LISTS


def _parts(batch: pa.RecordBatch, shard: _TokenShard, start: int, end: int) -> list[DocumentPart]:
    """What tokens `start` to `end` of a shard are of, by binary search among its documents."""
    offsets = batch.column("tokens").offsets.to_numpy(zero_copy_only=True)
    first = int(np.searchsorted(offsets, start, side="right")) - 1
    last = int(np.searchsorted(offsets, end, side="left"))
    edges = offsets[first : last + 1].clip(start, end)
    ids = batch.column("id")[first:last].to_pylist()
    number = int(Path(shard.name).stem.rpartition("-")[2])
    return [
        DocumentPart(document_id, number, size)
        for document_id, size in zip(ids, np.diff(edges).tolist(), strict=True)
        if size
    ]
