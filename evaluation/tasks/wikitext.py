"""WikiText-2 and WikiText-103: perplexity per original word, articles as one stream."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from corpus.benchmarks.language_modeling import WikiText, wikitext_articles
from evaluation.metric import word_metrics
from evaluation.task import Row, Subject, Task, Variant, benchmarks_folder
from evaluation.tasks.detokenizers import WIKITEXT
from evaluation.tasks.one_stream import UNITS, Part, measure_stream


def count_words(text: str) -> int:
    """Words of the text as published, one end-of-line per line included.

    So counted, both test sets have the 245,569 tokens that their paper gives.
    """
    return len(text.split()) + text.count("\n")


def measure_wikitext(
    subject: Subject, name: WikiText, written: Callable[[str], str]
) -> Iterator[Row]:
    """Each article's part of the loss.

    An article is encoded on its own: it begins with a line end after a line end, where GPT-2's
    pattern always cuts, so the stream is that of the whole file and each token is one article's.

    Args:
        subject: The model.
        name: The set.
        written: What becomes of an article before it is scored.

    Raises:
        NotAvailableError: the file is missing.
        NoExamplesError: it is empty, or no benchmarks folder was named.
    """
    articles = wikitext_articles(benchmarks_folder(subject), name)
    return measure_stream(subject, (Part(written(each), count_words(each)) for each in articles))


def _task(name: WikiText) -> Task:
    measure = partial(measure_wikitext, name=name)
    variants = (
        Variant("detokenised", "de-tokenised, one stream", partial(measure, written=WIKITEXT)),
        Variant("raw", "as published, one stream", partial(measure, written=str)),
    )
    return Task(name, 1, UNITS, word_metrics(), variants, is_rolling=True)


WIKITEXT2: Final = _task("wikitext2")
WIKITEXT103: Final = _task("wikitext103")
