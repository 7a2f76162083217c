"""The texts that a training split must not contain: held-out split, benchmarks, a user's files."""

import gzip
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, TextIO, cast

import orjson
import zstandard

from corpus.benchmarks.language_modeling import (
    character_pieces,
    lambada_passages,
    lm1b_sentences,
    ptb_sentences,
    wikitext_articles,
)
from corpus.benchmarks.questions import (
    CbtWords,
    cbt_questions,
    cnndm_summaries,
    coqa_conversations,
    nq_open_questions,
    wsc_sentences,
)
from corpus.benchmarks.translations import wmt_translations
from corpus.errors import UsageError, WebtextError
from corpus.stage import Inputs

Item = Mapping[str, str]
"""One example: its text by part, in reading order. N-grams never cross parts."""

WHOLE: Final = "text"
"""The one part of an example without parts."""
PARTS: Final = ("passage", "question", "answer")

# A gzip file can be no gzip, end too early, or be damaged in between.
_DAMAGED: Final = (
    gzip.BadGzipFile,
    EOFError,
    zlib.error,
    zstandard.ZstdError,
    UnicodeDecodeError,
)


@dataclass(frozen=True)
class TextSet:
    """One set of example texts, and how the report and the figures call it."""

    slug: str
    """Its name in shards and figures; where evaluation has a task for it, the task's name."""
    name: str
    paper_percent: float | None
    """Percentage of its 8-grams that WebText's training split holds, in the paper."""
    items: Callable[[Path], Iterator[Item]] | None
    """Its examples, from a benchmarks folder; None where they come from the corpus itself."""


def file_text_set(path: Path) -> TextSet:
    """A user's file as a text set of its own, named after the file.

    Args:
        path: A `.txt` file (an example per line), or `.jsonl` (an object per line, with a "text",
            or with some of "passage", "question", "answer"); either may end in `.gz` or `.zst`.
            It is read when `items` is called; the folder given there plays no part.

    Raises:
        UsageError: there is no such file, or it is of another kind.
    """
    kind = "".join(suffix for suffix in path.suffixes if suffix not in (".gz", ".zst"))
    if not path.is_file() or not kind.endswith((".txt", ".jsonl")):
        problem = "is of another kind" if path.is_file() else "does not exist"
        raise UsageError(
            f"text file {path} {problem}",
            hint="Give a .txt file (a text per line) or .jsonl, or one of them as .gz or .zst.",
        )
    read = _read_objects if kind.endswith(".jsonl") else _read_lines
    # The dot of the suffix keeps it apart from the names of the sets below.
    slug = re.sub(r"[^\w.-]", "_", path.name, flags=re.ASCII)
    return TextSet(slug, path.name, None, partial(_file_items, path, read))


def _whole(texts: Callable[[Path], Iterator[str]], folder: Path) -> Iterator[Item]:
    return ({WHOLE: text} for text in texts(folder))


def _nq_open(folder: Path) -> Iterator[Item]:
    # The first answer only: run together, answers would make n-grams that nobody wrote.
    for question, answers in nq_open_questions(folder):
        yield {"question": question, "answer": answers[0] if answers else ""}


def _coqa(folder: Path) -> Iterator[Item]:
    # A conversation is one example: its passage is counted once, not once per question, as the
    # paper counts documents (section 4), and turns of five words have no n-gram of their own.
    for passage, questions, answers in coqa_conversations(folder):
        yield {"passage": passage, "question": "\n".join(questions), "answer": "\n".join(answers)}


def _cbt(words: CbtWords, folder: Path) -> Iterator[Item]:
    # The sentence with its word put back: what a training text that has the book would hold.
    for cloze in cbt_questions(folder, words):
        yield {"passage": cloze.passage, "question": cloze.completed, "answer": cloze.answer}


def _cnndm(folder: Path) -> Iterator[Item]:
    for article, highlights in cnndm_summaries(folder):
        yield {"passage": article, "answer": highlights}


def _wmt14(folder: Path) -> Iterator[Item]:
    for english, french in wmt_translations(folder, 2014):
        yield {"passage": english, "answer": french}


def _file_items(
    path: Path, read: Callable[[Path, Iterable[str]], Iterator[Item]], _folder: Path
) -> Iterator[Item]:
    try:
        with _open_text(path) as lines:
            yield from read(path, lines)
    except _DAMAGED as exc:
        raise WebtextError(
            f"text file {path} is damaged or not UTF-8: {exc}", hint="Give a whole file."
        ) from exc


def _open_text(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return cast(TextIO, gzip.open(path, "rt", encoding="utf-8"))
    if path.suffix == ".zst":
        return cast(TextIO, zstandard.open(path, "rt", encoding="utf-8"))
    return path.open(encoding="utf-8")


def _read_lines(_path: Path, lines: Iterable[str]) -> Iterator[Item]:
    # Empty lines count: an example's number is its line's.
    return ({WHOLE: line} for line in lines)


def _read_objects(path: Path, lines: Iterable[str]) -> Iterator[Item]:
    for number, line in enumerate(lines, start=1):
        try:
            value = orjson.loads(line)
        except orjson.JSONDecodeError:
            value = None
        fields = value if isinstance(value, dict) else {}
        item = {name: fields[name] for name in (WHOLE, *PARTS) if name in fields}
        if not item or not all(isinstance(text, str) for text in item.values()):
            raise WebtextError(
                f'line {number} of {path} is no object with a "text" or {", ".join(PARTS)}',
                hint='Write {"text": "..."} on every line, strings only.',
            )
        yield item


_WIKITEXT2: Final = partial(wikitext_articles, name="wikitext2")
_WIKITEXT103: Final = partial(wikitext_articles, name="wikitext103")

# Paper figure 5 gives the held-out split's median only: 2.6 %.
HELD_OUT: Final = TextSet("heldout", "held-out split", None, None)

TEXT_SETS: Final[tuple[TextSet, ...]] = (
    HELD_OUT,
    TextSet("lambada", "LAMBADA", 1.2, partial(_whole, lambada_passages)),  # section 4: an average
    # Table 6. WikiText's examples are articles. PTB's are sentences, because Mikolov's file has
    # lost its documents' borders: an n-gram across two lines need not have been in one text.
    TextSet("ptb", "PTB", 0.88, partial(_whole, ptb_sentences)),
    TextSet("wikitext2", "WikiText-2", 1.63, partial(_whole, _WIKITEXT2)),
    # Pieces of ten thousand characters: of their 8-grams one in 200 crosses from one to the next.
    TextSet("enwik8", "enwik8", 6.31, partial(_whole, partial(character_pieces, name="enwik8"))),
    TextSet("text8", "text8", 3.94, partial(_whole, partial(character_pieces, name="text8"))),
    TextSet("wikitext103", "WikiText-103", 2.42, partial(_whole, _WIKITEXT103)),
    TextSet("lm1b", "One Billion Word", 3.75, partial(_whole, lm1b_sentences)),
    TextSet("wsc273", "Winograd schemas", None, partial(_whole, wsc_sentences)),
    TextSet("nq_open", "Natural Questions", None, _nq_open),
    TextSet("coqa", "CoQA", None, _coqa),
    TextSet("cnndm", "CNN/Daily Mail", None, _cnndm),
    TextSet("wmt14", "WMT-14 French-English", None, _wmt14),
    TextSet("cbt_cn", "CBT common nouns", None, partial(_cbt, "CN")),
    TextSet("cbt_ne", "CBT named entities", None, partial(_cbt, "NE")),
)


def text_sets(inputs: Inputs) -> tuple[TextSet, ...]:
    """All sets to look for: those above, and the files `texts-0`, `texts-1`, ... of a user.

    Raises:
        UsageError: a file is of another kind, or has the name of another.
    """
    paths = [path for role, path in sorted(inputs.items()) if role.startswith("texts-")]
    ours = [file_text_set(path) for path in paths]
    slugs = Counter(text_set.slug for text_set in (*TEXT_SETS, *ours))
    for path, text_set in zip(paths, ours, strict=True):
        if slugs[text_set.slug] > 1:
            raise UsageError(
                f"{path} has the name of another text set, {text_set.slug}",
                hint="Rename it: the table has a row per name.",
            )
    return (*TEXT_SETS, *ours)
