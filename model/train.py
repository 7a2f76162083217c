"""The trainer's process: `torchrun -m model.train`, or `python -m model.train` for one.

Reads a recipe's [model] and [train] and a tokens folder, and writes a run folder. It may be killed
at any moment and started again, with any number of processes: it goes on from its last checkpoint.
"""

import argparse
import os
import signal
import sys
import threading
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from corpus.child import exit_with_parent
from corpus.errors import WebtextError
from corpus.metrics import append_metrics
from corpus.runtime import SilentProgress
from corpus.stage import describe_input
from model.settings import RunConfig, read_run_config
from model.tracking.run_record import Dataset, Details
from model.tracking.tracker import open_tracker
from model.training.attempts import refuse_to_repeat, remember_failure
from model.training.loop import Trainer
from model.training.process_group import Process, process_group
from model.training.report import TrainingReport
from model.training.training_run import TrainingRun
from model.training.training_state import link_final


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
    run = TrainingRun(config, tokens, output, process, weights)
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
    if process.is_main and is_done:
        link_final(output)
    elif process.is_main:
        report.stopped(trainer.step)
    return is_done


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
    parser = make_parser("python -m model.train")
    parser.add_argument("--mlflow", metavar="URI", help="an MLflow to tell; a server or sqlite:///")
    arguments = parser.parse_args()
    paths = (arguments.config, arguments.tokens, arguments.output, arguments.weights)
    is_saved = False
    try:
        with _followed(arguments.mlflow, arguments.config, arguments.tokens, arguments.output):
            if not run_trainer(*paths):
                is_saved = True  # and it has said how to go on
                raise KeyboardInterrupt  # so MLflow does not take it for finished
    except KeyboardInterrupt:
        sys.exit(0 if is_saved else 130)
    except WebtextError as exc:
        sys.exit(f"{exc.message}\n{exc.hint}")


def _followed(
    uri: str | None, config: Path, tokens: Path, output: Path
) -> AbstractContextManager[object]:
    """Tell MLflow from rank 0, for a training that no flow started: a flow does it itself."""
    if uri is None or os.environ.get("RANK", "0") != "0":
        return nullcontext()
    sections = read_run_config(config)
    params = {**sections.model.model_dump(), **sections.train.model_dump()}
    corpus = describe_input(tokens).hash
    dataset = Dataset(name="webtext", digest=corpus[:16], source=str(tokens.resolve()))
    tags = {"kind": "train", "corpus_hash": corpus[:16], "folder": str(output)}
    name, details = f"train {output.name}", Details(dataset=dataset)
    tracker = open_tracker(uri)
    return tracker.follow("train", output, name, tags, params, SilentProgress(), details)


def make_parser(program: str) -> argparse.ArgumentParser:
    """The command line of a trainer: `config`, `tokens`, `output` and `weights`, all paths."""
    parser = argparse.ArgumentParser(prog=program, description=__doc__)
    parser.add_argument(
        "--config", type=Path, required=True, help="a recipe (TOML), or a run's config (JSON)"
    )
    parser.add_argument("--tokens", type=Path, required=True, help="the tokens stage's folder")
    parser.add_argument("--output", type=Path, required=True, help="the run's folder")
    parser.add_argument("--weights", type=Path, help="a checkpoint folder to start from")
    return parser


def run_trainer(
    config: Path, tokens: Path, output: Path, weights: Path | None, stop_file: Path | None = None
) -> bool:
    """Join the processes that train together, and train; whether the last step was reached.

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
            return train(run_config, tokens, output, process, weights, stop_file)
    except WebtextError as exc:
        remember_failure(output, exc)
        raise


if __name__ == "__main__":
    main()
