"""The overlap of real test sets equals what Python sets say, for any layout of the corpus."""

import shutil
from pathlib import Path

import pytest

from corpus.benchmarks import lambada_passages, ptb_sentences, wikitext_articles
from corpus.errors import WebtextError
from corpus.runtime import Runtime, SilentProgress
from corpus.shards import read_rows
from corpus.stage import data_shards
from dedup.ngrams import split_words
from dedup.overlap import OverlapConfig, run
from dedup.overlap_summary import summarise

CONFIG = OverlapConfig()


def ngram_list(text: str, n: int = 8) -> list[tuple[str, ...]]:
    words = split_words(text)
    return [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]


def brute_force(texts, train: set) -> list[tuple[int, int]]:
    """(n-grams, those in train) of each text that has any."""
    lists = [ngram_list(text) for text in texts]
    return [(len(ngrams), sum(ngram in train for ngram in ngrams)) for ngrams in lists if ngrams]


def measured(folder: Path, text_set: str) -> list[tuple[int, int]]:
    rows = read_rows(data_shards(folder)[0])
    return [(row["num_ngrams"], row["num_found"]) for row in rows if row["text_set"] == text_set]


class Interrupt(SilentProgress):
    """Ctrl-C when so many shards are done."""

    def __init__(self, after: int) -> None:
        self.remaining = after

    def advance(self, count: int = 1, note: str = "") -> None:
        self.remaining -= 1
        if not self.remaining:
            raise KeyboardInterrupt


@pytest.fixture
def corpus_of(make_documents, make_tokens, new_document):
    """Documents and tokens folders in which every tenth text is held out."""

    def make(texts: list[str], num_shards: int) -> dict[str, Path]:
        documents = [new_document(f"http://a/{i}", text) for i, text in enumerate(texts)]
        ids = [row["id"] for row in documents]
        val = ids[::10]
        train = [key for key in ids if key not in set(val)]
        # Shards in turn: the held-out examples keep their order only within a shard.
        shards = [documents[i::num_shards] for i in range(num_shards)]
        return {
            "documents": make_documents(f"documents-{num_shards}", shards),
            "tokens": make_tokens(f"tokens-{num_shards}", train, val),
        }

    return make


def test_real_test_sets_equal_brute_force(benchmarks, corpus_of, tmp_path):
    valid = (benchmarks / "ptb" / "ptb.valid.txt").read_text().splitlines()
    wiki = (benchmarks / "wikitext103" / "wiki.valid.tokens").read_text().splitlines()
    texts = ["\n".join(valid[i : i + 20]) for i in range(0, len(valid), 20)] + wiki[:800]
    texts.append(next(lambada_passages(benchmarks)))
    held_out = texts[::10]
    train = {ngram for i, text in enumerate(texts) if i % 10 for ngram in ngram_list(text)}
    expected = {
        "held-out split": brute_force(held_out, train),
        "LAMBADA": brute_force(lambada_passages(benchmarks), train),
        "PTB": brute_force(ptb_sentences(benchmarks), train),
        "WikiText-2": brute_force(wikitext_articles(benchmarks, "wikitext2"), train),
        "WikiText-103": brute_force(wikitext_articles(benchmarks, "wikitext103"), train),
    }
    hashes = set()
    for num_shards, workers in ((1, 1), (3, 2)):
        inputs = corpus_of(texts, num_shards)
        output = tmp_path / f"out-{num_shards}"
        manifest = run(CONFIG, {**inputs, "benchmarks": benchmarks}, output, Runtime(workers))
        hashes.add(manifest.hash)
        for name, counts in expected.items():
            assert sorted(measured(output, name)) == sorted(counts), name
        for row in summarise(output):
            counts = expected[row.name]
            percents = sorted(100 * found / ngrams for ngrams, found in counts)
            assert row.num_examples == len(counts)
            assert row.num_ngrams == sum(ngrams for ngrams, _ in counts)
            found = sum(found for _, found in counts)
            assert row.percent_found == pytest.approx(100 * found / row.num_ngrams)
            assert row.mean == pytest.approx(sum(percents) / len(percents))
            middle = percents[(len(percents) - 1) // 2 : len(percents) // 2 + 1]
            assert row.median == pytest.approx(sum(middle) / len(middle))
            assert row.percent_examples_any == pytest.approx(
                100 * sum(percent > 0 for percent in percents) / len(percents)
            )
        assert manifest.figures["not_available"] == ""
        assert manifest.figures["ptb_percent_found"] == pytest.approx(
            next(row.percent_found for row in summarise(output) if row.name == "PTB"), abs=1e-4
        )
        # 60 + 60 articles, 5,153 passages, 3,761 sentences and the held-out documents
        assert manifest.counts.incoming == 120 + 5153 + 3761 + len(held_out)
    # Dealing the held-out documents to other shards numbers them anew, no more.
    assert len(hashes) == 2


def test_a_held_out_copy_of_a_train_document_is_found_whole(corpus_of, tmp_path):
    text = " ".join(f"word{i}" for i in range(100))
    others = [" ".join(f"w{i}x{j}" for j in range(50)) for i in range(1, 10)]
    inputs = corpus_of([text, *others, "a short one", "prefix " + text], 2)
    run(CONFIG, inputs, tmp_path / "out", Runtime())
    assert measured(tmp_path / "out", "held-out split") == [(93, 93)]
    [row] = summarise(tmp_path / "out")
    assert (row.percent_found, row.percent_examples_over_15) == (100, 100)


def test_a_planted_passage_is_found_in_a_document_of_a_megabyte(corpus_of, tmp_path):
    passage = " ".join(f"word{i}" for i in range(20))
    filler = " ".join(str(i) for i in range(150_000))
    inputs = corpus_of([passage, filler + " " + passage + " " + filler], 1)
    run(CONFIG, inputs, tmp_path / "out", Runtime())
    assert measured(tmp_path / "out", "held-out split") == [(13, 13)]


def test_texts_shorter_than_an_ngram_and_missing_sets_are_said(benchmarks, corpus_of, tmp_path):
    (tmp_path / "some" / "ptb").mkdir(parents=True)
    shutil.copy(benchmarks / "ptb" / "ptb.test.txt", tmp_path / "some" / "ptb")
    inputs = corpus_of(["too short", *["another text of some length " * 5] * 3], 1)
    inputs["benchmarks"] = tmp_path / "some"
    manifest = run(CONFIG, inputs, tmp_path / "out", Runtime())
    num_short = sum(not ngram_list(line) for line in ptb_sentences(benchmarks))
    assert manifest.counts.incoming == 1 + 3761
    assert manifest.counts.rejects == {"too_short": 1 + num_short}
    assert manifest.figures["not_available"] == "LAMBADA, WikiText-2, WikiText-103"
    assert [row.name for row in summarise(tmp_path / "out")] == ["PTB"]


def test_a_corpus_without_documents_has_an_empty_table(corpus_of, tmp_path):
    inputs = corpus_of([], 1)
    manifest = run(CONFIG, inputs, tmp_path / "out", Runtime())
    assert manifest.counts.incoming == 0
    assert summarise(tmp_path / "out") == []


def test_an_interrupted_run_goes_on_to_the_same_bytes(corpus_of, tmp_path):
    texts = [" ".join(f"w{i * j % 97}" for j in range(60)) for i in range(40)]
    inputs = corpus_of(texts, 4)
    whole = run(CONFIG, inputs, tmp_path / "whole", Runtime())
    with pytest.raises(KeyboardInterrupt):
        run(CONFIG, inputs, tmp_path / "out", Runtime(progress=Interrupt(after=6)))
    assert list((tmp_path / "out").glob(".hits-*"))
    resumed = run(CONFIG, inputs, tmp_path / "out", Runtime(workers=2))
    assert resumed.hash == whole.hash
    assert not list((tmp_path / "out").glob(".*"))


def test_tokens_of_other_documents_are_refused(corpus_of, make_tokens, tmp_path):
    inputs = corpus_of(["a text of eight words or a few more"] * 2, 1)
    inputs["tokens"] = make_tokens("others", ["0" * 16], ["1" * 16])
    with pytest.raises(WebtextError, match="hold 0 of them"):
        run(CONFIG, inputs, tmp_path / "out", Runtime())
