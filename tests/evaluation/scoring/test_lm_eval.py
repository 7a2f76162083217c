"""The numbers are those of lm-evaluation-harness, from the same folder and the same texts.

Its rule for long texts is ours where the stride is the block: windows of a whole block, one after
the other, and for the last one as much context as the block allows. Of a prompt that is too long
it keeps one token less than fits: the last new token is never read. Its sums are in double
precision here, as ours are: in single precision the total of a window is rounded to 1e-3.
"""

import json
import re
from itertools import islice, pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from corpus.tokenizer import Tokenizer
from evaluation.scoring.language_model import GPT2LanguageModel
from evaluation.scoring.requests import Prompt
from evaluation.scoring.scorer import Scorer, answer_here
from evaluation.scoring.transformers_model import load_transformers_model
from model.checkpoint import load_checkpoint, save_checkpoint
from model.gpt2 import GPT2
from model.settings import GPT2Config

pytest.importorskip("lm_eval", reason="lm-evaluation-harness is not installed")

BLOCK, NUM_NEW = 1024, 12


@pytest.fixture(scope="module")
def folder(real_data, tmp_path_factory) -> Path:
    torch.manual_seed(1)
    model = GPT2(GPT2Config(block_size=BLOCK, n_layer=2, n_head=2, n_embd=64))
    with torch.no_grad():  # larger weights: predictions that differ from token to token
        for parameter in model.h.parameters():
            parameter.mul_(5)
    folder = tmp_path_factory.mktemp("gpt2")
    save_checkpoint(folder, model, Tokenizer.load(real_data / "gpt2_bpe"), step=0)
    return folder


@pytest.fixture(scope="module")
def harness(folder):
    from lm_eval.models import huggingface

    make: Any = huggingface.HFLM  # what it takes is hidden by a decorator
    precise = {"dtype": "float32", "softmax_dtype": "float64"}
    return make(pretrained=str(folder), device="cpu", batch_size=2, **precise)


@pytest.fixture(scope="module")
def tokenizer(folder) -> Tokenizer:
    return Tokenizer.load(folder)


@pytest.fixture(scope="module")
def scorers(folder, tokenizer) -> list[Scorer]:
    cpu = torch.device("cpu")
    ours = GPT2LanguageModel(load_checkpoint(folder).model)
    models = (ours, load_transformers_model(folder, cpu, "fp32")[0])
    return [Scorer(BLOCK, tokenizer.end_of_text, answer_here(model)) for model in models]


@pytest.fixture(scope="module")
def pairs(benchmarks) -> list[tuple[str, str]]:
    """The passages of LAMBADA without their last word, and that word with its space."""
    with (benchmarks / "lambada" / "lambada_test.jsonl").open() as lines:
        texts = [json.loads(line)["text"] for line in islice(lines, 200)]
    return [(text[: text.rindex(" ")], text[text.rindex(" ") :]) for text in texts]


@pytest.fixture(scope="module")
def pages(benchmarks) -> list[str]:
    """The twenty shortest articles of WikiText-2, the longest of them of two windows."""
    text = (benchmarks / "wikitext2_raw" / "wiki.test.raw").read_text()
    starts = [match.start() for match in re.finditer(r"^ = [^=]+ = $", text, re.MULTILINE)]
    articles = [text[i:j] for i, j in pairwise([*starts, len(text)])]
    return sorted(articles, key=len)[:20]


def requests(arguments: list[tuple]) -> list[SimpleNamespace]:
    """What the harness reads of its requests."""
    return [SimpleNamespace(args=each, arguments=each) for each in arguments]


@pytest.mark.parametrize("number", [20, pytest.param(200, marks=pytest.mark.slow)])
def test_words_of_lambada_are_as_likely(harness, scorers, tokenizer, pairs, number):
    some = pairs[:number]
    theirs = harness.loglikelihood(requests(some), disable_tqdm=True)
    token_ids = [(tokenizer.encode(context), tokenizer.encode(word)) for context, word in some]
    for scorer in scorers:
        ours = scorer.loglikelihood(token_ids)
        assert [score.logprob for score in ours] == pytest.approx(
            [logprob for logprob, _ in theirs], rel=0, abs=1e-3
        )
        assert [score.is_greedy for score in ours] == [is_greedy for _, is_greedy in theirs]


@pytest.mark.parametrize("number", [1, pytest.param(20, marks=pytest.mark.slow)])
def test_pages_of_wikitext_are_as_likely(harness, scorers, tokenizer, pages, number):
    some = pages[-number:]
    theirs = harness.loglikelihood_rolling(requests([(page,) for page in some]), disable_tqdm=True)
    token_ids = [tokenizer.encode(page) for page in some]
    assert max(map(len, token_ids)) > BLOCK
    for scorer in scorers:
        ours = [logprobs.sum() for logprobs in scorer.loglikelihood_rolling(token_ids)]
        assert ours == pytest.approx(theirs, rel=0, abs=1e-3)


def test_greedy_texts_are_the_same(harness, scorers, tokenizer, pairs):
    contexts = [context for context, _ in pairs[:20]]
    how = {"until": [], "max_gen_toks": NUM_NEW, "do_sample": False}
    theirs = harness.generate_until(requests([(text, how) for text in contexts]), disable_tqdm=True)
    assert len(set(theirs)) > len(theirs) / 2
    stop = frozenset([tokenizer.end_of_text])
    prompts = [Prompt(tuple(tokenizer.encode(text)), NUM_NEW, stop) for text in contexts]
    for scorer in scorers:
        assert [tokenizer.decode(text) for text in scorer.generate(prompts)] == theirs
