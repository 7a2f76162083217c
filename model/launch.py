"""Stage "run": tokens to a trained model, by a trainer process that we start and watch."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

from corpus.atomic import write_bytes
from corpus.child import run_child
from corpus.errors import WebtextError
from corpus.manifest import Manifest
from corpus.runtime import Runtime
from corpus.stage import Inputs, StageWriter, describe_input
from model.metrics import Metrics, read_training
from model.settings import CONFIG_FILE, RunConfig, TrainConfig
from model.stopped import TrainingStoppedError
from model.training.adopt_steps import adopt_steps
from model.training.attempts import forget_failure, remembered_failure
from model.training.training_state import newest, run_identity

LIBRARIES = ("webtext", "torch")

logger = logging.getLogger(__name__)

_LOG = "train.log"
_MAX_RESTARTS = 3
# A step may take minutes on a CPU, and ends before its checkpoint is written.
_STOP_WITHIN_S = 600.0


def run(config: RunConfig, inputs: Inputs, output: Path, runtime: Runtime) -> Manifest:
    """Train a GPT-2, or go on with a training that was interrupted.

    Args:
        config: The recipe's `[model]` and `[train]`.
        inputs: "tokens": the folder of the tokens stage; "weights": a checkpoint folder to start
            from, where the recipe names one.
        output: Gets checkpoint/, checkpoints/, metrics.jsonl and train.log.
        runtime: Where to report; the trainer has processes of its own.

    Raises:
        WebtextError: the trainer failed; the message says why, or ends with its log.
        TrainingStoppedError: it was asked to stop.
    """
    writer = StageWriter("run", config, inputs, output)
    write_bytes(output / CONFIG_FILE, config.model_dump_json().encode())
    forget_failure(output)
    start = inputs.get("weights")
    adopt_steps(describe_input(inputs["tokens"]).hash, run_identity(config, start), output)
    num_parameters = 0
    for message in _messages(config, inputs, output):
        if message["event"] == "start":  # also after a restart, which goes back to a checkpoint
            num_parameters = message["parameters"]
            runtime.progress.start(config.train.steps, "steps")
            runtime.progress.advance(message["step"])
        elif message["event"] == "stopped":
            raise TrainingStoppedError(output, message["step"])
        else:
            runtime.progress.advance(note=_note(message))
    metrics = read_training(output)
    return writer.finish(
        config.train.steps,
        num_out=metrics[-1]["step"],
        libraries=LIBRARIES,
        figures={"num_parameters": num_parameters, **_figures(config, metrics)},
        problems=_problems(metrics),
    )


def _messages(config: RunConfig, inputs: Inputs, output: Path) -> Iterator[dict]:
    paths = {"--config": output / CONFIG_FILE, "--tokens": inputs["tokens"], "--output": output}
    if "weights" in inputs:
        paths["--weights"] = inputs["weights"]
    arguments = [str(part) for pair in paths.items() for part in pair]
    command = [*_module(config.train), *arguments]
    environment = _environment(config.train.processes)
    try:
        yield from run_child(command, output / _LOG, environment, _STOP_WITHIN_S)
    except WebtextError as exc:
        raise remembered_failure(output) or exc from exc
    except (Exception, GeneratorExit):
        raise
    except BaseException:  # Ctrl-C, or what Prefect makes of SIGTERM
        found = newest(output)
        if found is None:
            raise
        raise TrainingStoppedError(output, int(found.name.rpartition("-")[2])) from None


def _module(config: TrainConfig) -> list[str]:
    if config.runner == "ray":
        return ["model.train_on_ray"]
    if config.processes == 1:
        return ["model.train"]
    return [
        "torch.distributed.run",
        "--standalone",
        f"--nproc-per-node={config.processes}",
        f"--max-restarts={_MAX_RESTARTS}",
        f"--shutdown-timeout={_STOP_WITHIN_S:.0f}",
        "-m",
        "model.train",
    ]


def _environment(processes: int) -> dict[str, str]:
    # Threads that spin while they wait take the cores from each other on a busy machine: with
    # six processes on two cores 60 small steps took 26 s like this, and over 60 s spinning.
    variables = {"OMP_WAIT_POLICY": "PASSIVE"}
    if processes > 1:  # torchrun gives each process one thread; one alone takes all cores
        variables["OMP_NUM_THREADS"] = str(max(1, (os.cpu_count() or 1) // processes))
    return variables | {name: os.environ[name] for name in variables if name in os.environ}


def _note(metrics: dict) -> str:
    return f"loss {metrics['loss']:.2f}, {metrics['tokens_per_s'] / 1000:.1f}k tok/s"


def _figures(config: RunConfig, metrics: list[Metrics]) -> dict[str, int | float | str]:
    tokens_per_step = config.train.batch_size * config.model.block_size
    rates = sorted(line["tokens_per_s"] for line in metrics)
    last = metrics[-1]
    figures: dict[str, int | float | str] = {
        "num_tokens_seen": last["step"] * tokens_per_step,
        "loss": last["loss"],
        "tokens_per_s": rates[len(rates) // 2],
        "memory_gb": last["memory_gb"],
    }
    if "val_loss" in last:
        figures["val_loss"] = last["val_loss"]
    if "mfu" in last:
        figures["mfu"] = last["mfu"]
    return figures


def _problems(metrics: list[Metrics]) -> list[str]:
    skipped = [line["step"] for line in metrics if "skipped" in line]
    if not skipped:
        return []
    steps = ", ".join(map(str, skipped[:20]))
    return [f"the updates of {len(skipped)} steps were skipped as outliers: {steps}"]
