"""Where a model under examination comes from, and the processes that answer with it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from multiprocessing import current_process
from pathlib import Path
from typing import Final

import torch

from corpus.runner import ProcessRunner, Runner
from evaluation.scoring.language_model import GPT2LanguageModel, LanguageModel, Precision, answer
from evaluation.scoring.requests import Answer
from evaluation.scoring.scorer import (
    DEFAULT_BATCH,
    Answering,
    Batch,
    BatchTokens,
    answer_here,
)
from evaluation.task import Tokenizer
from model.checkpoint import load_checkpoint
from model.hugging_face.config import is_gpt2

# What fills a GPU, and leaves room for the cache of the largest model.
_CUDA_BATCH: Final = BatchTokens(read=65_536, write=65_536)

# 512 tokens of 768 numbers. On two cores the 124M model reads 408 tokens a second in batches of 512
# and 345 in batches of 4,096; beside other work a model of width 128 took 1.5 times as long in
# batches of 512 as in those of 4,096.
_CPU_BATCH_NUMBERS: Final = 512 * 768


@dataclass(frozen=True)
class ModelSource:
    """A model's folder, plain data that worker processes can be given."""

    folder: Path
    """Of a checkpoint of ours, or of any causal language model that `transformers` loads."""
    precision: Precision = "fp32"

    def load(self, device: torch.device) -> tuple[LanguageModel, Tokenizer]:
        """Read it.

        Raises:
            WebtextError: a file is missing, damaged, or of a kind that cannot be read.
        """
        if is_gpt2(self.folder):
            checkpoint = load_checkpoint(self.folder, device)
            return GPT2LanguageModel(checkpoint.model, self.precision), checkpoint.tokenizer
        # Here, as transformers is needed by nothing else, and its import takes seconds.
        from evaluation.scoring.transformers_model import load_transformers_model

        return load_transformers_model(self.folder, device, self.precision)


@contextmanager
def open_answering(
    model: LanguageModel,
    source: ModelSource,
    num_processes: int | None,
    runner: Runner | None = None,
) -> Iterator[Answering]:
    """Who answers: this process with its model, or so many processes that load the same.

    By default there is one process for each GPU of several. Where `runner` is a cluster, all its
    workers answer.
    """
    num_processes = num_processes or max(1, torch.cuda.device_count())
    runner = runner or ProcessRunner()
    if num_processes == 1 and not runner.is_remote:
        yield answer_here(model)
        return
    # A worker of a cluster is given one core or one GPU, and shares this with nobody.
    sharing = None if runner.is_remote else num_processes
    with runner.pool(num_processes) as pool:
        yield partial(pool.map, partial(_answer_in_worker, source, sharing))


def batch_tokens(model: LanguageModel, wanted: int | None) -> BatchTokens:
    """How large batches are; None is what suits the model and the device."""
    if wanted is not None:
        return BatchTokens(wanted, wanted)
    if torch.cuda.is_available():
        return _CUDA_BATCH
    read, write = DEFAULT_BATCH
    return BatchTokens(max(read, _CPU_BATCH_NUMBERS // model.width), write)


def _answer_in_worker(source: ModelSource, sharing: int | None, batch: Batch) -> dict[int, Answer]:
    answers = answer(_worker_s_model(source, sharing), [request for _, request in batch])
    return dict(zip((number for number, _ in batch), answers, strict=True))


@cache
def _worker_s_model(source: ModelSource, sharing: int | None) -> LanguageModel:
    num_gpus = torch.cuda.device_count()
    if not num_gpus:
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // sharing) if sharing else 1)
        return source.load(torch.device("cpu"))[0]
    # Workers are named SpawnProcess-1, -2, ...: neighbours take different GPUs.
    number = int(current_process().name.rpartition("-")[2]) if sharing else 0
    return source.load(torch.device("cuda", number % num_gpus))[0]
