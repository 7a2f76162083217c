"""The trainer's process: `python -m model.train`, or the same under `torch.distributed.run`.

Reads a tokens folder, writes a run folder, and prints one JSON object per step for the parent.
A killed run goes on from `training_state.pt` and ends with the weights of an undisturbed one.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import torch
import torch.distributed as dist

from corpus.atomic import write_bytes
from corpus.child import emit, exit_with_parent
from corpus.errors import WebtextError
from corpus.metrics import METRICS, append_metrics, read_metrics
from corpus.tokenizer import Tokenizer
from corpus.tokens.splits import Split
from corpus.tokens.stage import TOKENIZER_FOLDER
from corpus.tokens.windows import TokenWindows
from model.checkpoint import (
    CHECKPOINT,
    TRAINING_STATE,
    TrainingState,
    load_state,
    save_checkpoint,
    save_state,
)
from model.gpt2 import GPT2
from model.loop import Process, Trainer
from model.settings import GPT2Config, RunConfig


def train(config: RunConfig, tokens: Path, output: Path, process: Process) -> None:
    """Train until the recipe's last step, from the beginning or from where a killed run stopped.

    Args:
        config: Shape of the model and how to train it.
        tokens: The tokens stage's folder.
        output: The run's folder.
        process: This process among those that train.

    Raises:
        WebtextError: too few tokens for one window, or a damaged shard or state.
    """
    tokenizer = Tokenizer.load(tokens / TOKENIZER_FOLDER)
    trainer = _make_trainer(config, tokens, tokenizer, process)
    _resume(trainer, output)
    if process.is_main:
        emit({"event": "start", "step": trainer.step, "parameters": trainer.model.num_parameters})
    for metrics in trainer.train():
        is_last = trainer.step == config.train.steps
        if process.is_main:
            append_metrics(output, metrics)  # no checkpoint may outlive a crash that these do not
            if is_last or trainer.step % config.train.checkpoint_every == 0:
                _save(trainer, tokenizer, output)
            emit({"event": "step", **metrics})


def _make_trainer(
    config: RunConfig, tokens: Path, tokenizer: Tokenizer, process: Process
) -> Trainer:
    block_size = config.model.block_size
    windows: dict[Split, TokenWindows] = {
        split: TokenWindows(tokens, split, block_size) for split in ("train", "val")
    }
    if not len(windows["train"]):
        raise WebtextError(
            f"the train split of {tokens} has {windows['train'].num_tokens} tokens, "
            f"too few for one window of {block_size + 1}",
            hint="Give it more documents, or lower model.block_size.",
        )
    torch.manual_seed(config.train.seed)  # the same initial weights on every rank
    shape = GPT2Config(vocab_size=tokenizer.vocab_size, **config.model.model_dump())
    model = GPT2(shape).to(process.device)
    return Trainer(config.train, model, windows, process)


def _resume(trainer: Trainer, output: Path) -> None:
    """Put `trainer` where the last checkpoint was, and forget what was measured after it."""
    state = load_state(output / TRAINING_STATE)
    if state:
        trainer.step = state["step"]
        trainer.model.load_state_dict(state["model"])
        trainer.optimizer.load_state_dict(state["optimizer"])
    if trainer.process.is_main:
        kept = [line for line in read_metrics(output) if line["step"] <= trainer.step]
        write_bytes(output / METRICS, b"".join(orjson.dumps(line) + b"\n" for line in kept))


def _save(trainer: Trainer, tokenizer: Tokenizer, output: Path) -> None:
    # The state holds the weights too, so one rename decides where the run stands. The checkpoint
    # for use is written from it: first, so that a finished state never lacks it.
    save_checkpoint(output / CHECKPOINT, trainer.model, tokenizer, trainer.step)
    state = TrainingState(
        step=trainer.step,
        model=trainer.model.state_dict(),
        optimizer=trainer.optimizer.state_dict(),
    )
    save_state(output / TRAINING_STATE, state)


@contextmanager
def _process_group(device: str) -> Iterator[Process]:
    """This process's place, from torchrun's environment; on its own, without one."""
    rank, world_size = (int(os.environ.get(k, d)) for k, d in (("RANK", "0"), ("WORLD_SIZE", "1")))
    kind = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    if kind == "cuda":
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    if world_size > 1:
        dist.init_process_group("nccl" if kind == "cuda" else "gloo")
    try:
        yield Process(rank, world_size, torch.device(kind))
    finally:
        if world_size > 1:
            dist.destroy_process_group()


def main() -> None:
    """Parse the arguments that `model.launch` passes, and train."""
    exit_with_parent()
    parser = argparse.ArgumentParser(prog="python -m model.train", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="a RunConfig as JSON")
    parser.add_argument("--tokens", type=Path, required=True, help="the tokens stage's folder")
    parser.add_argument("--output", type=Path, required=True, help="the run's folder")
    arguments = parser.parse_args()
    config = RunConfig.model_validate_json(arguments.config.read_bytes())
    arguments.output.mkdir(parents=True, exist_ok=True)
    try:
        with _process_group(config.train.device) as process:
            train(config, arguments.tokens, arguments.output, process)
    except WebtextError as exc:
        sys.exit(str(exc))


if __name__ == "__main__":
    main()
