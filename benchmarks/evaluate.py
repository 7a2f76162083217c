"""Zero-shot scores from a GPT-2 of 124M: ours against lm-evaluation-harness.

    python -m benchmarks.evaluate [--quick]

Both read the same folder with random weights and score the same texts in fp32, from text to
log-probability, in turns. `lm_eval_lambada`: the last words of LAMBADA's passages per second.
`lm_eval_choices`: ten sentences behind a context of 450 tokens, as in the Children's Book Test,
questions per second. Ours has the batches that it has in use; the harness has the fastest of
several sizes, which are tried first. Log-probabilities that differ by more than 1e-3 void the
comparison. Under `--quick` the model is a small one, in which the output layer weighs more: its
ratios say little about the large one.
"""

import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from benchmarks.real_data import REAL_DATA
from benchmarks.side_by_side import (
    Rounds,
    Run,
    alternate,
    median_rate,
    median_ratio,
    parse_arguments,
    print_result,
)
from corpus.tokenizer import Tokenizer
from evaluation.scoring.language_model import GPT2LanguageModel
from evaluation.scoring.scorer import Scorer, answer_here
from model.checkpoint import load_checkpoint, save_checkpoint
from model.gpt2 import GPT2
from model.settings import GPT2Config

_TOLERANCE = 1e-3
_NUM_CHOICES = 10
_CONTEXT_WORDS, _END_WORDS = 360, 11  # of WikiText: 450 and 15 tokens

Questions = list[tuple[str, list[str]]]
"""Contexts, and what may follow each."""


@dataclass(frozen=True)
class _Plan:
    """What is measured."""

    shape: GPT2Config
    num_passages: int
    num_questions: int
    rounds: int
    batch_sizes: tuple[int, ...]


_FULL = _Plan(GPT2Config(), 16, 1, rounds=5, batch_sizes=(1, 4, 16))
_QUICK = _Plan(GPT2Config(n_layer=4, n_head=2, n_embd=128), 16, 1, rounds=2, batch_sizes=(4,))


def main() -> None:
    """Measure, and print the result."""
    is_quick = parse_arguments(__doc__).quick
    plan = _QUICK if is_quick else _FULL
    if not REAL_DATA.is_dir():
        raise SystemExit(f"no real data in {REAL_DATA}: set WEBTEXT_TEST_DATA")
    with tempfile.TemporaryDirectory() as folder:
        contest = _Contest(plan, Path(folder))
        lambada = contest.race("lambada", _passages(plan.num_passages))
        choices = contest.race("choices", _questions(plan.num_questions))
    print_result(
        "evaluate",
        {
            "lm_eval_lambada": median_ratio(lambada, "ours", "lm_eval"),
            "lm_eval_choices": median_ratio(choices, "ours", "lm_eval"),
        },
        {
            "model": f"{plan.shape.n_layer} layers of {plan.shape.n_embd}",
            "is_quick": is_quick,
            **{
                f"{name}_{what}_per_s": median_rate(rounds, name)
                for what, rounds in (("lambada", lambada), ("choices", choices))
                for name in ("ours", "lm_eval")
            },
            **contest.figures,
            "rounds": plan.rounds,
            "torch": torch.__version__,
            "threads": torch.get_num_threads(),
        },
    )


class _Contest:
    """The two scorers of one model."""

    def __init__(self, plan: _Plan, folder: Path) -> None:
        self.figures: dict[str, int | float | str] = {}
        self._plan = plan
        _write_random_model(folder, plan.shape)
        checkpoint = load_checkpoint(folder)
        self._tokenizer = checkpoint.tokenizer
        answering = answer_here(GPT2LanguageModel(checkpoint.model))
        self._scorer = Scorer(plan.shape.block_size, self._tokenizer.end_of_text, answering)
        self._harness: Any = _load_harness(folder)

    def race(self, name: str, questions: Questions) -> Rounds:
        """Turns of both, once the harness has its best batch size and the numbers agree."""
        trials = {size: self._lm_eval(questions, size) for size in self._plan.batch_sizes}
        size = max(trials, key=lambda size: trials[size].rate)
        ours = np.array(self._ours(questions).result)
        difference = float(np.abs(ours - np.array(trials[size].result)).max())
        print(
            f"{name}: the harness is fastest in batches of {size}; they differ by {difference:.1e}"
        )
        # Written so that a difference of nan stops it too.
        if not difference <= _TOLERANCE:
            raise SystemExit(f"the log-probabilities differ by {difference}: nothing to compare")
        self.figures |= {f"lm_eval_{name}_batch_size": size, f"{name}_difference": difference}
        turns = {
            "ours": lambda: replace(self._ours(questions), result=None),
            "lm_eval": lambda: replace(self._lm_eval(questions, size), result=None),
        }
        return alternate(turns, self._plan.rounds)

    def _ours(self, questions: Questions) -> Run:
        started = time.perf_counter()
        encode = self._tokenizer.encode
        asked = [(encode(context), [encode(end) for end in ends]) for context, ends in questions]
        if all(len(ends) == 1 for _, ends in asked):
            pairs = [(context, ends[0]) for context, ends in asked]
            scores = [[score] for score in self._scorer.loglikelihood(pairs)]
        else:
            scores = self._scorer.choices(asked)
        seconds = time.perf_counter() - started
        return Run(len(questions), seconds, [each.logprob for some in scores for each in some])

    def _lm_eval(self, questions: Questions, batch_size: int) -> Run:
        pairs = [(context, end) for context, ends in questions for end in ends]
        requests = [SimpleNamespace(args=pair) for pair in pairs]
        self._harness.batch_size_per_gpu = batch_size
        started = time.perf_counter()
        scores = self._harness.loglikelihood(requests, disable_tqdm=True)
        seconds = time.perf_counter() - started
        return Run(len(questions), seconds, [logprob for logprob, _ in scores])


def _passages(number: int) -> Questions:
    path = REAL_DATA / "benchmarks" / "lambada" / "lambada_test.jsonl"
    with path.open(encoding="utf-8") as lines:
        texts = [json.loads(line)["text"] for line in islice(lines, number)]
    return [(text[: text.rindex(" ")], [text[text.rindex(" ") :]]) for text in texts]


def _questions(number: int) -> Questions:
    """Words of WikiText, and after them the next ones with the first of them exchanged."""
    path = REAL_DATA / "benchmarks" / "wikitext2_raw" / "wiki.test.raw"
    words = path.read_text(encoding="utf-8").split()
    size = _CONTEXT_WORDS + _END_WORDS
    return [_question(words[at : at + size]) for at in range(0, number * size, size)]


def _question(words: Sequence[str]) -> tuple[str, list[str]]:
    context, end = words[:_CONTEXT_WORDS], words[_CONTEXT_WORDS:]
    candidates = sorted(set(context), key=len)[-_NUM_CHOICES:]
    return " ".join(context), [" " + " ".join([each, *end[1:]]) for each in candidates]


def _write_random_model(folder: Path, shape: GPT2Config) -> None:
    torch.manual_seed(0)
    model = GPT2(shape)
    with torch.no_grad():  # or each token would be the likeliest one after itself
        for block in model.h.parameters():
            block.mul_(3)
    save_checkpoint(folder, model, Tokenizer.load(REAL_DATA / "gpt2_bpe"), step=0)


def _load_harness(folder: Path) -> object:
    # Seconds to import, and of the `dev` extra only.
    from lm_eval.models import huggingface

    make: Any = huggingface.HFLM  # what it takes is hidden by a decorator
    return make(pretrained=str(folder), device="cpu", dtype="float32", batch_size=1)


if __name__ == "__main__":
    main()
