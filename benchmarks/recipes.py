"""How fast this machine trains recipes: tokens per second, MFU, peak memory of one process.

    python -m benchmarks.recipes [RECIPE ...] [--steps N]

The trainer itself takes whole steps of the recipe's batch, on random tokens; the first one, which
allocates, does not count. A line per recipe, by default of the paper's four sizes (a GPU: the
smallest takes a CPU an hour a step). One recipe after the other, each in a process of its own.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks.side_by_side import print_result
from corpus.parallel import map_in_processes
from corpus.tokens.splits import Split
from corpus.tokens.windows import TokenWindows
from model.gpt2 import GPT2
from model.metrics import Metrics
from model.settings import GPT2Config, read_run_config
from model.training.loop import Trainer
from model.training.process_group import process_group

_RECIPES = Path(__file__).parents[1] / "recipes"
_SIZES = ("gpt2-small", "gpt2-medium", "gpt2-large", "gpt2-xl")


class _RandomWindows(TokenWindows):
    """Windows of random tokens."""

    def __init__(self, config: GPT2Config, num_windows: int) -> None:
        self._shape = (num_windows, config.block_size + 1)
        self._vocab_size = config.vocab_size

    def __len__(self) -> int:
        return self._shape[0]

    def read(self, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        generator = np.random.default_rng(indices)
        return generator.integers(self._vocab_size, size=(len(indices), self._shape[1]))


def main() -> None:
    """Measure one recipe after the other, and print the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipes", nargs="*", metavar="RECIPE", default=list(_SIZES))
    parser.add_argument("--steps", type=int, default=3, help="steps that count (default: 3)")
    arguments = parser.parse_args()
    figures: dict[str, int | float | str] = {"torch": torch.__version__}
    for recipe in arguments.recipes:
        task = (recipe, arguments.steps)
        for device, metrics in map_in_processes(_measure, [task], 1):
            mfu = f"MFU {metrics['mfu']:.1%}" if "mfu" in metrics else "MFU unknown"
            speed = f"{metrics['tokens_per_s']:,.0f} tokens/s"
            print(
                f"{recipe}: {speed}, {mfu}, {metrics['memory_gb']:.1f} GB on {device}", flush=True
            )
            figures |= {f"{recipe}_{name}": metrics.get(name, "unknown") for name in _MEASURED}
            figures["device"] = device
    print_result("recipes", {}, figures)


_MEASURED = ("tokens_per_s", "mfu", "memory_gb")


def _measure(task: tuple[str, int]) -> tuple[str, Metrics]:
    """The device's name and what the middle one of the steps took."""
    recipe, num_steps = task
    config = read_run_config(_RECIPES / f"{recipe}.toml")
    shape = GPT2Config(vocab_size=50_257, **config.model.model_dump())
    train = config.train.model_copy(update={"steps": num_steps + 1})
    with process_group(train.device) as process:
        windows: dict[Split, TokenWindows] = {
            "train": _RandomWindows(shape, train.steps * train.batch_size),
            "val": _RandomWindows(shape, 0),
        }
        torch.manual_seed(0)
        trainer = Trainer(train, GPT2(shape).to(process.device), windows, process)
        trainer.warm_up()
        steps = sorted(list(trainer.train())[1:], key=lambda metrics: metrics["tokens_per_s"])
        on_gpu = process.device.type == "cuda"
        name = torch.cuda.get_device_name() if on_gpu else f"{torch.get_num_threads()} threads"
        middle = steps[len(steps) // 2]
        middle["memory_gb"] = max(metrics["memory_gb"] for metrics in steps)
        return name, middle


if __name__ == "__main__":
    main()
