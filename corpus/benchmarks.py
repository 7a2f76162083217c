"""Readers of the benchmarks' published files: what they say, unchanged, one text after the other.

A benchmarks folder holds one subfolder per set, with the file names that the publishers chose.
Scores and the overlap report read the same texts through this module.
"""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Final, Literal

import orjson

from corpus.errors import WebtextError

WikiText = Literal["wikitext2", "wikitext103"]

LAMBADA_FILE: Final = "lambada/lambada_test.jsonl"
PTB_FILE: Final = "ptb/ptb.test.txt"
WIKITEXT_FILES: Final[dict[WikiText, str]] = {
    "wikitext2": "wikitext2/wiki.test.tokens",
    "wikitext103": "wikitext103/wiki.test.tokens",
}

_SOURCES: Final = {
    LAMBADA_FILE: "https://openaipublic.blob.core.windows.net/gpt-2/data/lambada_test.jsonl",
    PTB_FILE: "http://www.fit.vutbr.cz/~imikolov/rnnlm/simple-examples.tgz (data/ptb.test.txt)",
    WIKITEXT_FILES["wikitext2"]: "https://wikitext.smerity.com/wikitext-2-v1.zip",
    WIKITEXT_FILES["wikitext103"]: "https://wikitext.smerity.com/wikitext-103-v1.zip",
}


class NotAvailableError(WebtextError):
    """A benchmark's file is not there; the hint says where to get it."""


def lambada_passages(folder: Path) -> Iterator[str]:
    """The passages of LAMBADA's test set as OpenAI scored them: 5,153, unprocessed text.

    Raises:
        NotAvailableError: the file is missing.
        WebtextError: a line is not a JSON object with a text.
    """
    path = _path(folder, LAMBADA_FILE)
    for number, line in enumerate(_lines(path), start=1):
        try:
            text = orjson.loads(line)["text"]
        except (ValueError, TypeError, KeyError) as exc:
            raise _foreign(path, f'line {number} is not {{"text": ...}}', LAMBADA_FILE) from exc
        if not isinstance(text, str):
            raise _foreign(path, f"line {number} has no text", LAMBADA_FILE)
        yield text


def wikitext_articles(folder: Path, name: WikiText) -> Iterator[str]:
    """The articles of a WikiText test set, tokenised as published; joined they are the file.

    An article begins at the empty line before its title, ` = Title = ` between empty lines. A
    formula can look like a title, but text follows it: the test sets have 60 articles, as the
    paper says (section 4).

    Raises:
        NotAvailableError: the file is missing.
    """
    lines = list(_lines(_path(folder, WIKITEXT_FILES[name])))
    starts = [i - 1 for i in range(1, len(lines) - 1) if _is_title(*lines[i - 1 : i + 2])]
    cuts = sorted({0, *starts, len(lines)})
    for start, end in pairwise(cuts):
        yield "".join(lines[start:end])


def ptb_sentences(folder: Path) -> Iterator[str]:
    """The lines of the Penn Treebank's test set in Mikolov's version: a sentence each.

    Raises:
        NotAvailableError: the file is missing.
    """
    yield from _lines(_path(folder, PTB_FILE))


def _is_title(before: str, line: str, after: str) -> bool:
    is_heading = line.startswith(" = ") and line.rstrip().endswith(" =")
    return is_heading and line[3] != "=" and not before.strip() and not after.strip()


def _path(folder: Path, file: str) -> Path:
    path = folder / file
    if not path.is_file():
        raise NotAvailableError(
            f"benchmark file {path} is missing", hint=f"Get it from {_SOURCES[file]}."
        )
    return path


def _lines(path: Path) -> Iterator[str]:
    try:
        with path.open(encoding="utf-8", newline="\n") as lines:
            yield from lines
    except UnicodeDecodeError as exc:
        file = "/".join(path.parts[-2:])
        raise _foreign(path, f"it is not UTF-8 ({exc.reason})", file) from exc


def _foreign(path: Path, problem: str, file: str) -> WebtextError:
    return WebtextError(
        f"benchmark file {path} is not in its published format: {problem}",
        hint=f"Get it again from {_SOURCES[file]}.",
    )
