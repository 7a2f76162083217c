"""Batches for training, from token shards larger than 2 GB: ours against nanoGPT's.

    python -m benchmarks.loader [--quick]

Both deliver inputs and targets of 32 windows of 1,024 tokens as int64 tensors, in one process. Ours
takes them in the order of a run, each window once an epoch, from 100 Arrow shards. nanoGPT's takes
random offsets in one file of the same tokens, which it maps anew for each batch, as its
`get_batch` does to keep numpy's memmap from holding on to memory.

Beside that: how long it takes to open a corpus of 10,000 shards and read a window, and how much
memory the process has of its own after many batches more than after the first few.
"""

import shutil
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from benchmarks.side_by_side import (
    Run,
    alternate,
    median_rate,
    median_ratio,
    parse_arguments,
    print_result,
)
from corpus.manifest import write_manifest
from corpus.schema import tokens_schema
from corpus.settings import Section
from corpus.shards import shard_name
from corpus.stage import StageWriter
from corpus.tokens.order import SampleOrder
from corpus.tokens.stage import write_tokens
from corpus.tokens.windows import TokenWindows

_VOCAB_SIZE = 50_257
_BATCH_SIZE, _BLOCK_SIZE = 32, 1024
_SHARDS = 100
_SHARD_TOKENS, _SHARD_TOKENS_QUICK = 11_000_000, 1_000_000
_DOCUMENT_TOKENS = 1000
_BATCHES, _BATCHES_QUICK = 1500, 300
_ROUNDS, _ROUNDS_QUICK = 9, 5
_SMALL_SHARDS = 10_000
_OPENINGS = 7
_FIRST_BATCHES = 50

Batch = tuple[torch.Tensor, torch.Tensor]


class _NoConfig(Section):
    pass


def main() -> None:
    """Measure, and print the result."""
    is_quick = parse_arguments(__doc__).quick
    num_batches = _BATCHES_QUICK if is_quick else _BATCHES
    with tempfile.TemporaryDirectory() as temporary:
        folder, flat = Path(temporary) / "tokens", Path(temporary) / "train.bin"
        _write_corpus(folder, flat, _SHARD_TOKENS_QUICK if is_quick else _SHARD_TOKENS)
        ours, nanogpt = _Ours(folder), _NanoGPT(flat)
        _check(ours.windows, flat)
        contenders = {
            "ours": lambda: _turn(ours, num_batches),
            "nanogpt": lambda: _turn(nanogpt, num_batches),
        }
        memory_mb_growth = _memory_growth(ours, num_batches)
        rounds = alternate(contenders, _ROUNDS_QUICK if is_quick else _ROUNDS)
        open_and_seek_s = _open_and_seek(Path(temporary) / "small")
        num_bytes = flat.stat().st_size
    print_result(
        "loader",
        {"nanogpt": median_ratio(rounds, "ours", "nanogpt")},
        {
            "corpus_gb": num_bytes / 1e9,
            "tokens_per_s": median_rate(rounds, "ours"),
            "nanogpt_tokens_per_s": median_rate(rounds, "nanogpt"),
            "open_and_seek_s": open_and_seek_s,
            "open_and_seek_shards": _SMALL_SHARDS,
            "memory_mb_growth": memory_mb_growth,
            "num_batches": ours.step,
            "order_us_per_512": _order_us(),
        },
    )


@dataclass
class _Ours:
    """As `model.training.loop` takes its batches."""

    folder: Path
    step: int = 0

    def __post_init__(self) -> None:
        self.windows = TokenWindows(self.folder, "train", _BLOCK_SIZE)
        self.order = SampleOrder(1337, len(self.windows))

    def batch(self) -> Batch:
        tokens = torch.from_numpy(self.windows.read(self.order.batch(self.step, _BATCH_SIZE)))
        self.step += 1
        return tokens[:, :-1], tokens[:, 1:]


@dataclass
class _NanoGPT:
    """nanoGPT's `get_batch`, without the copy to a GPU."""

    path: Path

    def batch(self) -> Batch:
        data = np.memmap(self.path, dtype=np.uint16, mode="r")
        starts = torch.randint(len(data) - _BLOCK_SIZE, (_BATCH_SIZE,))
        x, y = (
            torch.stack(
                [
                    torch.from_numpy(data[i + shift : i + shift + _BLOCK_SIZE].astype(np.int64))
                    for i in starts
                ]
            )
            for shift in (0, 1)
        )
        return x, y


def _turn(loader: _Ours | _NanoGPT, num_batches: int) -> Run:
    shapes: set[object] = set()
    started = time.perf_counter()
    for _ in range(num_batches):
        inputs, targets = loader.batch()
        shapes.add((inputs.shape, inputs.dtype, targets.shape, targets.dtype))
    seconds = time.perf_counter() - started
    return Run(num_batches * _BATCH_SIZE * _BLOCK_SIZE, seconds, shapes)


def _memory_growth(loader: _Ours, num_batches: int) -> float:
    """MB that the process has of its own after many batches more than after the first few."""
    _turn(loader, _FIRST_BATCHES)
    before = _own_memory_mb()
    _turn(loader, num_batches)
    return _own_memory_mb() - before


def _check(windows: TokenWindows, flat: Path) -> None:
    """See that both read the same tokens."""
    stream = np.memmap(flat, dtype=np.uint16, mode="r")
    for index in np.random.default_rng(0).integers(0, len(windows), 1000).tolist():
        start = index * _BLOCK_SIZE
        if not np.array_equal(windows[index], stream[start : start + _BLOCK_SIZE + 1]):
            raise ValueError(f"window {index} is not what the flat file holds")


def _write_corpus(folder: Path, flat: Path, shard_tokens: int) -> None:
    writer = StageWriter("tokens", _NoConfig(), {}, folder)
    rng = np.random.default_rng(1)
    with flat.open("wb") as file:
        for number in range(_SHARDS):
            tokens = rng.integers(0, _VOCAB_SIZE, shard_tokens, dtype=np.uint16)
            write_tokens(folder / shard_name("train", number), _documents(tokens))
            tokens.tofile(file)
    writer.finish(_SHARDS * shard_tokens // _DOCUMENT_TOKENS)


def _documents(tokens: np.ndarray) -> pa.RecordBatch:
    offsets = np.arange(0, len(tokens) + 1, _DOCUMENT_TOKENS, dtype=np.int64)
    lists = pa.LargeListArray.from_arrays(pa.array(offsets), pa.array(tokens))
    ids = pa.array([f"{number:016x}" for number in range(len(lists))])
    return pa.record_batch([ids, lists], schema=tokens_schema(_VOCAB_SIZE))


def _open_and_seek(folder: Path) -> float:
    """Seconds to open 10,000 shards and read one window, the median of a few times."""
    writer = StageWriter("tokens", _NoConfig(), {}, folder)
    first = folder / shard_name("train", 0)
    write_tokens(first, _documents(np.arange(2 * _DOCUMENT_TOKENS, dtype=np.uint16)))
    manifest = writer.finish(2)
    shards = [
        manifest.shards[0].model_copy(update={"name": shard_name("train", number)})
        for number in range(_SMALL_SHARDS)
    ]
    for shard in shards[1:]:
        shutil.copyfile(first, folder / shard.name)
    write_manifest(folder, manifest.model_copy(update={"shards": shards}))
    rng = np.random.default_rng(2)
    seconds = []
    for _ in range(_OPENINGS):
        started = time.perf_counter()
        windows = TokenWindows(folder, "train", _BLOCK_SIZE)
        windows.read(rng.integers(0, len(windows), 1))
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def _own_memory_mb() -> float:
    """Resident memory that no file backs: mapped shards are the page cache's."""
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1]) / 1e3


def _order_us() -> float:
    order, steps = SampleOrder(1337, 10_000_000), 1000
    started = time.perf_counter()
    for step in range(steps):
        order.batch(step, 512)
    return (time.perf_counter() - started) / steps * 1e6


if __name__ == "__main__":
    main()
