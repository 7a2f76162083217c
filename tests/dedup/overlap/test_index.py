"""The index holds the train split's n-grams: the same bits whatever happens to the run."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from corpus.errors import WebtextError
from corpus.manifest import is_finished
from corpus.runtime import Runtime
from dedup.ngrams import ngram_hashes
from dedup.overlap.index import FILTER, NgramsConfig, load_index, run
from tests.dedup.overlap.small_corpora import brute_force, measured, ngram_set

CONFIG = NgramsConfig()
HELD_OUT = "heldout-00000.arrow"

# Runs the stage and kills itself, without a chance to tidy up, at the given advance.
KILLED = """
import os, signal, sys
from pathlib import Path
from corpus.runtime import Runtime, SilentProgress
from dedup.overlap.index import NgramsConfig, run

class Killer(SilentProgress):
    remaining = int(sys.argv[4])
    def advance(self, count=1, note=""):
        self.remaining -= 1
        if not self.remaining:
            os.kill(os.getpid(), signal.SIGKILL)

documents, tokens, output = map(Path, sys.argv[1:4])
run(NgramsConfig(), {"documents": documents, "tokens": tokens}, output, Runtime(2, Killer()))
"""


def random_texts(count: int, num_words: int = 60) -> list[str]:
    rng = random.Random(0)
    return [" ".join(f"w{rng.randrange(50)}" for _ in range(num_words)) for _ in range(count)]


# With four shards: the counting has four advances, the filling four, the held-out split four.
@pytest.mark.parametrize("killed_at", [2, 6, 11])
def test_after_a_kill_the_finished_index_has_the_same_bits(killed_at, corpus_of, tmp_path):
    inputs = corpus_of(random_texts(40), num_shards=4)
    whole = run(CONFIG, inputs, tmp_path / "whole", Runtime())
    output = tmp_path / "out"
    command = [sys.executable, "-c", KILLED, *map(str, inputs.values()), str(output)]
    killed = subprocess.run([*command, str(killed_at)], cwd=Path.cwd(), env=dict(os.environ))
    assert killed.returncode == -signal.SIGKILL
    assert not is_finished(output)
    assert run(CONFIG, inputs, output, Runtime()).hash == whole.hash


@pytest.mark.parametrize("workers", [2, 3])
def test_any_number_of_workers_writes_the_same_bytes(workers, corpus_of, tmp_path):
    inputs = corpus_of(random_texts(40), num_shards=3)
    alone = run(CONFIG, inputs, tmp_path / "1", Runtime())
    assert run(CONFIG, inputs, tmp_path / "2", Runtime(workers)).hash == alone.hash


def test_documents_in_another_order_and_other_shards_make_the_same_filter(corpus_of, tmp_path):
    texts = random_texts(40)
    run(CONFIG, corpus_of(texts), tmp_path / "a", Runtime())
    run(CONFIG, corpus_of(texts, 3, shuffled=random.Random(1)), tmp_path / "b", Runtime(2))
    assert (tmp_path / "a" / FILTER).read_bytes() == (tmp_path / "b" / FILTER).read_bytes()


def test_the_index_holds_each_ngram_of_train_and_none_of_the_held_out_split(corpus_of, tmp_path):
    texts = [f"{' '.join(f'd{i}x{j}' for j in range(30))} end" for i in range(50)]
    manifest = run(CONFIG, corpus_of(texts, 2), tmp_path / "out", Runtime())
    index = load_index(tmp_path / "out")
    for i, text in enumerate(texts):
        found = index.contains(ngram_hashes(text, 8))
        assert found.all() if i % 10 else not found.any()
    assert manifest.counts.incoming == manifest.counts.out == 50
    assert manifest.figures["num_train_documents"] == 45
    assert manifest.figures["num_val_documents"] == 5
    assert manifest.figures["num_ngrams"] == manifest.figures["num_distinct_ngrams"] == 45 * 24
    assert 0 < float(manifest.figures["expected_error_rate"]) <= CONFIG.error_rate


def test_the_held_out_split_is_measured_against_the_train_split(corpus_of, tmp_path):
    texts = [*random_texts(80), "too short"]
    texts[10] = texts[11] + " " + texts[10]
    run(NgramsConfig(n=3), corpus_of(texts, 3), tmp_path / "out", Runtime())
    train = ngram_set((text for i, text in enumerate(texts) if i % 10), 3)
    expected = {**brute_force(texts[::10], train, 3), 8: (0, 0)}
    rows = measured(tmp_path / "out" / HELD_OUT, "heldout")
    assert sorted(rows.values()) == sorted(expected.values())
    assert list(rows) == list(range(9))


def test_a_passage_in_a_document_of_a_megabyte_is_in_the_index(corpus_of, tmp_path):
    passage = " ".join(f"word{i}" for i in range(20))
    filler = " ".join(map(str, range(150_000)))
    inputs = corpus_of([passage, f"{filler} {passage} {filler}"])
    run(CONFIG, inputs, tmp_path / "out", Runtime())
    assert measured(tmp_path / "out" / HELD_OUT, "heldout") == {0: (13, 13)}


@pytest.mark.parametrize("texts", [[], ["only a held-out document " * 5], ["short"] * 5])
def test_a_corpus_without_an_ngram_has_an_empty_index(texts, corpus_of, tmp_path):
    manifest = run(CONFIG, corpus_of(texts), tmp_path / "out", Runtime())
    assert manifest.figures["num_distinct_ngrams"] == 0
    assert not load_index(tmp_path / "out").contains(ngram_hashes("a b c d e f g h", 8)).any()


def test_identical_documents_count_once_in_the_filter(corpus_of, tmp_path):
    manifest = run(CONFIG, corpus_of(random_texts(1) * 20), tmp_path / "out", Runtime())
    assert manifest.figures["num_ngrams"] == 18 * manifest.figures["num_distinct_ngrams"] == 18 * 53


def test_tokens_of_other_documents_are_refused(corpus_of, make_tokens, tmp_path):
    inputs = corpus_of(["a text of eight words or a few more"] * 2)
    inputs["tokens"] = make_tokens("others", ["0" * 16], ["1" * 16])
    with pytest.raises(WebtextError, match="hold 0 of them"):
        run(CONFIG, inputs, tmp_path / "out", Runtime())


def test_an_index_larger_than_the_memory_is_refused_before_it_is_filled(
    corpus_of, tmp_path, monkeypatch
):
    monkeypatch.setattr(os, "sysconf", lambda name: 16)
    with pytest.raises(WebtextError, match="this machine has"):
        run(CONFIG, corpus_of(random_texts(20)), tmp_path / "out", Runtime())
