"""The trainer's process where Ray starts the workers: `python -m model.train_on_ray`.

The workers run the same `model.train.train`, on a Ray cluster (RAY_ADDRESS) or on this machine. All
of them and this process must see the same tokens folder and run folder.
"""

import shutil
import signal
import sys
import threading
from pathlib import Path

import ray
from ray.train import FailureConfig, RunConfig as RayRunConfig, ScalingConfig, TrainingFailedError
from ray.train.torch import TorchConfig, TorchTrainer

from corpus.child import exit_with_parent
from corpus.errors import WebtextError
from corpus.ray_address import cluster_address
from corpus.tokenizer import Tokenizer
from corpus.tokens.stage import TOKENIZER_FOLDER
from model.metrics import read_training
from model.settings import GPT2Config, read_run_config
from model.train import make_parser, run_trainer
from model.training.attempts import forget_failure, remembered_failure
from model.training.process_group import LOST_AFTER
from model.training.report import TrainingReport
from model.training.training_state import newest, read_state

_MAX_FAILURES = 3
_STOP = ".stop"
_POLL_S = 1.0


def main() -> None:
    """Parse the arguments of `model.train`, and train on Ray."""
    exit_with_parent()
    arguments = make_parser("python -m model.train_on_ray").parse_args()
    config = read_run_config(arguments.config)
    output: Path = arguments.output.resolve()
    output.mkdir(parents=True, exist_ok=True)
    (output / _STOP).unlink(missing_ok=True)
    forget_failure(output)
    # Without an address: a cluster of this machine, for this training. Asked for by name, as Ray
    # would join any that runs here, and end with it.
    try:
        address = cluster_address()
    except WebtextError as exc:
        sys.exit(str(exc))
    ray.init(address=address or "local", include_dashboard=False)
    # After Ray, which would abort on SIGTERM.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: (output / _STOP).touch())
    device = config.train.device  # of the workers: this machine need not have a GPU
    use_gpu = device == "cuda" or (device == "auto" and ray.cluster_resources().get("GPU", 0) > 0)
    trainer = TorchTrainer(
        _work,
        train_loop_config={
            name: str(path.resolve()) for name, path in vars(arguments).items() if path
        },
        scaling_config=ScalingConfig(num_workers=config.train.processes, use_gpu=use_gpu),
        torch_config=TorchConfig(
            "nccl" if use_gpu else "gloo", timeout_s=int(LOST_AFTER.total_seconds())
        ),
        run_config=RayRunConfig(
            name="training",
            storage_path=str(output / ".ray"),
            failure_config=FailureConfig(max_failures=_MAX_FAILURES),
        ),
    )
    vocab_size = Tokenizer.load(arguments.tokens / TOKENIZER_FOLDER).vocab_size
    shape = GPT2Config(vocab_size=vocab_size, **config.model.model_dump())
    follower = _Follower(output, config.train.steps, shape.num_parameters)
    try:
        trainer.fit()
    except TrainingFailedError as exc:
        sys.exit(str(remembered_failure(output) or exc))
    finally:
        follower.close()
        shutil.rmtree(output / ".ray", ignore_errors=True)
    follower.report_end()


def _work(arguments: dict[str, str]) -> None:
    """What each worker does; Ray has made the process group."""
    paths = {name: Path(path) for name, path in arguments.items()}
    output = paths["output"]
    if failure := remembered_failure(output):  # of an earlier attempt, which would repeat it
        raise failure
    weights = paths.get("weights")
    run_trainer(paths["config"], paths["tokens"], output, weights, stop_file=output / _STOP)


class _Follower:
    """Reports the steps that the workers write down, as rank 0 itself does without Ray."""

    def __init__(self, output: Path, num_steps: int, num_parameters: int) -> None:
        self._output = output
        self._report = TrainingReport(num_steps)
        self._num_parameters = num_parameters
        self._num_steps = num_steps
        self._last = -1
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._follow)
        self._thread.start()

    def close(self) -> None:
        """Report what is left."""
        self._closed.set()
        self._thread.join()

    def report_end(self) -> None:
        """Say so, if the training was stopped before its last step."""
        if (done := _steps_done(self._output)) < self._num_steps:
            self._report.stopped(done)

    def _follow(self) -> None:
        while not self._closed.wait(_POLL_S):
            self._report_new()
        self._report_new()

    def _report_new(self) -> None:
        lines = read_training(self._output)
        if not lines:
            return
        if lines[-1]["step"] < self._last or self._last < 0:  # a start, the first or another one
            self._last = _steps_done(self._output)
            self._report.start(self._last, self._num_parameters)
        for line in lines:
            if line["step"] > self._last:
                self._last = line["step"]
                self._report.step(line)


def _steps_done(output: Path) -> int:
    found = newest(output)
    return read_state(found).step if found else 0


if __name__ == "__main__":
    main()
