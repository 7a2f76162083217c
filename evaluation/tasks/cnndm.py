"""CNN/Daily Mail: a summary of a news article, which nothing but "TL;DR:" asks for."""

from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import Final

import numpy as np
import pyarrow as pa

from corpus.benchmarks.questions import Summary, cnndm_summaries
from evaluation.answers.rouge import rouge
from evaluation.answers.sentences import split_sentences
from evaluation.metric import column, ratio
from evaluation.scoring.requests import Prompt
from evaluation.task import Row, Subject, Task, Variant, benchmarks_folder, nothing_to_score

HINT: Final = "\nTL;DR:"
_NUM_SENTENCES: Final = 3
_NUM_NEW_TOKENS: Final = 100


def measure_written(
    subject: Subject,
    hint: str = HINT,
    top_k: int | None = 2,
    seed: int = 0,
    keep_end: bool = False,
) -> Iterator[Row]:
    """What the model writes after each article: 100 tokens, of which the first three sentences.

    As in the paper (section 3.6). An article that leaves no room for the hint and the summary is
    cut; a model of a block under 200 tokens writes half a block.

    Args:
        subject: The model.
        hint: What follows the article, if anything.
        top_k: Draw among so many of the likeliest tokens; None takes the likeliest.
        seed: Of the draws.
        keep_end: Whether it is the beginning of a long article that is cut off; else its end.

    Raises:
        NotAvailableError: the file is missing.
        NoExamplesError: it is empty, or no benchmarks folder was named.
    """
    num_new = min(_NUM_NEW_TOKENS, subject.scorer.block_size // 2)
    hint_ids = subject.tokenizer.encode(hint)
    room = max(0, subject.scorer.block_size - num_new - len(hint_ids))
    stop = frozenset([subject.tokenizer.end_of_text])
    examples = _examples(subject)
    prompts: list[Prompt] = []
    for example in examples:
        article_ids = subject.tokenizer.encode(example.article.rstrip())
        kept = article_ids[max(0, len(article_ids) - room) :] if keep_end else article_ids[:room]
        prompts.append(Prompt((*kept, *hint_ids), num_new, stop, top_k, seed))
    texts = subject.scorer.generate(prompts)
    for example, token_ids in zip(examples, texts, strict=True):
        sentences = split_sentences(subject.tokenizer.decode(token_ids))
        yield _row(example, sentences[:_NUM_SENTENCES], len(token_ids))


def measure_taken(subject: Subject, at_random: bool = False) -> Iterator[Row]:
    """Three sentences of each article as its summary: what a model must beat.

    Args:
        subject: Its model is not asked.
        at_random: Take any three (Random-3), not the first three (Lead-3): news begin with what
            matters.

    Raises:
        NotAvailableError: the file is missing.
        NoExamplesError: it is empty, or no benchmarks folder was named.
    """
    for place, example in enumerate(_examples(subject)):
        sentences = split_sentences(example.article)
        taken = random_three(sentences, place) if at_random else sentences[:_NUM_SENTENCES]
        yield _row(example, taken, 0)


def random_three(sentences: list[str], place: int) -> list[str]:
    """Any three sentences in their order; in the same place of the set always the same ones."""
    drawn = np.random.default_rng(place).permutation(len(sentences))[:_NUM_SENTENCES]
    return [sentences[i] for i in sorted(drawn)]


def _examples(subject: Subject) -> list[Summary]:
    some = islice(cnndm_summaries(benchmarks_folder(subject)), subject.max_examples)
    examples = list(some)
    if not examples:
        raise nothing_to_score()
    return examples


def _row(example: Summary, summary: list[str], num_tokens: int) -> Row:
    found = rouge(summary, split_sentences(example.highlights))
    # No log-probability is looked at: there is none of a text that was taken.
    row = {"nats": 0.0, "num_tokens": num_tokens, "summary": "\n".join(summary)}
    return row | found._asdict()


def _rouge_mean(examples: pa.Table) -> np.ndarray:
    return sum((column(name)(examples) for name in _KINDS), np.zeros(len(examples))) / len(_KINDS)


_KINDS: Final = ("rouge1", "rouge2", "rougeL")
_LENGTH: Final = "100 tokens, their first 3 sentences"
CNNDM: Final = Task(
    "cnndm",
    1,
    (("summary", pa.string()), *((name, pa.float64()) for name in _KINDS)),
    (
        ratio("rouge1", "F1 in percent, stemmed", column("rouge1")),
        ratio("rouge2", "F1 in percent, stemmed", column("rouge2")),
        ratio("rougeL", "F1 in percent, stemmed, by sentence (rougeLsum)", column("rougeL")),
        ratio("rouge_mean", "mean of ROUGE-1, -2 and -L", _rouge_mean),
    ),
    (
        Variant("tldr", f'after "TL;DR:", top-k 2, {_LENGTH}', measure_written),
        Variant("no_hint", f"no hint, top-k 2, {_LENGTH}", partial(measure_written, hint="")),
        Variant("lead_3", "no model: the first 3 sentences", measure_taken),
        Variant("random_3", "no model: 3 random sentences", partial(measure_taken, at_random=True)),
        Variant(
            "greedy", f'after "TL;DR:", greedy, {_LENGTH}', partial(measure_written, top_k=None)
        ),
        Variant(
            "seed_1",
            f'after "TL;DR:", top-k 2, other draws, {_LENGTH}',
            partial(measure_written, seed=1),
        ),
        Variant(
            "article_end",
            f'long articles by their end, after "TL;DR:", top-k 2, {_LENGTH}',
            partial(measure_written, keep_end=True),
        ),
    ),
)
"""Zero-shot summaries by the protocol of section 3.6, and the paper's own two baselines."""
