"""Reads the files of a benchmarks folder, and holds them against what was published."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Literal

from corpus.benchmarks.catalog import BenchmarkFile
from corpus.benchmarks.files import NotAvailableError
from corpus.benchmarks.language_modeling import (
    LAMBADA_FILE,
    LAMBADA_PLAIN_FILE,
    LM1B_FILE,
    RAW_WIKITEXT_FILE,
    character_pieces,
    lambada_passages,
    lambada_plain_passages,
    lm1b_sentences,
    ptb_sentences,
    raw_wikitext_articles,
    wikitext_articles,
)
from corpus.benchmarks.questions import (
    CNNDM_FILE,
    COQA_FILE,
    NQ_OPEN_FILE,
    WINOGRAD_FILE,
    WSC273_FILE,
    cbt_questions,
    cnndm_summaries,
    coqa_conversations,
    nq_open_questions,
    winograd_schemas,
    wsc_sentences,
)
from corpus.benchmarks.translations import wmt_translations
from corpus.errors import WebtextError

State = Literal["ok", "damaged", "missing"]

READERS: Final[Mapping[str, Callable[[Path], Iterator[object]]]] = {
    LAMBADA_FILE: lambada_passages,
    LAMBADA_PLAIN_FILE: lambada_plain_passages,
    LM1B_FILE: lm1b_sentences,
    WINOGRAD_FILE: winograd_schemas,
    WSC273_FILE: wsc_sentences,
    NQ_OPEN_FILE: nq_open_questions,
    COQA_FILE: coqa_conversations,
    CNNDM_FILE: cnndm_summaries,
    "cbt/cbtest_CN_valid_2000ex.txt": partial(cbt_questions, words="CN"),
    "cbt/cbtest_NE_valid_2000ex.txt": partial(cbt_questions, words="NE"),
    RAW_WIKITEXT_FILE: raw_wikitext_articles,
    "wikitext2/wiki.test.tokens": partial(wikitext_articles, name="wikitext2"),
    "wikitext2/wiki.train.tokens": partial(wikitext_articles, name="wikitext2", split="train"),
    "wikitext103/wiki.test.tokens": partial(wikitext_articles, name="wikitext103"),
    "wikitext103/wiki.train.tokens": partial(wikitext_articles, name="wikitext103", split="train"),
    "ptb/ptb.test.txt": ptb_sentences,
    "ptb/ptb.train.txt": partial(ptb_sentences, split="train"),
    "enwik8/enwik8": partial(character_pieces, name="enwik8"),
    "text8/text8": partial(character_pieces, name="text8"),
    "wmt_fr_en/newstest2014.fra": partial(wmt_translations, year=2014),
    "wmt_fr_en/newstest2014.eng": partial(wmt_translations, year=2014),
    "wmt_fr_en/newstest2013.fra": partial(wmt_translations, year=2013),
    "wmt_fr_en/newstest2013.eng": partial(wmt_translations, year=2013),
}
"""What reads each published file, by `set/name`: the readers that the tasks use."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a look at a file found."""

    state: State
    sha256: str = ""
    num_examples: int | None = None
    """As its reader counts them; None: it was not read to its end."""
    problem: str = ""
    """Why it is damaged; else empty."""


def check_file(folder: Path, file: BenchmarkFile) -> Finding:
    """Read a file of a benchmarks folder to its end, and compare what was published of it."""
    path = folder / file.path
    if not path.is_file():
        return Finding("missing")
    with path.open("rb") as content:
        sha256 = hashlib.file_digest(content, "sha256").hexdigest()
    try:
        num_examples = sum(1 for _ in READERS[file.path](folder))
    except NotAvailableError:  # the other half of a pair of files is missing, and reported itself
        num_examples = None
    except WebtextError as exc:
        return Finding("damaged", sha256, None, exc.message)
    problem = _difference(file, path.stat().st_size, num_examples, sha256)
    return Finding("damaged" if problem else "ok", sha256, num_examples, problem)


def _difference(file: BenchmarkFile, num_bytes: int, num_examples: int | None, sha256: str) -> str:
    """The first that differs from what was published; empty if nothing does."""
    if file.num_bytes not in (None, num_bytes):
        return f"it has {num_bytes:,} bytes, not {file.num_bytes:,}"
    if num_examples is not None and file.num_examples not in (None, num_examples):
        return f"it has {num_examples:,} examples, not {file.num_examples:,}"
    if file.sha256 not in (None, sha256):
        return f"its sha256 is not the published {file.sha256}"
    return ""
