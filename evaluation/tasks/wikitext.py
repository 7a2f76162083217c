"""WikiText-2 and WikiText-103: perplexity per original word, articles as one stream."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

from corpus.benchmarks.language_modeling import (
    WikiText,
    raw_wikitext_articles,
    wikitext_articles,
)
from evaluation.metric import word_metrics
from evaluation.task import Row, Subject, Task, Variant, benchmarks_folder
from evaluation.tasks.detokenizers import WIKITEXT
from evaluation.tasks.one_stream import UNITS, Part, measure_stream

Articles = Callable[[Path], Iterator[str]]


def count_words(text: str) -> int:
    """Words of the text as published, one end-of-line per line included.

    So counted, both test sets have the 245,569 tokens that their paper gives.
    """
    return len(text.split()) + text.count("\n")


def measure_wikitext(
    subject: Subject, articles: Articles, written: Callable[[str], str]
) -> Iterator[Row]:
    """Each article's part of the loss.

    An article is encoded on its own: it begins with a line end after a line end, where GPT-2's
    pattern always cuts, so the stream is that of the whole file and each token is one article's.

    Args:
        subject: The model.
        articles: Reads the file of a benchmarks folder.
        written: What becomes of an article before it is scored.

    Raises:
        NotAvailableError: the file is missing.
        NoExamplesError: it is empty, or no benchmarks folder was named.
    """
    texts = articles(benchmarks_folder(subject))
    return measure_stream(subject, (Part(written(text), count_words(text)) for text in texts))


def _task(name: WikiText, *more: Variant) -> Task:
    measure = partial(measure_wikitext, articles=partial(wikitext_articles, name=name))
    variants = (
        Variant("detokenised", "de-tokenised, one stream", partial(measure, written=WIKITEXT)),
        Variant("raw", "as published, one stream", partial(measure, written=str)),
        *more,
    )
    return Task(name, 1, UNITS, word_metrics(), variants, is_rolling=True)


# The file of most published figures for GPT-2: it has as many words, line ends included.
_ALL_WORDS: Final = partial(measure_wikitext, articles=raw_wikitext_articles)
WIKITEXT2: Final = _task(
    "wikitext2",
    Variant("all_words", "the raw file, one stream", partial(_ALL_WORDS, written=str)),
    Variant(
        "all_words_detokenised",
        "the raw file, de-tokenised, one stream",
        partial(_ALL_WORDS, written=WIKITEXT),
    ),
)
WIKITEXT103: Final = _task("wikitext103")
