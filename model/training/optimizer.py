"""AdamW and its learning rate, its state as named tensors, whole or shared among the processes.

ZeRO stage 1 (Rajbhandari et al. 2020): every process updates its share of the parameters, keeps
the two running means of that share only, and sends the new weights to the others. The split goes by
whole parameters, so the shares of any number of processes put together are the same named tensors.
"""

import math
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from corpus.errors import WebtextError
from model.settings import TrainConfig

_STATE = ("exp_avg", "exp_avg_sq", "step")
"""What AdamW keeps of a parameter: means of its gradient and of its square, updates so far."""


def make_optimizer(model: nn.Module, config: TrainConfig, world_size: int = 1) -> Optimizer:
    """AdamW that decays matrices only: a bias or a norm pulled to zero is no simpler model.

    With `shard_optimizer` and several processes it is a collective step: all of them take it or
    none. The learning rate is set through `param_groups`, and gradients are clipped before the
    step, in both kinds alike.
    """
    parameters = list(model.parameters())
    groups = [
        {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
    ]
    betas = (config.beta1, config.beta2)
    if config.shard_optimizer and world_size > 1:
        # Here, as this import takes a second that other trainings need not wait.
        from torch.distributed.optim import ZeroRedundancyOptimizer

        return ZeroRedundancyOptimizer(groups, AdamW, lr=config.lr, betas=betas, fused=True)
    # One kernel for all parameters on CUDA; on a CPU a third of the time of the default.
    return AdamW(groups, lr=config.lr, betas=betas, fused=True)


def learning_rate(step: int, config: TrainConfig) -> float:
    """Linear warm-up to `lr`, then a cosine down to `min_lr` at the last step."""
    if step < config.warmup_steps:
        return config.lr * (step + 1) / config.warmup_steps
    decay_steps = max(1, config.steps - 1 - config.warmup_steps)
    progress = min(1.0, (step - config.warmup_steps) / decay_steps)
    return config.min_lr + (config.lr - config.min_lr) * (1 + math.cos(math.pi * progress)) / 2


def optimizer_tensors(model: nn.Module, optimizer: Optimizer) -> dict[str, Tensor]:
    """What this process holds of the optimizer's state, as "exp_avg/h.0.attn.c_attn.weight".

    Talks to no other process. The tensors are the optimizer's own, which the next step changes;
    there are none before the first step.
    """
    return {
        f"{part}/{name}": state[part]
        for name, _, state in _parameters(model, optimizer)
        for part in _STATE
        if part in state
    }


def load_optimizer_tensors(
    model: nn.Module, optimizer: Optimizer, tensors: Mapping[str, Tensor]
) -> None:
    """Give the optimizer the state of a whole training, however many processes saved it.

    Args:
        model: The model whose parameters the optimizer updates.
        optimizer: Of `make_optimizer`; takes copies of what this process needs.
        tensors: Those of `optimizer_tensors`, of all processes that saved together; none stands
            for an optimizer before its first step.

    Raises:
        WebtextError: tensors are missing, or of another model; nothing has changed.
    """
    _check(model, tensors)
    for name, parameter, state in _parameters(model, optimizer):
        state.clear()
        if not tensors:
            continue
        # load_state_dict would leave "step" on the CPU under ZeRO, where fused kernels on CUDA
        # cannot read it (pytorch issue 124133).
        state["step"] = tensors[f"step/{name}"].to(parameter.device, torch.float32, copy=True)
        for part in ("exp_avg", "exp_avg_sq"):
            state[part] = torch.empty_like(parameter).copy_(tensors[f"{part}/{name}"])


def _parameters(
    model: nn.Module, optimizer: Optimizer
) -> Iterator[tuple[str, nn.Parameter, dict[str, Tensor]]]:
    """The parameters that this process updates: name, weights, and their state (yours to fill)."""
    # ZeroRedundancyOptimizer keeps the state of its share in an optimizer of its own.
    local = getattr(optimizer, "optim", optimizer)
    mine = {parameter for group in local.param_groups for parameter in group["params"]}
    for name, parameter in model.named_parameters():
        if parameter in mine:
            yield name, parameter, local.state[parameter]


def _check(model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    if not tensors:
        return
    wanted = {
        f"{part}/{name}": torch.Size() if part == "step" else parameter.shape
        for name, parameter in model.named_parameters()
        for part in _STATE
    }
    problems = [f"{name} is missing" for name in wanted if name not in tensors]
    problems += [f"{name} is unknown" for name in tensors if name not in wanted]
    problems += [
        f"{name} is {tuple(tensors[name].shape)}, not {tuple(shape)}"
        for name, shape in wanted.items()
        if name in tensors and tensors[name].shape != shape
    ]
    if problems:
        raise WebtextError(
            f"the saved optimizer does not fit the model: {problems[0]}, "
            f"{len(problems)} such tensors in all",
            hint="Remove this checkpoint to go on from the one before it.",
        )
