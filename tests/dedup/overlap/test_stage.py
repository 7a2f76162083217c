"""The overlap of real test sets equals what Python sets say; parts and short texts count apart."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from corpus.benchmarks.language_modeling import lambada_passages, ptb_sentences, wikitext_articles
from corpus.errors import UsageError
from corpus.manifest import read_manifest
from corpus.runtime import Runtime
from dedup.overlap.stage import OverlapConfig, ngram_length, run
from dedup.overlap.summary import own_shard, summarise
from tests.dedup.overlap.small_corpora import brute_force, measured, ngram_set

CONFIG = OverlapConfig()
ROWS = "overlap-00000.arrow"
FILLER = [" ".join(f"f{i}x{j}" for j in range(20)) for i in range(10)]


def words(prefix: str, count: int) -> str:
    return " ".join(f"{prefix}{i}" for i in range(count))


def write_lines(path: Path, rows: list[dict]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_real_test_sets_equal_brute_force(benchmarks, index_of, overlap_of):
    # PTB's valid split, WikiText-103's valid split and a tenth of LAMBADA are "the corpus".
    ptb = list(ptb_sentences(benchmarks, "valid"))
    texts = ["".join(ptb[i : i + 20]) for i in range(0, len(ptb), 20)]
    texts += wikitext_articles(benchmarks, "wikitext103", "valid")
    texts += list(lambada_passages(benchmarks))[::10]
    train = ngram_set(text for i, text in enumerate(texts) if i % 10)
    output = overlap_of(index_of(texts), benchmarks=benchmarks)
    expected = {
        "heldout": brute_force(texts[::10], train),
        "lambada": brute_force(lambada_passages(benchmarks), train),
        "ptb": brute_force(ptb_sentences(benchmarks), train),
        "wikitext2": brute_force(wikitext_articles(benchmarks, "wikitext2"), train),
        "wikitext103": brute_force(wikitext_articles(benchmarks, "wikitext103"), train),
    }
    for slug, counts in expected.items():
        assert measured(output / ROWS, slug) == counts, slug
    manifest = read_manifest(output)
    table = {row.slug: row for row in summarise(output)}
    for slug, counts in expected.items():
        num_ngrams, num_found = np.sum(list(counts.values()), axis=0)
        assert table[slug].percent_found == pytest.approx(100 * num_found / num_ngrams)
        figure = manifest.figures[f"{slug}_percent_found"]
        assert figure == pytest.approx(table[slug].percent_found, abs=1e-4)
    assert manifest.counts.incoming == manifest.counts.out + manifest.counts.rejects["too_short"]
    assert str(manifest.figures["not_available"]).startswith("enwik8, text8, One Billion Word")


def test_lambada_against_itself_is_found_whole(benchmarks, index_of, overlap_of):
    passages = list(lambada_passages(benchmarks))
    # Every tenth text is held out: a filler in front of every nine passages.
    texts = [text for i in range(0, len(passages), 9) for text in ("", *passages[i : i + 9])]
    output = overlap_of(index_of(texts), benchmarks=benchmarks)
    row = next(row for row in summarise(output) if row.slug == "lambada")
    assert (row.percent_found, row.median, row.percent_examples_over_15) == (100, 100, 100)
    assert row.num_examples == 5153


def test_wikitext103_against_wikitext2_equals_brute_force(benchmarks, index_of, overlap_of):
    articles = list(wikitext_articles(benchmarks, "wikitext2"))
    texts = [text for i in range(0, len(articles), 9) for text in ("", *articles[i : i + 9])]
    output = overlap_of(index_of(texts), benchmarks=benchmarks)
    expected = brute_force(wikitext_articles(benchmarks, "wikitext103"), ngram_set(articles))
    assert measured(output / ROWS, "wikitext103") == expected


def test_a_sets_own_valid_split_is_the_yardstick(benchmarks, index_of, overlap_of):
    output = overlap_of(index_of(FILLER), benchmarks=benchmarks)
    table = {row.slug: row for row in summarise(output)}
    for slug, test, valid in (
        ("ptb", ptb_sentences(benchmarks), ptb_sentences(benchmarks, "valid")),
        (
            "wikitext103",
            wikitext_articles(benchmarks, "wikitext103"),
            wikitext_articles(benchmarks, "wikitext103", "valid"),
        ),
    ):
        expected = brute_force(test, ngram_set(valid))
        assert measured(output / own_shard("valid"), slug) == expected
        num_ngrams, num_found = np.sum(list(expected.values()), axis=0)
        assert table[slug].own_split == "valid"
        assert table[slug].own_percent == pytest.approx(100 * num_found / num_ngrams)
        assert table[slug].percent_found == 0
    assert table["wikitext2"].own_split is None


def test_the_train_split_is_the_yardstick_where_it_is_there(index_of, overlap_of, tmp_path):
    folder = tmp_path / "sets" / "ptb"
    folder.mkdir(parents=True)
    (folder / "ptb.train.txt").write_text(words("a", 10) + "\n")
    (folder / "ptb.valid.txt").write_text(words("b", 10) + "\n")
    (folder / "ptb.test.txt").write_text(f"{words('a', 9)}\n{words('b', 9)}\n")
    _, row = summarise(overlap_of(index_of(FILLER), benchmarks=tmp_path / "sets"))
    assert (row.own_split, row.own_percent) == ("train", 50)


def test_parts_are_measured_apart_and_ngrams_never_cross_them(index_of, overlap_of, tmp_path):
    passage, question = words("p", 20), words("q", 12)
    file = write_lines(
        tmp_path / "mine.jsonl",
        [
            {"question": question, "passage": passage, "answer": "yes"},
            {"passage": words("other", 10), "question": words("no", 5), "answer": words("n", 9)},
        ],
    )
    # The corpus has the passage, and the words that would join it with the question.
    corpus = [*FILLER, "held out", f"{passage} {question.split()[0]}"]
    output = overlap_of(index_of(corpus), texts_0=file)
    assert measured(output / ROWS, "mine.jsonl", "passage") == {0: (13, 13), 1: (3, 0)}
    assert measured(output / ROWS, "mine.jsonl", "question") == {0: (5, 0)}
    assert measured(output / ROWS, "mine.jsonl", "answer") == {1: (2, 0)}
    rows = {row.part: row for row in summarise(output) if row.slug == "mine.jsonl"}
    assert list(rows) == [None, "passage", "question", "answer"]
    assert (rows[None].num_examples, rows[None].num_too_short) == (2, 0)
    assert rows[None].percent_found == pytest.approx(100 * 13 / 23)
    assert rows["passage"].percent_found == pytest.approx(100 * 13 / 16)
    assert (rows["question"].num_examples, rows["question"].num_too_short) == (1, 1)
    assert (rows["answer"].percent_found, rows["answer"].num_too_short) == (0, 1)
    assert read_manifest(output).counts.rejects == {"too_short": 1 + 1 + 1}  # one is held out


def test_missing_sets_and_short_texts_are_said(benchmarks, index_of, overlap_of, tmp_path):
    (tmp_path / "some" / "ptb").mkdir(parents=True)
    shutil.copy(benchmarks / "ptb" / "ptb.test.txt", tmp_path / "some" / "ptb")
    manifest = read_manifest(overlap_of(index_of(FILLER), benchmarks=tmp_path / "some"))
    num_measured = len(brute_force(ptb_sentences(benchmarks), set()))
    assert manifest.counts.rejects == {"too_short": 3761 - num_measured}
    assert manifest.figures["ptb_num_too_short"] == 3761 - num_measured
    assert manifest.figures["not_available"] == (
        "LAMBADA, WikiText-2, enwik8, text8, WikiText-103, One Billion Word, Winograd schemas, "
        "Natural Questions, CoQA, CNN/Daily Mail, WMT-14 French-English, CBT common nouns, "
        "CBT named entities"
    )


def test_the_same_index_and_texts_give_the_same_bytes(index_of, tmp_path):
    (tmp_path / "t.txt").write_text(FILLER[3])
    inputs = {"ngrams": index_of(FILLER), "texts-0": tmp_path / "t.txt"}
    hashes = {run(CONFIG, inputs, tmp_path / name, Runtime(2)).hash for name in ("a", "b")}
    assert len(hashes) == 1


def test_an_index_of_other_tokens_is_refused(index_of, make_tokens, tmp_path):
    inputs = {"ngrams": index_of(FILLER), "tokens": make_tokens("others", ["0" * 16], [])}
    with pytest.raises(UsageError, match="was not made of the tokens"):
        run(CONFIG, inputs, tmp_path / "out", Runtime())


def test_two_files_of_one_name_are_refused(index_of, overlap_of, tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "t.txt").write_text("text")
    with pytest.raises(UsageError, match="name of another text set"):
        overlap_of(
            index_of(FILLER), texts_0=tmp_path / "a" / "t.txt", texts_1=tmp_path / "b" / "t.txt"
        )


@pytest.mark.parametrize(
    ("lengths", "n"),
    [([], 13), ([3] * 100, 8), ([500] * 100, 13), ([10] * 6 + [90] * 94, 10), ([9, 2000], 9)],
)
def test_gpt3s_rule_is_the_fifth_percentile_within_8_and_13(lengths, n):
    assert ngram_length(lengths) == n
