"""Where each benchmark's file lies in a benchmarks folder, and where to get it if it does not.

A benchmarks folder holds one subfolder per set, with the file names that the publishers chose.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import orjson

from corpus.errors import WebtextError

_SOURCES: Final = {
    "lambada": "https://openaipublic.blob.core.windows.net/gpt-2/data/lambada_test.jsonl",
    "ptb": "http://www.fit.vutbr.cz/~imikolov/rnnlm/simple-examples.tgz (folder data)",
    "wikitext2": "https://wikitext.smerity.com/wikitext-2-v1.zip",
    "wikitext103": "https://wikitext.smerity.com/wikitext-103-v1.zip",
    "enwik8": "http://mattmahoney.net/dc/enwik8.zip",
    "text8": "http://mattmahoney.net/dc/text8.zip",
    "lm1b": "https://www.statmt.org/lm-benchmark/"
    "1-billion-word-language-modeling-benchmark-r13output.tar.gz "
    "(folder heldout-monolingual.tokenized.shuffled)",
    "winograd_wsc.jsonl": "https://github.com/mosaicml/llm-foundry "
    "(folder scripts/eval/local_data/language_understanding)",
    "wsc273": "https://cs.nyu.edu/~davise/papers/WinogradSchemas/WSCollection.xml",
    "nq_open": "https://github.com/google-research-datasets/natural-questions (folder nq_open)",
    "coqa": "https://nlp.stanford.edu/data/coqa/coqa-dev-v1.0.json",
    "cnndm": "the CSV export of the dataset cnn_dailymail, version 3.0.0 (columns article and "
    "highlights, 11,490 rows)",
    "cbt": "http://www.thespermwhale.com/jaseweston/babi/CBTest.tgz (folder data)",
}


class NotAvailableError(WebtextError):
    """A benchmark's file is not there; the hint says where to get it."""


def benchmark_file(folder: Path, file: str) -> Path:
    """The path of `file` (`set/name`) in a benchmarks folder.

    Raises:
        NotAvailableError: it is missing.
    """
    path = folder / file
    if not path.is_file():
        raise NotAvailableError(
            f"benchmark file {path} is missing", hint=f"Get it from {_source(path)}."
        )
    return path


def read_lines(path: Path) -> Iterator[str]:
    """The lines of a benchmark's file, line ends included.

    Raises:
        WebtextError: it is not UTF-8.
    """
    try:
        with path.open(encoding="utf-8", newline="\n") as lines:
            yield from lines
    except UnicodeDecodeError as exc:
        raise foreign(path, f"it is not UTF-8 ({exc.reason})") from exc


def read_objects(path: Path) -> Iterator[tuple[int, dict]]:
    """The JSON objects of a benchmark's file with a JSON object per line, and their line numbers.

    Raises:
        WebtextError: a line is not a JSON object.
    """
    for number, line in enumerate(read_lines(path), start=1):
        try:
            value = orjson.loads(line)
        except orjson.JSONDecodeError as exc:
            raise foreign(path, f"line {number} is not JSON") from exc
        if not isinstance(value, dict):
            raise foreign(path, f"line {number} is not a JSON object")
        yield number, value


def foreign(path: Path, problem: str) -> WebtextError:
    """The error for a file that is not what the benchmark's publishers made."""
    return WebtextError(
        f"benchmark file {path} is not in its published format: {problem}",
        hint=f"Get it again from {_source(path)}.",
    )


def _source(path: Path) -> str:
    return _SOURCES.get(path.name) or _SOURCES[path.parent.name]
