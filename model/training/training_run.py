"""A training and the folder that holds what it makes: begun, gone on with, saved."""

import secrets
from pathlib import Path

import orjson
import torch

from corpus.atomic import write_bytes
from corpus.errors import WebtextError
from corpus.manifest import library_versions
from corpus.metrics import METRICS, read_metrics
from corpus.stage import describe_input
from corpus.tokenizer import Tokenizer
from corpus.tokens.splits import Split
from corpus.tokens.stage import TOKENIZER_FOLDER
from corpus.tokens.windows import TokenWindows
from model.gpt2 import GPT2
from model.settings import GPT2Config, RunConfig
from model.training.initial_weights import load_initial_weights
from model.training.loop import Trainer
from model.training.optimizer import load_optimizer_tensors, optimizer_tensors
from model.training.process_group import Process
from model.training.run_checkpoints import RunCheckpoints
from model.training.training_state import (
    TrainingState,
    newest,
    read_optimizer,
    read_state,
    read_weights,
    run_identity,
)

_TENSORS = 3
"""Of a parameter's size in a checkpoint: itself and AdamW's two means."""


class TrainingRun:
    """A trainer, made anew or as its newest checkpoint has it, and what writes the next one.

    Args:
        config: Shape of the model and how to train it.
        tokens: The tokens stage's folder.
        output: The run's folder; all processes write to it.
        process: This process among those that train.
        weights: A checkpoint folder to start from, instead of random weights.

    Raises:
        WebtextError: as `model.train.train` says.
    """

    def __init__(
        self, config: RunConfig, tokens: Path, output: Path, process: Process, weights: Path | None
    ) -> None:
        self._config = config
        self._output = output
        self._process = process
        self._corpus = describe_input(tokens).hash
        self._identity = run_identity(config, weights)
        tokenizer = Tokenizer.load(tokens / TOKENIZER_FOLDER)
        shape = GPT2Config(vocab_size=tokenizer.vocab_size, **config.model.model_dump())
        self._checkpoints = _writer(config, shape, tokenizer, output, process)
        windows = _windows(tokens, config.model.block_size)
        torch.manual_seed(config.train.seed)  # the same initial weights on every rank
        model = GPT2(shape)
        # Rank 0's answer for all: a shared file system may show the others an older list.
        newest_of_all = process.agree("newest", str(newest(output) or ""))
        found = Path(newest_of_all) if newest_of_all else None
        if found is not None:
            self._check_alike(found)  # before its weights do not fit
            model.load_state_dict(read_weights(found))
        elif weights is not None:
            load_initial_weights(model, tokenizer, weights)
        if self._checkpoints:
            step = 0 if found is None else read_state(found).step
            num_bytes = _TENSORS * 4 * shape.num_parameters
            self._checkpoints.check_room(num_bytes, step, config.train.steps)
        process.wait_for_all("read")  # before the first save removes what others still read
        self.trainer = Trainer(config.train, model.to(process.device), windows, process)
        if found is not None:
            self._resume(found)
        if process.is_main:
            _forget_metrics_after(self.trainer.step, output)

    def save(self) -> None:
        """Write a checkpoint, off this thread; all processes call it at the same steps."""
        trainer, step = self.trainer, self.trainer.step
        if self._checkpoints:
            state = TrainingState(
                step=step,
                seed=self._config.train.seed,
                world_size=self._process.world_size,
                corpus=self._corpus,
                config=self._identity,
                guard=trainer.guard.memory(),
                versions=library_versions(("torch",)),
            )
            optimizer = optimizer_tensors(trainer.model, trainer.optimizer)
            self._checkpoints.save(state, trainer.model.state_dict(), optimizer)
        # A slow disk may hold up one process for longer than collective calls wait.
        self._process.wait_for_all(f"saved {step}")

    def finish(self) -> None:
        """Return when what was saved is on disk."""
        if self._checkpoints:
            self._checkpoints.wait()
        self._process.wait_for_all("finished")

    def _check_alike(self, found: Path) -> None:
        state = read_state(found)
        if state.corpus != self._corpus or state.config != self._identity:
            raise WebtextError(
                f"{found} is of another recipe or corpus",
                hint="Give this training a folder of its own.",
            )

    def _resume(self, found: Path) -> None:
        state, trainer = read_state(found), self.trainer
        load_optimizer_tensors(trainer.model, trainer.optimizer, read_optimizer(found))
        trainer.guard.restore(state.guard)
        trainer.step = state.step


def _writer(
    config: RunConfig, shape: GPT2Config, tokenizer: Tokenizer, output: Path, process: Process
) -> RunCheckpoints | None:
    """What writes this process's part of a checkpoint; None where rank 0 writes all of it."""
    train = config.train
    writers = process.world_size if train.shard_optimizer else 1
    attempt = process.agree("attempt", secrets.token_hex(4))
    if process.rank >= writers:
        return None
    return RunCheckpoints(
        output,
        shape,
        tokenizer,
        train.keep_checkpoints,
        train.milestone_every,
        process.rank,
        writers,
        attempt,
    )


def _windows(tokens: Path, block_size: int) -> dict[Split, TokenWindows]:
    windows: dict[Split, TokenWindows] = {
        split: TokenWindows(tokens, split, block_size) for split in ("train", "val")
    }
    if not len(windows["train"]):
        raise WebtextError(
            f"the train split of {tokens} has {windows['train'].num_tokens} tokens, "
            f"too few for one window of {block_size + 1}",
            hint="Give it more documents, or lower model.block_size.",
        )
    return windows


def _forget_metrics_after(step: int, output: Path) -> None:
    """Drop what was measured after the checkpoint that the run goes on from: it comes again."""
    kept = [line for line in read_metrics(output) if line["step"] <= step]
    write_bytes(output / METRICS, b"".join(orjson.dumps(line) + b"\n" for line in kept))
