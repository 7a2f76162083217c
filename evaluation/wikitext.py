"""WikiText-2 and WikiText-103: perplexity per original word, on text written as by an author."""

import math
import re
from collections.abc import Iterator
from functools import partial
from itertools import accumulate, chain, islice
from typing import Final

import numpy as np

from corpus.benchmarks.language_modeling import WikiText, wikitext_articles
from evaluation.examples import Example
from evaluation.metric import Metric, column
from evaluation.task import NoExamplesError, Subject, Task, benchmarks_folder

# WikiText's texts were split into words for other models; undoing that gained the paper's models
# 2.5 to 5 perplexity (section 3.1). The paper's own rules are unpublished; these cover what
# Megatron's and lm-eval's de-tokenizers cover. In order: later rules rely on earlier ones.
_RULES: Final = tuple(
    (re.compile(pattern, re.MULTILINE), replacement)
    for pattern, replacement in (
        (r" @([-,.])@ ", r"\1"),  # "guest @-@ starring", "1 @,@ 000", "2 @.@ 5"
        (r" ([:;.!?,%°])(?=\s|$)", r"\1"),  # punctuation sticks to the word before it
        (r"([(\[{]) ", r"\1"),
        (r" ([)\]}])", r"\1"),
        (r'" ([^"\n]*?) "', r'"\1"'),  # quotes come in pairs within a line
        (r" ('(?:s|m|d|re|ve|ll)|n't)\b", r"\1"),  # "Teddy 's"
        (r"s ' ", r"s' "),  # "actors ' roles"
        (r"([$£€]) (?=\d)", r"\1"),
        (r"= (?==)", "="),  # " = = Career = = " is a heading of level 2
        (r"[ \t]+$", ""),
        (r"^[ \t]+", ""),
    )
)


def detokenize(text: str) -> str:
    """Write WikiText's tokens as an author would have: `guest @-@ starring` as `guest-starring`.

    Words stay words and lines stay lines; `<unk>` stays.
    """
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text


def count_words(text: str) -> int:
    """Words of the text as published, one end-of-line per line included.

    So counted, both test sets have the 245,569 tokens that their paper gives.
    """
    return len(text.split()) + text.count("\n")


def measure_wikitext(subject: Subject, name: WikiText) -> Iterator[Example]:
    """Each article's part of the loss, articles end to end as one stream.

    An article is encoded on its own: it begins with a line end after a line end, where GPT-2's
    pattern always cuts, so the stream is that of the whole file and each token is one article's.

    Raises:
        NotAvailableError: the file is missing.
        NoExamplesError: it is empty, or no benchmarks folder was named.
    """
    folder = benchmarks_folder(subject)
    articles = list(islice(wikitext_articles(folder, name), subject.max_examples))
    token_ids = [subject.tokenizer.encode(detokenize(article)) for article in articles]
    stream = list(chain.from_iterable(token_ids))
    if not stream:
        raise NoExamplesError(f"{name}'s file is empty", hint="Get the published file again.")
    [logprobs] = subject.scorer.rolling_logprobs([stream])
    ends = list(accumulate(map(len, token_ids)))
    per_article = np.split(logprobs, ends[:-1])
    for number, (article, part) in enumerate(zip(articles, per_article, strict=True)):
        yield Example(number, -math.fsum(part), len(part), num_words=count_words(article))


_PROTOCOL: Final = "detokenised, one stream, stride {stride}"
_METRICS: Final = (
    Metric(
        "word_perplexity",
        f"per original word with line ends, {_PROTOCOL}",
        column("nats"),
        column("num_words"),
        is_exponential=True,
    ),
    Metric(
        "token_perplexity",
        f"per token of the model, {_PROTOCOL}",
        column("nats"),
        column("num_tokens"),
        is_exponential=True,
    ),
)
WIKITEXT2: Final = Task("wikitext2", _METRICS, partial(measure_wikitext, name="wikitext2"))
WIKITEXT103: Final = Task("wikitext103", _METRICS, partial(measure_wikitext, name="wikitext103"))
