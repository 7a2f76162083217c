"""WMT-14 French-English: the translation of a sentence, asked for by examples of translations."""

import math
from collections.abc import Iterator, Sequence
from functools import cache, partial
from itertools import islice
from typing import Final, NamedTuple

import pyarrow as pa
import sacrebleu

from corpus.benchmarks.translations import Translation, wmt_translations
from evaluation.answers.sentences import Language, split_sentences
from evaluation.metric import Metric, column
from evaluation.scoring.requests import Prompt
from evaluation.task import (
    Row,
    Subject,
    Task,
    Variant,
    benchmarks_folder,
    nothing_to_score,
)
from evaluation.tasks.answer_line import line_ends

# The longest French line of the set has 159 tokens of GPT-2.
_NUM_NEW_TOKENS: Final = 200
# Examples that leave room: the first ten take 364 tokens of GPT-2.
_LONGEST_EXAMPLE: Final = 100


class Sentence(NamedTuple):
    """A sentence and its translation."""

    source: str
    target: str


def measure_wmt14(
    subject: Subject, target: Language, num_pairs: int = 5, whole_line: bool = False
) -> Iterator[Row]:
    """The first sentence that the model writes after example pairs and the sentence itself.

    As in the paper (section 3.7): pairs `english sentence = french sentence`, then `english
    sentence =`, greedy. Which pairs and how many it does not say: here the first of newstest2013
    with at most 100 characters on either side, a line each. Where the block has no room for all of
    them the first ones are left out. A model of a block under 400 tokens writes half a block.

    Args:
        subject: The model.
        target: The language to translate into.
        num_pairs: Example pairs.
        whole_line: Take all that the model writes up to a line end, not its first sentence only.

    Raises:
        NotAvailableError: a file is missing.
        NoExamplesError: there is no sentence, or no benchmarks folder was named.
    """
    folder = benchmarks_folder(subject)
    lines = islice(wmt_translations(folder, 2014), subject.max_examples)
    sentences = [_directed(line, target) for line in lines]
    if not sentences:
        raise nothing_to_score()
    pairs = (_directed(line, target) for line in wmt_translations(folder, 2013))
    examples = list(islice(filter(_is_short, pairs), num_pairs))
    prompts = list(_prompts(subject, examples, sentences))
    texts = subject.scorer.generate(prompts)
    for sentence, token_ids in zip(sentences, texts, strict=True):
        written = split_sentences(subject.tokenizer.decode(token_ids), target)
        translation = " ".join(written if whole_line else written[:1])
        yield {
            "nats": 0.0,  # no log-probability is looked at
            "num_tokens": len(token_ids),
            "translation": translation,
            **bleu_counts(translation, sentence.target),
        }


def bleu_counts(translation: str, reference: str) -> dict[str, int]:
    """All that BLEU needs to know of a translation: sums of these are the counts of a corpus."""
    found = _sacrebleu().corpus_score([translation], [[reference]])
    return dict(
        zip(_COUNTS, [*found.counts, *found.totals, found.sys_len, found.ref_len], strict=True)
    )


def bleu_percent(sums: Sequence[float]) -> float:
    """BLEU of a corpus (Papineni et al. 2002) from the sums of its counts.

    Not smoothed: without a single 4-gram in common it is 0, where sacrebleu by default gives a bit.

    Raises:
        ZeroDivisionError: there is no reference.
    """
    correct, total, (written, expected) = sums[:4], sums[4:8], sums[8:]
    if not expected:
        raise ZeroDivisionError
    if min(correct) <= 0:
        return 0.0
    brevity = min(1.0, math.exp(1 - expected / written))
    logs = [math.log(100 * right / all_) for right, all_ in zip(correct, total, strict=True)]
    return brevity * math.exp(sum(logs) / len(logs))


def _directed(line: Translation, target: Language) -> Sentence:
    if target == "fr":
        return Sentence(line.english, line.french)
    return Sentence(line.french, line.english)


def _is_short(pair: Sentence) -> bool:
    return max(map(len, pair)) <= _LONGEST_EXAMPLE


def _prompts(
    subject: Subject, examples: list[Sentence], sentences: list[Sentence]
) -> Iterator[Prompt]:
    encode, block_size = subject.tokenizer.encode, subject.scorer.block_size
    num_new = min(_NUM_NEW_TOKENS, block_size // 2)
    stop = line_ends(subject.tokenizer) | {subject.tokenizer.end_of_text}
    pairs = [encode(f"{pair.source} = {pair.target}\n") for pair in examples]
    for sentence in sentences:
        token_ids = encode(f"{sentence.source} =")
        for pair in reversed(pairs):
            if len(pair) + len(token_ids) + num_new > block_size:
                break
            token_ids = pair + token_ids
        yield Prompt(tuple(token_ids), num_new, stop)


@cache
def _sacrebleu() -> sacrebleu.BLEU:
    return sacrebleu.BLEU(tokenize="13a")


_COUNTS: Final = (
    *(f"correct_{n}" for n in (1, 2, 3, 4)),
    *(f"total_{n}" for n in (1, 2, 3, 4)),
    "num_words",
    "num_reference_words",
)
_BLEU: Final = Metric(
    "bleu", "in percent, tokenised as 13a, cased", tuple(map(column, _COUNTS)), bleu_percent
)


def _task(name: str, target: Language) -> Task:
    def variant(name: str, description: str, num_pairs: int, whole_line: bool = False) -> Variant:
        measure = partial(measure_wmt14, target=target, num_pairs=num_pairs, whole_line=whole_line)
        return Variant(name, f"greedy, {description}", measure)

    return Task(
        name,
        1,
        (("translation", pa.string()), *((count, pa.int64()) for count in _COUNTS)),
        (_BLEU,),
        (
            variant("pairs_5", "5 example pairs, first sentence", 5),
            variant("pairs_1", "1 example pair, first sentence", 1),
            variant("pairs_10", "10 example pairs, first sentence", 10),
            variant("whole_line", "5 example pairs, whole line", 5, whole_line=True),
        ),
        text_set="wmt14",
    )


WMT14_EN_FR: Final = _task("wmt14_en_fr", "fr")
WMT14_FR_EN: Final = _task("wmt14_fr_en", "en")
