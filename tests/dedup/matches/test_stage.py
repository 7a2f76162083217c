"""The exact direction equals what Python sets say, for any layout of the corpus and any kill."""

import os
import shutil
import signal
import subprocess
import sys
import time
import unicodedata
from collections import Counter
from pathlib import Path

import orjson
import pytest

from corpus.benchmarks.language_modeling import ptb_sentences
from corpus.errors import WebtextError
from corpus.manifest import is_finished, read_manifest
from corpus.runtime import Runtime
from corpus.shards import read_rows
from corpus.stage import data_shards
from dedup.matches.shards import is_boilerplate
from dedup.matches.spans import plain_words
from dedup.matches.stage import MatchesConfig, run
from tests.dedup.matches.small_corpus import write_corpus

N = 8


def write_items(folder: Path, *items: dict[str, str] | str, name: str = "mine.jsonl") -> Path:
    objects = [{"text": item} if isinstance(item, str) else item for item in items]
    (folder / name).write_bytes(b"".join(orjson.dumps(each) + b"\n" for each in objects))
    return folder / name


def matches(folder: Path) -> list[dict]:
    return [row for shard in data_shards(folder, "matches-") for row in read_rows(shard)]


def counts(folder: Path) -> list[dict]:
    return list(read_rows(folder / "counts-00000.arrow"))


def sorted_matches(folder: Path) -> list[tuple]:
    return sorted(tuple(match.values()) for match in matches(folder))


def ngram_list(text: str) -> list[tuple[str, ...]]:
    words = plain_words(text)
    return [tuple(words[i : i + N]) for i in range(len(words) - N + 1)]


def words_text(*numbers: int) -> str:
    return " ".join(f"word{number}" for number in numbers)


def find_in(tmp_path: Path, document: str, item: str, **config: object) -> list[dict]:
    """The matches of one text in one document."""
    inputs = write_corpus(tmp_path, {"http://a/0": document})
    inputs["texts-0"] = write_items(tmp_path, item)
    run(MatchesConfig.model_validate(config), inputs, tmp_path / "out", Runtime())
    return matches(tmp_path / "out")


@pytest.fixture(scope="module")
def real_texts(benchmarks: Path) -> dict[str, str]:
    """PTB's validation text in documents of twenty lines, and a test sentence in twelve more."""
    lines = (benchmarks / "ptb" / "ptb.valid.txt").read_text().splitlines()
    blocks = ["\n".join(lines[i : i + 20]) for i in range(0, len(lines), 20)]
    sentence = next(line for line in ptb_sentences(benchmarks) if len(ngram_list(line)) > 5)
    copies = {f"http://copy/{n}": f"{n} {sentence}" for n in range(14)}
    return {f"http://a/{i}": block for i, block in enumerate(blocks)} | copies


def test_counts_and_boilerplate_equal_brute_force(benchmarks, real_texts, tmp_path):
    only_ptb = tmp_path / "benchmarks"
    (only_ptb / "ptb").mkdir(parents=True)
    shutil.copy(benchmarks / "ptb" / "ptb.test.txt", only_ptb / "ptb")
    held_out = list(real_texts)[::10]
    inputs = write_corpus(tmp_path, real_texts, num_shards=3, held_out=held_out)
    run(MatchesConfig(), inputs | {"benchmarks": only_ptb}, tmp_path / "out", Runtime())
    documents = Counter(
        ngram
        for url, text in real_texts.items()
        if url not in held_out
        for ngram in set(ngram_list(text))
    )
    # Shard by shard: that is how held-out documents are numbered.
    order = [url for n in range(3) for url in list(real_texts)[n::3] if url in held_out]
    texts = {"heldout": [real_texts[url] for url in order], "ptb": [*ptb_sentences(benchmarks)]}
    expected = [
        (
            slug,
            number,
            len(ngrams),
            sum(documents[ngram] > 0 for ngram in ngrams),
            sum(documents[ngram] > 10 for ngram in ngrams),
        )
        for slug, each in texts.items()
        for number, text in enumerate(each)
        if (ngrams := ngram_list(text))
    ]
    names = ("text_set", "example", "num_ngrams", "num_found", "num_boilerplate")
    assert [tuple(row[name] for name in names) for row in counts(tmp_path / "out")] == expected
    assert any(num_boilerplate for *_, num_boilerplate in expected)
    missing = read_manifest(tmp_path / "out").figures["not_available"]
    assert str(missing).startswith("LAMBADA, WikiText-2")


def test_every_match_is_maximal_and_says_the_same_on_both_sides(benchmarks, real_texts, tmp_path):
    inputs = write_corpus(tmp_path, real_texts)
    items = [*ptb_sentences(benchmarks)]
    inputs["texts-0"] = write_items(tmp_path, *items)
    run(MatchesConfig(), inputs, tmp_path / "out", Runtime())
    found = matches(tmp_path / "out")
    assert found
    for match in found:
        document, item = real_texts[match["url"]], items[match["example"]]
        assert match["document_chars"] == len(document)
        left = document[: match["start"]], item[: match["example_start"]]
        same = (
            document[match["start"] : match["end"]],
            item[match["example_start"] : match["example_end"]],
        )
        right = document[match["end"] :], item[match["example_end"] :]
        assert plain_words(same[0]) == plain_words(same[1])
        assert len(plain_words(same[0])) == match["num_words"] == match["num_ngrams"] + N - 1
        before, after = [plain_words(t)[-1:] for t in left], [plain_words(t)[:1] for t in right]
        assert not before[0] or before[0] != before[1]
        assert not after[0] or after[0] != after[1]


@pytest.mark.slow
def test_any_layout_and_worker_count_finds_the_same(real_texts, benchmarks, tmp_path):
    found = []
    items = write_items(tmp_path, *ptb_sentences(benchmarks))
    shuffled = dict(sorted(real_texts.items(), key=lambda item: item[1]))
    for texts, num_shards, workers in ((real_texts, 2, 1), (real_texts, 2, 2), (shuffled, 3, 1)):
        folder = tmp_path / f"{num_shards}-{workers}"
        inputs = write_corpus(folder, texts, num_shards=num_shards) | {"texts-0": items}
        manifest = run(MatchesConfig(), inputs, folder / "out", Runtime(workers))
        found.append((manifest.hash, sorted_matches(folder / "out"), counts(folder / "out")))
    assert found[0] == found[1]
    assert found[0][1:] == found[2][1:]


PROGRAM = """
import sys
from pathlib import Path
from corpus.runtime import Runtime
from dedup.matches.stage import MatchesConfig, run
if __name__ == "__main__":
    folder = Path(sys.argv[1])
    inputs = {role: folder / role for role in ("documents", "tokens")}
    inputs["texts-0"] = folder / "mine.jsonl"
    run(MatchesConfig(), inputs, folder / "out", Runtime())
"""


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_bytes(benchmarks, tmp_path):
    words = (benchmarks / "wikitext103" / "wiki.valid.tokens").read_text().split()[:60_000]
    blocks = [" ".join(words[i : i + 2000]) for i in range(0, len(words), 2000)]
    texts = {f"http://a/{i}": block for i, block in enumerate(blocks)}
    inputs = write_corpus(tmp_path, texts, num_shards=20)
    inputs["texts-0"] = write_items(tmp_path, *blocks[::3])
    whole = run(MatchesConfig(), inputs, tmp_path / "whole", Runtime())
    (tmp_path / "program.py").write_text(PROGRAM)
    process = subprocess.Popen(
        [sys.executable, str(tmp_path / "program.py"), str(tmp_path)],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])},
    )
    try:
        while process.poll() is None and not list((tmp_path / "out").glob(".work/counts-*")):
            time.sleep(0.002)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not is_finished(tmp_path / "out")
    resumed = run(MatchesConfig(), inputs, tmp_path / "out", Runtime(workers=2))
    assert resumed.hash == whole.hash
    assert not list((tmp_path / "out").glob(".*"))


def test_offsets_count_characters_of_the_text_as_stored(tmp_path):
    item = "Gdańsk ﻿naïve café Ångström 日本語 été où vingt et un 🙂 mots"
    # Letters with marks of their own before and inside of the match, and astral characters.
    before = unicodedata.normalize("NFD", "🙂🙂 éàü ñ ") + "x\u0331y "
    stored = before + unicodedata.normalize("NFD", item) + " 🙂 fin"
    [match] = find_in(tmp_path, stored, item)
    assert stored[match["start"] : match["end"]] == unicodedata.normalize("NFD", item)
    assert item[match["example_start"] : match["example_end"]] == item
    assert match["document_chars"] == len(stored)


def test_a_document_that_is_one_long_match_is_one_row(tmp_path):
    text = words_text(*range(20_000))
    [match] = find_in(tmp_path, text, text)
    assert (match["start"], match["end"], match["num_words"]) == (0, len(text), 20_000)


def test_a_text_that_repeats_itself_ends(tmp_path):
    found = find_in(tmp_path, "na " * 100_000, "na " * 1000)
    assert sum(match["num_words"] for match in found) >= 100_000
    assert len(found) < 200


def test_a_repeated_opening_is_aligned_where_the_match_is_longest(tmp_path):
    opening = words_text(*range(10))
    rest = words_text(*range(50, 70))
    [match] = find_in(tmp_path, f"{opening} {rest}", f"{opening} other words {opening} {rest}")
    assert match["num_words"] == 30


def test_overlapping_places_of_one_item_are_rows_of_their_own(tmp_path):
    # The document joins what is apart in the item: both spans hold the words 8 to 12.
    item = f"{words_text(*range(13))} gap {words_text(*range(8, 20))}"
    found = find_in(tmp_path, words_text(*range(20)), item)
    assert [match["num_words"] for match in found] == [13, 12]


def test_parts_are_told_apart_and_no_ngram_crosses_them(tmp_path):
    passage, question = words_text(*range(20)), words_text(*range(20, 30))
    inputs = write_corpus(tmp_path, {"http://a/0": f"{passage} {question}"})
    item = {"passage": passage, "question": question, "answer": "word30"}
    inputs["texts-0"] = write_items(tmp_path, item)
    run(MatchesConfig(), inputs, tmp_path / "out", Runtime())
    assert [(m["part"], m["num_words"]) for m in matches(tmp_path / "out")] == [
        ("passage", 20),
        ("question", 10),
    ]
    parts = [row["part"] for row in read_rows(tmp_path / "out" / "examples-00000.arrow")]
    assert parts == ["passage", "question", "answer"]


def test_what_more_documents_hold_than_the_limit_is_boilerplate(tmp_path):
    shared, own = words_text(*range(10)), words_text(*range(10, 30))
    texts = {f"http://a/{i}": f"{i} {shared}" for i in range(3)} | {"http://b/0": shared + own}
    inputs = write_corpus(tmp_path, texts, num_shards=2)
    inputs["texts-0"] = write_items(tmp_path, shared, shared + " " + own)
    run(MatchesConfig(boilerplate_documents=2), inputs, tmp_path / "out", Runtime())
    told = [(m["example"], is_boilerplate(m)) for m in matches(tmp_path / "out")]
    assert (1, False) in told
    assert all(boilerplate for example, boilerplate in told if example == 0)
    run(MatchesConfig(boilerplate_documents=4), inputs, tmp_path / "out-4", Runtime())
    assert not any(is_boilerplate(match) for match in matches(tmp_path / "out-4"))


def test_n_can_follow_the_lengths_of_each_text_set(tmp_path):
    inputs = write_corpus(tmp_path, {"http://a/0": words_text(*range(12))})
    inputs["texts-0"] = write_items(tmp_path, words_text(*range(9)), name="short.jsonl")
    inputs["texts-1"] = write_items(tmp_path, words_text(*range(30)), name="long.jsonl")
    manifest = run(MatchesConfig(n="auto"), inputs, tmp_path / "out", Runtime())
    figures = manifest.figures
    assert (figures["short.jsonl_n"], figures["long.jsonl_n"]) == (9, 13)
    # 12 words of the long text are in the corpus: not enough for its 13.
    assert [m["text_set"] for m in matches(tmp_path / "out")] == ["short.jsonl"]


@pytest.mark.parametrize("texts", [{}, {"http://a/0": ""}, {"http://a/0": "no match"}])
def test_a_corpus_and_items_without_words_give_empty_tables(texts, tmp_path):
    inputs = write_corpus(tmp_path, texts) | {"texts-0": write_items(tmp_path, "", "...", "a b")}
    manifest = run(MatchesConfig(), inputs, tmp_path / "out", Runtime())
    assert manifest.counts.rejects == {"too_short": 3}
    assert (matches(tmp_path / "out"), counts(tmp_path / "out")) == ([], [])


def test_held_out_documents_are_as_many_as_the_config_says(tmp_path):
    texts = {f"http://a/{i}": words_text(*range(10)) for i in range(6)}
    inputs = write_corpus(tmp_path, texts, held_out=list(texts)[:4])
    manifest = run(MatchesConfig(held_out_documents=3), inputs, tmp_path / "out", Runtime())
    assert [row["example"] for row in counts(tmp_path / "out")] == [0, 1, 2]
    assert manifest.figures["num_held_out_left_out"] == 1


def test_tokens_of_other_documents_are_refused(tmp_path):
    documents = write_corpus(tmp_path / "a", {"http://a/0": "text"})["documents"]
    tokens = write_corpus(tmp_path / "b", {"http://b/0": "text"})["tokens"]
    with pytest.raises(WebtextError, match="hold 0 of them"):
        run(MatchesConfig(), {"documents": documents, "tokens": tokens}, tmp_path, Runtime())
