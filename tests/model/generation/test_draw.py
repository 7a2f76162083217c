"""Tokens come as often as the model says, of those that may come at all."""

from collections import Counter

import pytest
import torch
from hypothesis import given, settings, strategies as st

from model.generation.draw import draw
from model.generation.settings import GenerationConfig

NUM_DRAWS = 2000
PROBABILITIES = [0.05, 0.4, 0.03, 0.3, 0.02, 0.2]


def frequencies(config: GenerationConfig, probabilities: list[float]) -> dict[int, float]:
    """How often each token is drawn by numbers that cover [0, 1) evenly."""
    logits = torch.tensor(probabilities).log().expand(NUM_DRAWS, -1)
    tokens = draw(logits, config, [(i + 0.5) / NUM_DRAWS for i in range(NUM_DRAWS)])
    return {token: count / NUM_DRAWS for token, count in sorted(Counter(tokens).items())}


@pytest.mark.parametrize(
    ("settings_", "expected"),
    [
        ({"top_k": "all"}, dict(enumerate(PROBABILITIES))),
        ({"top_k": 6}, dict(enumerate(PROBABILITIES))),
        ({"top_k": 40}, dict(enumerate(PROBABILITIES))),
        ({"top_k": 2}, {1: 4 / 7, 3: 3 / 7}),
        ({"top_k": 1}, {1: 1}),
        ({"top_k": "all", "top_p": 0.65}, {1: 4 / 7, 3: 3 / 7}),
        ({"top_k": "all", "top_p": 0.75}, {1: 4 / 9, 3: 3 / 9, 5: 2 / 9}),
        ({"top_k": "all", "top_p": 1e-9}, {1: 1}),
        # top_p is a share of what top_k leaves: of 4/9, 3/9, 2/9.
        ({"top_k": 3, "top_p": 0.7}, {1: 4 / 7, 3: 3 / 7}),
        ({"top_k": 2, "temperature": 0.5}, {1: 16 / 25, 3: 9 / 25}),
        ({"top_k": 2, "temperature": 1e-30}, {1: 1}),
        ({"temperature": 0}, {1: 1}),
    ],
)
def test_frequencies(settings_, expected):
    found = frequencies(GenerationConfig(**settings_), PROBABILITIES)
    assert found == pytest.approx(expected, abs=2 / NUM_DRAWS)


def test_a_token_without_probability_never_comes():
    logits = torch.tensor([[-torch.inf, 0.0, -torch.inf]]).expand(3, -1)
    for top_k in ("all", 3):
        config = GenerationConfig(top_k=top_k)
        assert draw(logits, config, [0.0, 0.5, 1 - 2**-53]) == [1, 1, 1]


@settings(max_examples=30)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(["all", 1, 5, 100]),
    st.sampled_from([0.3, 1.0]),
    st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=5),
)
def test_a_row_s_token_is_its_own(seed, top_k, top_p, uniforms):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(len(uniforms), 50, generator=generator)
    config = GenerationConfig(top_k=top_k, top_p=top_p)
    together = draw(logits, config, uniforms)
    alone = [draw(row[None], config, [u])[0] for row, u in zip(logits, uniforms, strict=True)]
    assert together == alone
