"""Batched scores equal scoring one at a time, and no token is scored twice or left out."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from torch.nn import functional as F

from evaluation.scoring.language_model import GPT2LanguageModel
from evaluation.scoring.requests import Prompt
from evaluation.scoring.scorer import Scorer, answer_here, stream_spans

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


@settings(max_examples=25)
@given(
    st.lists(
        st.tuples(
            st.lists(st.integers(0, 255), max_size=60),
            st.lists(st.integers(0, 255), min_size=1, max_size=20),
        ),
        max_size=12,
    ),
    st.sampled_from([1, 60, 4096]),
)
def test_batched_pairs_score_as_each_alone(model, scorer_of, pairs, batch_tokens):
    scores = scorer_of(model, batch_tokens=batch_tokens).loglikelihood(pairs)
    expected = [naive(model, *pair) for pair in pairs]
    assert [score.is_greedy for score in scores] == [greedy for _, greedy in expected]
    assert [score.logprob for score in scores] == pytest.approx(
        [logprob for logprob, _ in expected], rel=1e-4, abs=1e-4
    )


def test_greedy_is_true_for_what_the_model_would_say(model, scorer_of):
    context = [72, 101, 108]
    with torch.inference_mode():
        best = int(model(torch.tensor([context]))[0, -1].argmax())
    other = (best + 1) % 256
    scores = scorer_of(model).loglikelihood([(context, [best]), (context, [other])])
    assert [score.is_greedy for score in scores] == [True, False]


@settings(max_examples=80)
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
def test_rolling_equals_one_token_at_a_time(model, scorer_of, stride):
    rng = np.random.default_rng(1)
    streams = [rng.integers(0, 256, length) for length in (0, 100, 1, 0, 0, 33, 32, 0)]
    all_logprobs = scorer_of(model, stride).loglikelihood_rolling(streams)
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


def test_a_continuation_must_fit(model, scorer_of):
    with pytest.raises(ValueError, match="1 to 32"):
        scorer_of(model).loglikelihood([([1], [2] * 33)])
    with pytest.raises(ValueError, match="1 to 32"):
        scorer_of(model).loglikelihood([([1], [])])


def test_a_stride_longer_than_the_block_is_the_block(model, scorer_of):
    assert scorer_of(model, 1024).stride == 32


token_lists = st.lists(st.integers(0, 255), min_size=1, max_size=9)


@settings(max_examples=25)
@given(
    st.lists(
        st.tuples(
            st.lists(st.integers(0, 255), max_size=40),
            st.lists(token_lists, min_size=1, max_size=4),
        ),
        min_size=1,
        max_size=6,
    ),
    st.sampled_from([1, 100, 4096]),
)
def test_choices_that_share_a_context_score_as_each_alone(
    model, scorer_of, questions, batch_tokens
):
    shared = scorer_of(model, batch_tokens=batch_tokens).choices(questions)
    apart = scorer_of(model, shares_contexts=False).choices(questions)
    for (context, ends), ours, theirs in zip(questions, shared, apart, strict=True):
        room = 33 - max(map(len, ends))
        for end, score, other in zip(ends, ours, theirs, strict=True):
            expected, is_greedy = naive(model, context[-room:], end)
            assert score.logprob == pytest.approx(expected, rel=1e-4, abs=1e-4)
            assert other.logprob == pytest.approx(expected, rel=1e-4, abs=1e-4)
            assert score.is_greedy == other.is_greedy == is_greedy
            assert len(score.logprobs) == len(end)


def test_the_likeliest_first_tokens_are_named_in_their_order(model, scorer_of):
    contexts = [[72, 101], [33] * 20]
    scores = scorer_of(model).loglikelihood([(each, [1, 2]) for each in contexts], num_top=5)
    for context, score in zip(contexts, scores, strict=True):
        with torch.inference_mode():
            likeliest = model(torch.tensor([context]))[0, -1].topk(5).indices
        assert list(score.top) == likeliest.tolist()


def test_texts_are_those_of_greedy_decoding_one_at_a_time(model, scorer_of):
    prompts = [[72, 101], [], [33] * 40, [1, 2, 3]]
    asked = [Prompt(tuple(prompt), max_new_tokens=6) for prompt in prompts]
    texts = scorer_of(model).generate(asked)
    for prompt, text in zip(prompts, texts, strict=True):
        token_ids = (prompt or [EOT])[-27:]
        for _ in range(6):
            with torch.inference_mode():
                token_ids = [*token_ids, int(model(torch.tensor([token_ids]))[0, -1].argmax())]
        assert text == token_ids[-6:]


def test_a_stop_token_ends_its_text_and_is_left_out(model, scorer_of):
    [whole] = scorer_of(model).generate([Prompt((72, 101), max_new_tokens=6)])
    stop = frozenset(whole[3:4])
    [cut] = scorer_of(model).generate([Prompt((72, 101), max_new_tokens=6, stop=stop)])
    assert cut == whole[: whole.index(whole[3])]


def test_drawn_texts_depend_on_seed_and_place_not_on_the_batch(model, scorer_of):
    prompts = [Prompt((72, 101, n), max_new_tokens=8, top_k=20, seed=3) for n in range(5)]
    together = scorer_of(model).generate(prompts)
    assert scorer_of(model, batch_tokens=1).generate(prompts) == together
    again = [replace(prompt, seed=4) for prompt in prompts]
    assert scorer_of(model).generate(again) != together


def test_bf16_is_near_fp32(model, tokenizer):
    pairs = [([72, 101, 108], [108, 111]), ([33] * 20, [7])]
    totals = {}
    for precision in ("fp32", "bf16"):
        answering = answer_here(GPT2LanguageModel(model, precision))
        scores = Scorer(32, tokenizer.end_of_text, answering).loglikelihood(pairs)
        totals[precision] = [score.logprob for score in scores]
    assert totals["bf16"] != totals["fp32"]
    assert totals["bf16"] == pytest.approx(totals["fp32"], rel=0.05)
