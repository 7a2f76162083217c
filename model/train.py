"""The trainer's process: `torchrun -m model.train`, or `python -m model.train` for one.

Reads a recipe's [model] and [train] and a tokens folder, and writes a run folder. It may be killed
at any moment and started again, with any number of processes: it goes on from its last checkpoint.
"""

import argparse
import secrets
import signal
import sys
import threading
import time
from pathlib import Path

import orjson
import torch

from corpus.atomic import write_bytes
from corpus.child import exit_with_parent
from corpus.errors import WebtextError
from corpus.manifest import library_versions
from corpus.metrics import METRICS, append_metrics, read_metrics
from corpus.stage import describe_input
from corpus.tokenizer import Tokenizer
from corpus.tokens.splits import Split
from corpus.tokens.stage import TOKENIZER_FOLDER
from corpus.tokens.windows import TokenWindows
from model.gpt2 import GPT2
from model.settings import GPT2Config, RunConfig, read_run_config
from model.training.attempts import refuse_to_repeat, remember_failure
from model.training.initial_weights import load_initial_weights
from model.training.loop import Trainer
from model.training.optimizer import load_optimizer_tensors, optimizer_tensors
from model.training.process_group import Process, process_group
from model.training.report import TrainingReport
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


def train(
    config: RunConfig,
    tokens: Path,
    output: Path,
    process: Process,
    weights: Path | None = None,
    stop_file: Path | None = None,
) -> bool:
    """Train until the recipe's last step, from the beginning or from where a stopped run was.

    SIGTERM and SIGINT, to any of the processes, end it after the step at work, with a checkpoint.

    Args:
        config: Shape of the model and how to train it.
        tokens: The tokens stage's folder.
        output: The run's folder; all processes write to it.
        process: This process among those that train.
        weights: A checkpoint folder to start from, instead of random weights.
        stop_file: Its appearance asks to stop, instead of signals, which only a process's main
            thread can take.

    Returns:
        Whether the last step was reached.

    Raises:
        WebtextError: too few tokens for one window, a damaged shard or checkpoint, no room on the
            disk, or a loss that is no number.
    """
    run = _Run(config, tokens, output, process, weights)
    trainer = run.trainer
    _stop_when_asked(trainer, stop_file)
    trainer.warm_up()
    report = TrainingReport(config.train.steps)
    if process.is_main:
        report.start(trainer.step, trainer.model.config.num_parameters)
    saved = trainer.step
    for metrics in trainer.train():
        if process.is_main:
            append_metrics(output, metrics)  # no checkpoint may outlive a crash that these do not
        if trainer.step % config.train.checkpoint_every == 0:
            run.save()
            saved = trainer.step
        if process.is_main:
            report.step(metrics)
    if saved != trainer.step:
        run.save()
    run.finish()
    is_done = trainer.step == config.train.steps
    if process.is_main and not is_done:
        report.stopped(trainer.step)
    return is_done


class _Run:
    """A trainer and the folder that holds what it makes."""

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
        self._checkpoints = _checkpoints(config, shape, tokenizer, output, process)
        windows = _windows(tokens, config.model.block_size)
        torch.manual_seed(config.train.seed)  # the same initial weights on every rank
        model = GPT2(shape)
        # Rank 0's answer for all: a shared file system may show the others an older list.
        newest_of_all = process.agree("newest", str(newest(output) or ""))
        found = Path(newest_of_all) if newest_of_all else None
        if found is not None:
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

    def _resume(self, found: Path) -> None:
        state, trainer = read_state(found), self.trainer
        if state.corpus != self._corpus or state.config != self._identity:
            raise WebtextError(
                f"{found} is of another recipe or corpus",
                hint="Give this training a folder of its own.",
            )
        load_optimizer_tensors(trainer.model, trainer.optimizer, read_optimizer(found))
        trainer.guard.restore(state.guard)
        trainer.step = state.step


def _checkpoints(
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


def _stop_when_asked(trainer: Trainer, stop_file: Path | None) -> None:
    def ask(number: int, frame: object) -> None:
        trainer.stop_requested = True
        signal.signal(number, signal.SIG_DFL)  # a second one stops at once

    def watch(file: Path) -> None:
        while not file.exists():
            time.sleep(1)
        trainer.stop_requested = True

    if stop_file is not None:
        threading.Thread(target=watch, args=(stop_file,), daemon=True).start()
    else:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, ask)


def main() -> None:
    """Parse the arguments, and train."""
    exit_with_parent()
    arguments = parse_arguments("python -m model.train")
    try:
        run_trainer(arguments.config, arguments.tokens, arguments.output, arguments.weights)
    except WebtextError as exc:
        sys.exit(f"{exc.message}\n{exc.hint}")


def parse_arguments(program: str) -> argparse.Namespace:
    """The command line of a trainer: `config`, `tokens`, `output` and `weights`, all paths."""
    parser = argparse.ArgumentParser(prog=program, description=__doc__)
    parser.add_argument(
        "--config", type=Path, required=True, help="a recipe (TOML), or a run's config (JSON)"
    )
    parser.add_argument("--tokens", type=Path, required=True, help="the tokens stage's folder")
    parser.add_argument("--output", type=Path, required=True, help="the run's folder")
    parser.add_argument("--weights", type=Path, help="a checkpoint folder to start from")
    return parser.parse_args()


def run_trainer(
    config: Path, tokens: Path, output: Path, weights: Path | None, stop_file: Path | None = None
) -> None:
    """Join the processes that train together, and train.

    Args:
        config: A recipe, or a run's config.
        tokens: The tokens stage's folder.
        output: The run's folder.
        weights: A checkpoint folder to start from.
        stop_file: Its appearance stops the training, as a signal does elsewhere.

    Raises:
        WebtextError: see `train`.
    """
    run_config = read_run_config(config)
    output.mkdir(parents=True, exist_ok=True)
    try:
        refuse_to_repeat(output)
        with process_group(run_config.train.device) as process:
            train(run_config, tokens, output, process, weights, stop_file)
    except WebtextError as exc:
        remember_failure(output, exc)
        raise


if __name__ == "__main__":
    main()
