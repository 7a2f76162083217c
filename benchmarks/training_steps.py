"""One training step of GPT-2, three times: ours, torch's modules put together, transformers'."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks.plain_gpt2 import PlainGPT2
from model.gpt2 import GPT2
from model.settings import GPT2Config, TrainConfig
from model.training.loop import compile_model
from model.training.optimizer import make_optimizer

_TURNED = ("c_attn.weight", "c_proj.weight", "c_fc.weight")


@dataclass(frozen=True)
class Trainee:
    """A model with what trains it."""

    model: nn.Module
    loss: Callable[[Tensor, Tensor], Tensor]
    optimizer: torch.optim.Optimizer
    grad_clip: float

    def step(self, tokens: Tensor) -> float:
        """Learn from (B, T + 1) tokens; the loss before it."""
        loss = self.loss(tokens[:, :-1], tokens[:, 1:])
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), self.grad_clip)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return loss.item()

    def compiled(self) -> "Trainee":
        """The same model and optimizer, under torch.compile: ours as the trainer does it."""
        if isinstance(self.model, GPT2):
            compile_model(self.model)
            return self
        return replace(self, loss=torch.compile(self.loss))


def make_trainee(
    name: str, config: GPT2Config, train: TrainConfig, weights: Mapping[str, Tensor] | None = None
) -> Trainee:
    """Build a contender.

    Args:
        name: "ours"; "plain", of torch's modules; or "transformers". The last two have AdamW with
            its defaults.
        config: The model's shape.
        train: What our optimizer takes, and the clipping of all.
        weights: A state dict of ours to begin with; random ones where it is None.
    """
    if name == "ours":
        ours = GPT2(config)
        if weights is not None:
            ours.load_state_dict(weights)
        return Trainee(ours, ours, make_optimizer(ours, train), train.grad_clip)
    if name == "plain":
        model: nn.Module = PlainGPT2(config)
        loss = model
        named = weights
    else:
        model, loss = _transformers(config)
        named = None if weights is None else _named_by_transformers(weights)
    if named is not None:
        _load(model, named)
    return Trainee(model, loss, torch.optim.AdamW(model.parameters()), train.grad_clip)


def peak_memory_gb(task: tuple[str, GPT2Config, int]) -> tuple[str, float]:
    """A contender's name and the most that its process ever had resident; for a fresh process."""
    name, config, batch_size = task
    trainee = make_trainee(name, config, TrainConfig())
    tokens = random_tokens(config, batch_size)
    # The first step ends with AdamW's two means, which lie beside the activations of the second.
    trainee.step(tokens[:1, :9])
    trainee.step(tokens)
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return name, int(line.split()[1]) * 1024 / 1e9


def random_tokens(config: GPT2Config, batch_size: int, seed: int = 0) -> Tensor:
    """(batch_size, block_size + 1) ids, small ones often, so that there is something to learn."""
    generator = torch.Generator().manual_seed(seed)
    spread = torch.rand(batch_size, config.block_size + 1, generator=generator)
    return (spread**4 * config.vocab_size).long()


def _transformers(config: GPT2Config) -> tuple[nn.Module, Callable[[Tensor, Tensor], Tensor]]:
    # Here, as it would count in the memory of the others.
    import transformers

    model = transformers.GPT2LMHeadModel(
        transformers.GPT2Config(
            vocab_size=config.vocab_size,
            n_positions=config.block_size,
            n_embd=config.n_embd,
            n_layer=config.n_layer,
            n_head=config.n_head,
            resid_pdrop=config.dropout,
            embd_pdrop=config.dropout,
            attn_pdrop=config.dropout,
            use_cache=False,
            bos_token_id=config.vocab_size - 1,
            eos_token_id=config.vocab_size - 1,
        )
    )

    model.loss_type = "ForCausalLM"  # its default, which it takes with a warning

    def loss(ids: Tensor, targets: Tensor) -> Tensor:
        # Given `labels` alone it predicts one token less, as it takes them from the inputs.
        targets = targets.contiguous()
        return model(input_ids=ids, labels=targets, shift_labels=targets).loss

    return model, loss


def _named_by_transformers(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {
        f"transformer.{name}": tensor.T if name.endswith(_TURNED) else tensor
        for name, tensor in weights.items()
    }


def _load(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Copy weights by name, without the padding of the vocabulary."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():  # the tied output layer is no second one
            parameter.copy_(weights[name][: len(parameter)])
