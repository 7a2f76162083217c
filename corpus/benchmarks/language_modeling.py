"""The sets on which a language model is scored as it is: texts, unchanged, one after the other."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

from corpus.benchmarks.files import benchmark_file, foreign, read_lines, read_objects

WikiText = Literal["wikitext2", "wikitext103"]
CharacterSet = Literal["enwik8", "text8"]
Split = Literal["train", "valid", "test"]

LAMBADA_FILE: Final = "lambada/lambada_test.jsonl"
LAMBADA_PLAIN_FILE: Final = "lambada/lambada_test_plain_text.txt"
_CHARACTER_SET_BYTES: Final = 100_000_000
_TEST_BYTES: Final = 5_000_000
_CONTINUATIONS: Final = bytes(range(0x80, 0xC0))
_PIECE: Final = 10_000
_CUT: Final = re.compile(r"(?<=\S)(?= \S)|(?<=\S)\n(?=\S)")

RAW_WIKITEXT_FILE: Final = "wikitext2_raw/wiki.test.raw"
LM1B_FILE: Final = "lm1b/news.en.heldout-00000-of-00050"


def lambada_passages(folder: Path) -> Iterator[str]:
    """The passages of LAMBADA's test set as OpenAI scored them: 5,153, unprocessed text.

    Raises:
        NotAvailableError: the file is missing.
        WebtextError: a line is not a JSON object with a text.
    """
    path = benchmark_file(folder, LAMBADA_FILE)
    for number, value in read_objects(path):
        if not isinstance(value.get("text"), str):
            raise foreign(path, f'line {number} is not {{"text": ...}}')
        yield value["text"]


def lambada_plain_passages(folder: Path) -> Iterator[str]:
    """The same passages as they were first published: in lower case, split into tokens.

    Raises:
        NotAvailableError: the file is missing.
    """
    for line in read_lines(benchmark_file(folder, LAMBADA_PLAIN_FILE)):
        yield line.rstrip("\n")


def wikitext_articles(folder: Path, name: WikiText, split: Split = "test") -> Iterator[str]:
    """The articles of a WikiText split, tokenised as published; joined they are the file.

    An article begins at the empty line before its title, ` = Title = ` between empty lines. A
    formula can look like a title, but text follows it: the test sets have 60 articles, as the
    paper says (section 4).

    Raises:
        NotAvailableError: the file is missing.
    """
    yield from _articles(read_lines(benchmark_file(folder, f"{name}/wiki.{split}.tokens")))


def raw_wikitext_articles(folder: Path) -> Iterator[str]:
    """The same articles of WikiText-2's test set with all their words and characters: no `<unk>`.

    Raises:
        NotAvailableError: the file is missing.
    """
    yield from _articles(read_lines(benchmark_file(folder, RAW_WIKITEXT_FILE)))


def _articles(lines: Iterator[str]) -> Iterator[str]:
    article: list[str] = []
    # A title shows by the line behind it, so two lines are held back; never the whole file: the
    # train split of WikiText-103 has half a gigabyte.
    held: list[str] = []
    for line in lines:
        if len(held) == 2:
            if article and _is_title(held[0], held[1], line):
                yield "".join(article)
                article = []
            article.append(held.pop(0))
        held.append(line)
    if article or held:
        yield "".join([*article, *held])


def ptb_sentences(folder: Path, split: Split = "test") -> Iterator[str]:
    """The lines of a split of the Penn Treebank in Mikolov's version: a sentence each.

    Raises:
        NotAvailableError: the file is missing.
    """
    yield from read_lines(benchmark_file(folder, f"ptb/ptb.{split}.txt"))


def lm1b_sentences(folder: Path) -> Iterator[str]:
    """The lines of the One Billion Word Benchmark's test set: shuffled sentences of news.

    The publishers' own test set is the first of the 50 held-out files.

    Raises:
        NotAvailableError: the file is missing.
    """
    yield from read_lines(benchmark_file(folder, LM1B_FILE))


def character_pieces(folder: Path, name: CharacterSet) -> Iterator[str]:
    """The last five million bytes of enwik8 or text8, in pieces of some ten thousand characters.

    Each piece ends before a space or after a line end that stand alone, where GPT-2's pattern
    always cuts. Half a character at the very beginning is left out.

    Raises:
        NotAvailableError: the file is missing.
        WebtextError: it has not 100,000,000 bytes, or is not UTF-8.
    """
    path = benchmark_file(folder, f"{name}/{name}")
    if (size := path.stat().st_size) != _CHARACTER_SET_BYTES:
        raise foreign(path, f"it has {size:,} bytes, not {_CHARACTER_SET_BYTES:,}")
    with path.open("rb") as file:
        file.seek(-_TEST_BYTES, os.SEEK_END)
        content = file.read().lstrip(_CONTINUATIONS)
    try:
        text = content.decode()
    except UnicodeDecodeError as exc:
        raise foreign(path, f"it is not UTF-8 ({exc.reason})") from exc
    start = 0
    while start < len(text):
        cut = _CUT.search(text, start + _PIECE)
        end = cut.end() if cut else len(text)
        yield text[start:end]
        start = end


def _is_title(before: str, line: str, after: str) -> bool:
    is_heading = line.startswith(" = ") and line.rstrip().endswith(" =")
    return is_heading and line[3] != "=" and not before.strip() and not after.strip()
