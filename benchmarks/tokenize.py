"""Documents to token shards against tiktoken, and learning a vocabulary against tokenizers.

    python -m benchmarks.tokenize [--quick]

Ours is the whole stage with GPT-2's vocabulary: from compressed documents on disk to finished
token shards and their manifest. tiktoken gets a sample of the same texts, as strings in memory,
and does nothing but `encode_ordinary_batch` with as many threads. The tokens of the sample are
compared with those in the shards.

Learning a vocabulary of 50,257 ids (`--quick`: 10,000): ours reads the text from a file, as the
stage does; Hugging Face's trainer gets it as strings in memory. Both must learn the same merges in
the same order. The text is 2 GB, as large as a corpus is (`--quick`: 20 MB): that is too long to be
repeated, so there is one round.

Megabytes per second on the clock. The text is real where it is at hand: benchmarks.real_text.
"""

# ruff: noqa: A005  nobody imports this module by its last name alone

import hashlib
import json
import os
import resource
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import tiktoken
from tokenizers import Tokenizer as PeerTokenizer, models, pre_tokenizers, trainers

from benchmarks.real_data import REAL_DATA
from benchmarks.real_text import growing_texts
from benchmarks.side_by_side import (
    Run,
    alternate,
    median_rate,
    median_ratio,
    parse_arguments,
    print_result,
)
from corpus.merges import write_training_text
from corpus.parallel import map_in_processes
from corpus.runtime import Runtime
from corpus.schema import DOCUMENTS
from corpus.settings import Section
from corpus.shards import read_rows, shard_name
from corpus.stage import StageWriter
from corpus.tokenizer import END_OF_TEXT, Tokenizer
from corpus.tokens.splits import SPLITS
from corpus.tokens.stage import TokensConfig, run

_VOCAB_SIZE = 50_257
# The more ids from little text, the more pairs are equally rare, and ours slows down over such
# ties: 50,257 ids take 32 s of 80 MB (Hugging Face's trainer: 12 s), 9 s of 300 MB, 49 s of 2 GB.
_VOCAB_SIZE_QUICK = 10_000
_SHARD_BYTES = 40_000_000
_NUM_SHARDS, _NUM_SHARDS_QUICK = 30, 4
_SAMPLE_BYTES, _SAMPLE_BYTES_QUICK = 20_000_000, 8_000_000
_TRAIN_BYTES, _TRAIN_BYTES_QUICK = 2_000_000_000, 20_000_000
_ROUNDS, _ROUNDS_QUICK = 5, 3

# GPT-2's pattern (encoder.py).
_PATTERN = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"


class _NoConfig(Section):
    """The documents come from no real stage."""


def main() -> None:
    """Measure, and print the result."""
    is_quick = parse_arguments(__doc__).quick
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        encoding = _measure_encoding(work / "encoding", is_quick)
        training = _measure_training(work / "training", is_quick)
    ratios = {"tiktoken": encoding.pop("ratio"), "tokenizers_train": training.pop("ratio")}
    print_result("tokenize", ratios, {"workers": _num_cores(), **encoding, **training})


def _measure_encoding(work: Path, is_quick: bool) -> dict[str, float]:
    documents, num_bytes = _write_documents(
        work / "documents", _NUM_SHARDS_QUICK if is_quick else _NUM_SHARDS
    )
    rows = islice(
        read_rows(documents / shard_name("documents", 0), ["id", "text"]),
        (_SAMPLE_BYTES_QUICK if is_quick else _SAMPLE_BYTES) // 5000,
    )
    sample = {row["id"]: row["text"] for row in rows}
    vocabulary = _vocabulary(work / "vocabulary", list(sample.values()))
    rounds = alternate(
        {
            "ours": lambda: _run_stage(documents, vocabulary, work, list(sample), num_bytes),
            "tiktoken": partial(
                _encode_with_tiktoken, _as_tiktoken(vocabulary), list(sample.values())
            ),
        },
        _ROUNDS_QUICK if is_quick else _ROUNDS,
    )
    return {
        "ratio": median_ratio(rounds, "ours", "tiktoken"),
        "text_mb": num_bytes / 1e6,
        "mb_per_s": median_rate(rounds, "ours"),
        "tiktoken_mb_per_s": median_rate(rounds, "tiktoken"),
    }


def _write_documents(folder: Path, num_shards: int) -> tuple[Path, int]:
    """A finished documents folder, and the bytes of its texts."""
    writer = StageWriter("unique", _NoConfig(), {}, folder)
    texts = growing_texts(num_shards * _SHARD_BYTES)
    num_documents, num_bytes = 0, 0
    for index in range(num_shards):
        part = list(islice(texts, _SHARD_BYTES // 5000))
        rows = (
            dict.fromkeys(DOCUMENTS.names)
            | {
                "id": f"{num_documents + i:016x}",
                "domain": f"site{(num_documents + i) // 20}.example",
                "text": text,
            }
            for i, text in enumerate(part)
        )
        writer.write(shard_name("documents", index), rows, DOCUMENTS)
        num_documents += len(part)
        num_bytes += sum(len(text.encode()) for text in part)
    writer.finish(num_documents)
    return folder, num_bytes


def _vocabulary(folder: Path, texts: list[str]) -> Path:
    """GPT-2's own where it is at hand, or else one learnt from `texts`."""
    published = REAL_DATA / "gpt2_bpe"
    if published.is_dir():
        return published
    Tokenizer.train(texts, _VOCAB_SIZE).save(folder)
    return folder


def _run_stage(
    documents: Path, vocabulary: Path, work: Path, sample: list[str], num_bytes: int
) -> Run:
    vocab_size = Tokenizer.load(vocabulary).vocab_size
    config = TokensConfig(vocab_size=vocab_size, tokenizer=vocabulary)
    inputs = {"documents": documents, "tokenizer": vocabulary}
    with tempfile.TemporaryDirectory(dir=work) as name:
        output = Path(name)
        os.sync()  # what was written before is not to be waited for by our fsync
        started = time.perf_counter()
        run(config, inputs, output, Runtime(workers=_num_cores()))
        seconds = time.perf_counter() - started
        tokens = {
            row["id"]: row["tokens"]
            for split in SPLITS
            for row in read_rows(output / shard_name(split, 0))
        }
    return Run(num_bytes / 1e6, seconds, _digest(tokens[key] for key in sample))


def _as_tiktoken(vocabulary: Path) -> tiktoken.Encoding:
    tokenizer = Tokenizer.load(vocabulary)
    ranks = {
        token: i for i, token in enumerate(tokenizer.token_bytes) if i != tokenizer.end_of_text
    }
    special = {END_OF_TEXT: tokenizer.end_of_text}
    return tiktoken.Encoding(
        "gpt2", pat_str=_PATTERN, mergeable_ranks=ranks, special_tokens=special
    )


def _encode_with_tiktoken(encoding: tiktoken.Encoding, texts: list[str]) -> Run:
    started = time.perf_counter()
    encoded = encoding.encode_ordinary_batch(texts, num_threads=_num_cores())
    seconds = time.perf_counter() - started
    num_bytes = sum(len(text.encode()) for text in texts)
    return Run(num_bytes / 1e6, seconds, _digest([*ids, encoding.eot_token] for ids in encoded))


def _digest(token_ids: Iterator[list[int]]) -> str:
    digest = hashlib.sha256()
    for ids in token_ids:
        digest.update(np.array(ids, dtype=np.uint32).tobytes())
    return digest.hexdigest()


def _measure_training(work: Path, is_quick: bool) -> dict[str, float]:
    work.mkdir()
    path = work / "texts"
    write_training_text(path, growing_texts(_TRAIN_BYTES_QUICK if is_quick else _TRAIN_BYTES))
    megabytes = path.stat().st_size / 1e6
    vocab_size = _VOCAB_SIZE_QUICK if is_quick else _VOCAB_SIZE
    # In a process of its own, whose memory is then the trainer's.
    task = _TrainTask(path, vocab_size, megabytes)
    ((ours, peak_mb),) = map_in_processes(_train, [task], workers=1)
    texts = path.read_bytes().decode(errors="replace").split("\N{REPLACEMENT CHARACTER}")
    theirs = _train_with_tokenizers(texts, vocab_size, megabytes)
    if ours.result != theirs.result:
        raise ValueError(f"not the same merges: {ours.result}, {theirs.result}")
    return {
        "ratio": ours.rate / theirs.rate,
        "train_vocab_size": vocab_size,
        "train_mb": megabytes,
        "train_s": ours.seconds,
        "tokenizers_train_s": theirs.seconds,
        "train_peak_mb": peak_mb,
    }


@dataclass(frozen=True)
class _TrainTask:
    path: Path
    vocab_size: int
    megabytes: float


def _train(task: _TrainTask) -> tuple[Run, float]:
    started = time.perf_counter()
    tokenizer = Tokenizer.train(task.path, task.vocab_size)
    seconds = time.perf_counter() - started
    merges = [list(merge) for merge in tokenizer.merges]
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return Run(task.megabytes, seconds, _digest_merges(merges)), peak_kib * 1024 / 1e6


def _train_with_tokenizers(texts: list[str], vocab_size: int, megabytes: float) -> Run:
    peer = PeerTokenizer(models.BPE())
    # The stubs of tokenizers do not know that its classes may be assigned.
    peer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - 1,  # ours has end-of-text too
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    started = time.perf_counter()
    peer.train_from_iterator(texts, trainer)
    seconds = time.perf_counter() - started
    merges = json.loads(peer.to_str())["model"]["merges"]
    return Run(megabytes, seconds, _digest_merges(merges))


def _digest_merges(merges: list[list[str]]) -> str:
    return f"{len(merges)} {hashlib.sha256(json.dumps(merges).encode()).hexdigest()}"


def _num_cores() -> int:
    return os.cpu_count() or 1


if __name__ == "__main__":
    main()
