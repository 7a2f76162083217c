"""Every text set that is there is read; a user's file is one, and says so if it cannot be."""

import gzip
from pathlib import Path

import pytest
import zstandard

from corpus.benchmarks.files import NotAvailableError
from corpus.errors import UsageError, WebtextError
from dedup.overlap.text_sets import PARTS, TEXT_SETS, WHOLE, file_text_set

JSONL = b'{"passage": "p", "question": "q", "answer": "a", "id": 7}\n{"text": "whole"}\n'
AVAILABLE = {"lambada", "ptb", "wikitext2", "wikitext103", "wsc273", "nq_open", "wmt14"}
ITEMS = [{"passage": "p", "question": "q", "answer": "a"}, {"text": "whole"}]


def items(path: Path) -> list[dict]:
    text_set = file_text_set(path)
    assert text_set.items
    return [dict(item) for item in text_set.items(Path("nowhere"))]


@pytest.mark.parametrize("slug", [each.slug for each in TEXT_SETS if each.items])
def test_a_set_is_read_or_says_where_to_get_it(slug, benchmarks):
    [text_set] = [each for each in TEXT_SETS if each.slug == slug]
    assert text_set.items
    if slug in AVAILABLE:
        assert set(next(text_set.items(benchmarks))) <= {WHOLE, *PARTS}
    else:
        with pytest.raises(NotAvailableError, match="missing") as caught:
            next(text_set.items(benchmarks))
        assert caught.value.hint.startswith("Get it from")


def test_slugs_are_distinct():
    assert len({text_set.slug for text_set in TEXT_SETS}) == len(TEXT_SETS)


@pytest.mark.parametrize(
    ("suffix", "compress"),
    [("", bytes), (".gz", gzip.compress), (".zst", zstandard.ZstdCompressor().compress)],
)
def test_a_users_files_are_read_packed_or_not(suffix, compress, tmp_path):
    lines, objects = tmp_path / f"a.txt{suffix}", tmp_path / f"b.v2.jsonl{suffix}"
    lines.write_bytes(compress("one\n\ndrei Wörter\n".encode()))
    objects.write_bytes(compress(JSONL))
    assert items(lines) == [{"text": "one\n"}, {"text": "\n"}, {"text": "drei Wörter\n"}]
    assert items(objects) == ITEMS


def test_a_users_set_is_named_after_its_file(tmp_path):
    (tmp_path / "my set:1.txt").write_text("text")
    text_set = file_text_set(tmp_path / "my set:1.txt")
    assert (text_set.slug, text_set.name) == ("my_set_1.txt", "my set:1.txt")


@pytest.mark.parametrize("name", ["missing.txt", "table.csv", "texts", "texts.gz"])
def test_a_file_of_another_kind_is_refused(name, tmp_path):
    if name != "missing.txt":
        (tmp_path / name).write_text("text")
    with pytest.raises(UsageError, match=name):
        file_text_set(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", b"no json\n"),
        ("a.jsonl", b'["text"]\n'),
        ("a.jsonl", b'{"text": 7}\n'),
        ("a.jsonl", b'{"other": "text"}\n'),
        ("a.txt", b"\xff\xfe"),
        ("a.txt.gz", b"no gzip"),
        ("a.txt.gz", gzip.compress(b"text" * 100, mtime=0)[:-12]),
        ("a.txt.zst", b"no zstd at all"),
    ],
)
def test_a_damaged_file_is_named(name, content, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(WebtextError, match=name):
        items(tmp_path / name)
