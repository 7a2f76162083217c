"""Batched scores equal scoring one at a time, and no token is scored twice or left out."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from torch.nn import functional as F

from evaluation.scorer import Scorer, stream_spans

EOT = 256


@torch.inference_mode()
def naive(model, context: list[int], continuation: list[int]) -> tuple[float, bool]:
    """One pair alone, without padding, from the model's own full logits."""
    token_ids = torch.tensor([*(context or [EOT]), *continuation][-model.config.block_size - 1 :])
    logits = model(token_ids[None, :-1])
    logprobs = F.log_softmax(logits[0, -len(continuation) :], dim=-1)
    targets = token_ids[-len(continuation) :]
    picked = logprobs.gather(1, targets[:, None]).double().sum().item()
    return picked, bool((logprobs.argmax(-1) == targets).all())


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.lists(st.integers(0, 255), max_size=60),
            st.lists(st.integers(0, 255), min_size=1, max_size=20),
        ),
        max_size=12,
    )
)
def test_batched_pairs_score_as_each_alone(model, pairs):
    scores = Scorer(model, EOT).loglikelihood(pairs)
    expected = [naive(model, *pair) for pair in pairs]
    assert [score.is_greedy for score in scores] == [greedy for _, greedy in expected]
    assert [score.logprob for score in scores] == pytest.approx(
        [logprob for logprob, _ in expected], rel=1e-4, abs=1e-4
    )


def test_greedy_is_true_for_what_the_model_would_say(model):
    context = [72, 101, 108]
    with torch.inference_mode():
        best = int(model(torch.tensor([context]))[0, -1].argmax())
    other = (best + 1) % 256
    scores = Scorer(model, EOT).loglikelihood([(context, [best]), (context, [other])])
    assert [score.is_greedy for score in scores] == [True, False]


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 300), st.integers(1, 40), st.integers(1, 40))
def test_every_token_is_scored_once_with_its_context_in_the_block(num_tokens, block_size, stride):
    stride = min(stride, block_size)
    scored = []
    for start, first_scored, end in stream_spans(num_tokens, block_size, stride):
        scored += range(first_scored, end + 1)
        assert 0 <= start < first_scored
        assert end - start <= block_size
        # The context is as long as the block allows.
        assert start == 0 or end - start == block_size
    assert scored == list(range(1, num_tokens + 1))


@pytest.mark.parametrize("stride", [1, 7, 32])
def test_rolling_equals_one_token_at_a_time(model, stride):
    rng = np.random.default_rng(1)
    streams = [rng.integers(0, 256, length) for length in (0, 100, 1, 0, 0, 33, 32, 0)]
    all_logprobs = list(Scorer(model, EOT, stride).rolling_logprobs(streams))
    for stream, logprobs in zip(streams, all_logprobs, strict=True):
        tokens = [EOT, *stream.tolist()]
        expected = []
        for start, first, end in stream_spans(len(stream), 32, stride):
            for i in range(first, end + 1):
                expected.append(naive(model, tokens[start:i], [tokens[i]])[0])
        assert logprobs == pytest.approx(np.array(expected), rel=1e-4, abs=1e-4)


def test_more_context_is_seen_with_a_shorter_stride(model):
    spans = {stride: list(stream_spans(100, 32, stride)) for stride in (8, 32)}
    contexts = {
        stride: min(first - start for start, first, _ in some if start)
        for stride, some in spans.items()
    }
    assert contexts == {8: 25, 32: 1}


def test_a_continuation_must_fit_and_a_stride_too(model):
    with pytest.raises(ValueError, match="1 to 32"):
        Scorer(model, EOT).loglikelihood([([1], [2] * 33)])
    with pytest.raises(ValueError, match="1 to 32"):
        Scorer(model, EOT).loglikelihood([([1], [])])
    with pytest.raises(ValueError, match="stride"):
        Scorer(model, EOT, stride=33)
