"""A training step of GPT-2: ours against a plain one of torch's modules, and against transformers'.

    python -m benchmarks.train [--quick]

Tokens per second of whole steps (forward, backward, clipping, AdamW) in fp32 on one window of
1,024 tokens, of the 124M model. Ours computes the loss in chunks and has a fused AdamW; the plain
one has whole logits and AdamW as it comes, and so has GPT2LMHeadModel. `plain_memory` is the peak
of a process of its own by that of the plain one, on four windows: below 1, ours takes less. Under
`--quick` the model is a small one, whose ratios say little about the large one.

First all three learn from the same 50 batches from the same weights, with the same learning rate,
on a smaller shape: unless their losses agree to 1e-3 at every step, there is nothing to compare.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from benchmarks.side_by_side import (
    Rounds,
    Run,
    alternate,
    median_rate,
    median_ratio,
    parse_arguments,
    print_result,
)
from benchmarks.training_steps import Trainee, make_trainee, peak_memory_gb, random_tokens
from corpus.parallel import map_in_processes
from model.gpt2 import GPT2
from model.settings import GPT2Config, TrainConfig
from model.training.optimizer import learning_rate

_NAMES = ("ours", "plain", "transformers")
_CURVE_STEPS, _TOLERANCE = 50, 1e-3
_CURVE_BATCH = 3
_CURVE_TRAIN = TrainConfig(steps=_CURVE_STEPS, warmup_steps=10)


@dataclass(frozen=True)
class _Plan:
    """What is measured."""

    shape: GPT2Config
    curve_shape: GPT2Config
    eager_rounds: int
    compiled_rounds: int
    memory_windows: int = 4


_CURVE_SHAPE = GPT2Config(n_layer=2, n_head=2, n_embd=64, block_size=100)
# 300 rows of 50,257 are a chunk of logits and a part of another; of 5,000 they are one chunk.
_FULL = _Plan(GPT2Config(), _CURVE_SHAPE, eager_rounds=5, compiled_rounds=7)
_QUICK = _Plan(
    GPT2Config(n_layer=2, n_head=4, n_embd=256, block_size=256),
    _CURVE_SHAPE.model_copy(update={"vocab_size": 5000}),
    eager_rounds=3,
    compiled_rounds=2,
)


def main() -> None:
    """Measure, and print the result."""
    is_quick = parse_arguments(__doc__).quick
    plan = _QUICK if is_quick else _FULL
    differences = _curve_differences(plan.curve_shape, with_compiled=not is_quick)
    for name, difference in differences.items():
        print(f"largest difference of losses over {_CURVE_STEPS} steps: {name} {difference:.1e}")
    # Written so that a difference of nan stops it too.
    if not all(difference <= _TOLERANCE for difference in differences.values()):
        raise SystemExit(f"the losses differ by more than {_TOLERANCE}: nothing to compare")
    peaks_gb = _peaks(plan)
    eager, compiled = _race(plan)
    print_result(
        "train",
        {
            "plain": median_ratio(eager, "ours", "plain"),
            "plain_memory": peaks_gb["ours"] / peaks_gb["plain"],
            "plain_compiled": median_ratio(compiled, "ours", "plain"),
            "transformers": median_ratio(eager, "ours", "transformers"),
        },
        {
            "model": f"{plan.shape.n_layer} layers of {plan.shape.n_embd}",
            "block_size": plan.shape.block_size,
            "is_quick": is_quick,
            **{f"{name}_tokens_per_s": median_rate(eager, name) for name in _NAMES},
            **{
                f"{name}_compiled_tokens_per_s": median_rate(compiled, name) for name in compiled[0]
            },
            **{f"{name}_peak_gb": peak for name, peak in peaks_gb.items()},
            "memory_windows": plan.memory_windows,
            "largest_loss_difference": max(differences.values()),
            "rounds": plan.eager_rounds,
            "torch": torch.__version__,
            "threads": torch.get_num_threads(),
        },
    )


def _curve_differences(shape: GPT2Config, *, with_compiled: bool) -> dict[str, float]:
    """How far the losses of the others lie from ours, at most."""
    torch.manual_seed(0)
    weights = GPT2(shape).state_dict()
    trainees = {name: _alike(name, shape, weights) for name in _NAMES}
    if with_compiled:
        trainees["ours, compiled,"] = _alike("ours", shape, weights).compiled()
    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)  # several would wait for each other at tensors as small as these
    curves = {name: _losses(trainee, shape) for name, trainee in trainees.items()}
    torch.set_num_threads(num_threads)
    ours = curves.pop("ours")
    print(f"loss of ours: {ours[0]:.4f} at the first step, {ours[-1]:.4f} at the last")
    return {name: float((curve - ours).abs().max()) for name, curve in curves.items()}


def _alike(name: str, shape: GPT2Config, weights: Mapping[str, Tensor]) -> Trainee:
    """A contender that learns as ours does: where it is not ours, by torch's unfused AdamW."""
    trainee = make_trainee(name, shape, _CURVE_TRAIN, weights)
    if name == "ours":
        return trainee
    parameters = list(trainee.model.parameters())
    decay = _CURVE_TRAIN.weight_decay
    groups = [
        {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": decay},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
    ]
    betas = (_CURVE_TRAIN.beta1, _CURVE_TRAIN.beta2)
    return replace(trainee, optimizer=torch.optim.AdamW(groups, betas=betas, fused=False))


def _losses(trainee: Trainee, shape: GPT2Config) -> Tensor:
    losses = []
    for step in range(_CURVE_STEPS):
        for group in trainee.optimizer.param_groups:
            group["lr"] = learning_rate(step, _CURVE_TRAIN)
        losses.append(trainee.step(random_tokens(shape, _CURVE_BATCH, seed=step)))
    return torch.tensor(losses, dtype=torch.float64)


def _peaks(plan: _Plan) -> dict[str, float]:
    """Peak memory of each, one after the other, each in a process of its own."""
    tasks = ((name, plan.shape, plan.memory_windows) for name in _NAMES)
    return dict(peak for task in tasks for peak in map_in_processes(peak_memory_gb, [task], 1))


def _race(plan: _Plan) -> tuple[Rounds, Rounds]:
    """Turns of all three, eager; then of ours and the plain one, compiled."""
    tokens = random_tokens(plan.shape, 1)
    torch.manual_seed(0)
    weights = GPT2(plan.shape).state_dict()
    trainees = {name: make_trainee(name, plan.shape, TrainConfig(), weights) for name in _NAMES}
    del weights
    losses = _warm_up(trainees, tokens)
    if not max(losses) - min(losses) <= _TOLERANCE:
        raise SystemExit(f"the first losses differ by more than {_TOLERANCE}: {losses}")
    eager = alternate(_turns(trainees, tokens), plan.eager_rounds)
    compiled = {name: trainees[name].compiled() for name in ("ours", "plain")}
    del trainees  # what transformers holds goes
    _warm_up(compiled, tokens)
    return eager, alternate(_turns(compiled, tokens), plan.compiled_rounds)


def _warm_up(trainees: Mapping[str, Trainee], tokens: Tensor) -> list[float]:
    """The losses of a first step, which compiles and allocates what AdamW keeps."""
    return [trainee.step(tokens) for trainee in trainees.values()]


def _turns(trainees: Mapping[str, Trainee], tokens: Tensor) -> dict[str, Callable[[], Run]]:
    return {name: partial(_turn, trainee, tokens) for name, trainee in trainees.items()}


def _turn(trainee: Trainee, tokens: Tensor) -> Run:
    started = time.perf_counter()
    trainee.step(tokens)
    return Run(tokens[:, 1:].numel(), time.perf_counter() - started)


if __name__ == "__main__":
    main()
