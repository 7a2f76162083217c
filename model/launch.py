"""Stage "run": tokens to a trained model, by a trainer process that we start and watch."""

import os
from pathlib import Path

from corpus.atomic import write_bytes
from corpus.child import run_child
from corpus.manifest import Manifest
from corpus.runtime import Runtime
from corpus.stage import Inputs, StageWriter
from model.metrics import Metrics, read_training
from model.settings import CONFIG_FILE, RunConfig

LIBRARIES = ("webtext", "torch")

_LOG = "train.log"


def run(config: RunConfig, inputs: Inputs, output: Path, runtime: Runtime) -> Manifest:
    """Train a GPT-2, or go on with a training that was interrupted.

    Args:
        config: The recipe's `[model]` and `[train]`.
        inputs: "tokens": the folder of the tokens stage.
        output: Gets checkpoint/, metrics.jsonl, train.log and training_state.pt.
        runtime: Where to report; the trainer has processes of its own.

    Raises:
        WebtextError: the trainer failed; the message ends with its log.
    """
    writer = StageWriter("run", config, inputs, output)
    write_bytes(output / CONFIG_FILE, config.model_dump_json().encode())
    paths = {"--config": output / CONFIG_FILE, "--tokens": inputs["tokens"], "--output": output}
    arguments = [str(part) for pair in paths.items() for part in pair]
    steps, num_parameters = config.train.steps, 0
    runtime.progress.start(steps, "steps")
    command = [*_module(config.train.processes), *arguments]
    for message in run_child(command, output / _LOG, _environment(config.train.processes)):
        if message["event"] == "start":
            num_parameters = message["parameters"]
            runtime.progress.advance(message["step"])
        else:
            runtime.progress.advance(note=_note(message))
    metrics = read_training(output)
    return writer.finish(
        steps,
        num_out=metrics[-1]["step"],
        libraries=LIBRARIES,
        figures={"num_parameters": num_parameters, **_figures(config, metrics)},
    )


def _module(processes: int) -> list[str]:
    if processes == 1:
        return ["model.train"]
    return [
        "torch.distributed.run",
        "--standalone",
        f"--nproc-per-node={processes}",
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
    figures: dict[str, int | float | str] = {
        "num_tokens_seen": metrics[-1]["step"] * tokens_per_step,
        "loss": metrics[-1]["loss"],
        "tokens_per_s": rates[len(rates) // 2],
    }
    if "val_loss" in metrics[-1]:
        figures["val_loss"] = metrics[-1]["val_loss"]
    return figures
