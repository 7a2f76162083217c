"""WikiText-2 and WikiText-103: perplexity per original word, articles as one stream."""

from collections.abc import Iterator
from functools import partial
from typing import Final

from corpus.benchmarks.language_modeling import WikiText, wikitext_articles
from evaluation.detokenizers import WIKITEXT
from evaluation.examples import Example
from evaluation.metric import word_metrics
from evaluation.one_stream import Part, measure_stream
from evaluation.task import Subject, Task, benchmarks_folder


def count_words(text: str) -> int:
    """Words of the text as published, one end-of-line per line included.

    So counted, both test sets have the 245,569 tokens that their paper gives.
    """
    return len(text.split()) + text.count("\n")


def measure_wikitext(subject: Subject, name: WikiText) -> Iterator[Example]:
    """Each article's part of the loss.

    An article is encoded on its own: it begins with a line end after a line end, where GPT-2's
    pattern always cuts, so the stream is that of the whole file and each token is one article's.

    Raises:
        NotAvailableError: the file is missing.
        NoExamplesError: it is empty, or no benchmarks folder was named.
    """
    articles = wikitext_articles(benchmarks_folder(subject), name)
    parts = (Part(WIKITEXT(article), count_words(article)) for article in articles)
    return measure_stream(subject, parts)


_METRICS: Final = word_metrics("detokenised, one stream, stride {stride}")
WIKITEXT2: Final = Task("wikitext2", _METRICS, partial(measure_wikitext, name="wikitext2"))
WIKITEXT103: Final = Task("wikitext103", _METRICS, partial(measure_wikitext, name="wikitext103"))
