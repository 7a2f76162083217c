"""Text token by token from a GPT-2 of 124M: ours against transformers' `generate`.

    python -m benchmarks.generate [--quick]

Both go on from the same prompts of 16 tokens with the same random weights, greedily, in fp32 on two
threads, at batch 1 and batch 8; their tokens must be the same.
"""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from benchmarks.side_by_side import (
    Rounds,
    Run,
    alternate,
    median_rate,
    median_ratio,
    parse_arguments,
    print_result,
)
from model.generation.generate import generate
from model.generation.settings import GenerationConfig
from model.gpt2 import GPT2
from model.hugging_face.layout import to_published
from model.settings import GPT2Config

if TYPE_CHECKING:
    from transformers import GPT2LMHeadModel

_THREADS = 2
_BATCH_SIZES = (1, 8)
_PROMPT_TOKENS = 16
_NEW_TOKENS, _NEW_TOKENS_QUICK = 256, 16
_ROUNDS, _ROUNDS_QUICK = 5, 3


def main() -> None:
    """Measure, and print the result."""
    is_quick = parse_arguments(__doc__).quick
    num_new = _NEW_TOKENS_QUICK if is_quick else _NEW_TOKENS
    torch.set_num_threads(_THREADS)
    model = _random_model()
    peer = _transformers(model)
    rounds = {
        size: _compare(model, peer, size, num_new, _ROUNDS_QUICK if is_quick else _ROUNDS)
        for size in _BATCH_SIZES
    }
    print_result(
        "generate",
        {
            f"transformers_b{size}": median_ratio(done, "ours", "transformers")
            for size, done in rounds.items()
        },
        {
            "num_new_tokens": num_new,
            **{
                f"{name}_b{size}_ms_per_step": 1e3 * size / median_rate(done, name)
                for size, done in rounds.items()
                for name in ("ours", "transformers")
            },
        },
    )


def _compare(
    model: GPT2, peer: "GPT2LMHeadModel", batch_size: int, num_new: int, rounds: int
) -> Rounds:
    generator = torch.Generator().manual_seed(batch_size)
    size = (batch_size, _PROMPT_TOKENS)
    prompts = torch.randint(model.config.vocab_size, size, generator=generator)
    config = GenerationConfig(max_new_tokens=num_new, temperature=0)

    def ours() -> list[list[int | None]]:
        steps = list(generate(model, prompts.tolist(), config))
        return [list(row) for row in zip(*steps, strict=True)]

    def theirs() -> list[list[int | None]]:
        ids = peer.generate(  # pyright: ignore[reportAttributeAccessIssue]
            prompts,
            attention_mask=torch.ones_like(prompts),
            do_sample=False,
            min_new_tokens=num_new,
            max_new_tokens=num_new,
        )
        return ids[:, _PROMPT_TOKENS:].tolist()

    contenders = {"ours": ours, "transformers": theirs}
    turns = {name: lambda call=call: _turn(call) for name, call in contenders.items()}
    alternate(turns, 1)  # compiles our kernels, and warms both
    return alternate(turns, rounds)


def _turn(write: Callable[[], list[list[int | None]]]) -> Run:
    started = time.perf_counter()
    tokens = write()
    seconds = time.perf_counter() - started
    return Run(sum(map(len, tokens)), seconds, tokens)


def _random_model() -> GPT2:
    torch.manual_seed(0)
    model = GPT2(GPT2Config()).eval()
    with torch.no_grad():  # or each token would be the likeliest one after itself
        for block in model.h.parameters():
            block.mul_(3)
    return model


def _transformers(model: GPT2) -> "GPT2LMHeadModel":
    # Seconds to import, and of the `dev` extra only.
    from transformers import GPT2Config as PeerConfig, GPT2LMHeadModel

    # No end-of-text: all continuations have the full length.
    peer = GPT2LMHeadModel(PeerConfig(eos_token_id=None, bos_token_id=None, pad_token_id=0)).eval()
    weights = to_published(model.state_dict(), model.config)
    peer.transformer.load_state_dict(weights)
    return peer


if __name__ == "__main__":
    main()
