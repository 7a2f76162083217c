"""Who survives deduplication is a matter of the documents only; nothing vanishes."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pydantic import ValidationError

from corpus.errors import WebtextError
from corpus.runtime import Runtime
from corpus.shards import read_rows
from corpus.stage import data_shards
from dedup.unique.stage import DedupConfig, run

CONFIG = DedupConfig()


def words(seed: int, count: int) -> list[str]:
    rng = random.Random(seed)
    return [f"w{rng.randrange(5_000)}" for _ in range(count)]


def survivors(folder: Path) -> list[str]:
    return sorted(row["url"] for path in data_shards(folder) for row in read_rows(path, ["url"]))


def rejects(folder: Path) -> dict[str, tuple[str, str]]:
    paths = sorted(folder.glob("rejects-*.arrow"))
    rows = [row for path in paths for row in read_rows(path)]
    return {row["key"]: (row["reason"], row["detail"]) for row in rows}


def mixed_corpus(new_document) -> list[dict]:
    """60 documents: 40 of their own, 10 exact and 10 near copies of some of them."""
    own = [
        new_document(f"http://a/{i}", " ".join(words(i, 200 + i)), day=100 - i) for i in range(40)
    ]
    exact = [
        new_document(f"http://b/{i}", own[i]["text"].upper() + "!", day=95 + i) for i in range(10)
    ]
    near = []
    for i in range(10, 20):
        changed = own[i]["text"].split()
        changed[50] = "changed"
        near.append(new_document(f"http://c/{i}", " ".join(changed), day=200 + i))
    return own + exact + near


def test_the_oldest_link_survives_whatever_the_order_and_the_workers(
    make_documents, new_document, tmp_path
):
    expected = None
    hashes = set()
    for seed, num_shards, workers in ((1, 2, 1), (1, 2, 2), (2, 5, 1)):
        documents = random.Random(seed).sample(mixed_corpus(new_document), 60)
        shards = [documents[i::num_shards] for i in range(num_shards)]
        folder = make_documents(f"in-{seed}-{workers}", shards)
        output = tmp_path / f"out-{seed}-{workers}"
        manifest = run(CONFIG, {"documents": folder}, output, Runtime(workers=workers))
        assert manifest.counts.rejects == {"exact_duplicate": 10, "near_duplicate": 10}
        assert manifest.counts.out == 40
        expected = expected or (survivors(output), rejects(output))
        assert (survivors(output), rejects(output)) == expected
        hashes.add(manifest.hash)
    # Two workers wrote the same bytes as one; other shards hold the same documents.
    assert len(hashes) == 2
    # Day 95 of b/0 is older than day 100 of a/0; of b/9 (104) and a/9 (91), a/9 is older.
    assert {"http://b/0", "http://a/9"} <= set(expected[0])


def test_an_exact_duplicate_names_its_survivor(make_documents, new_document, tmp_path):
    older = new_document("http://z/", "Same text, other case.", day=1)
    newer = new_document("http://a/", "same TEXT other   case", day=2)
    folder = make_documents("in", [[newer], [older]])
    run(CONFIG, {"documents": folder}, tmp_path / "out", Runtime())
    assert survivors(tmp_path / "out") == ["http://z/"]
    assert rejects(tmp_path / "out") == {newer["id"]: ("exact_duplicate", older["id"])}


def test_ties_go_by_url_and_a_link_of_unknown_age_comes_last(
    make_documents, new_document, tmp_path
):
    unknown = {**new_document("http://a/", "text"), "first_seen": None}
    documents = [
        unknown,
        new_document("http://c/", "text", 9),
        new_document("http://b/", "text", 9),
    ]
    folder = make_documents("in", [documents])
    run(CONFIG, {"documents": folder}, tmp_path / "out", Runtime())
    assert survivors(tmp_path / "out") == ["http://b/"]


def test_a_near_duplicate_names_its_survivor_and_their_similarity(
    make_documents, new_document, tmp_path
):
    text = words(1, 1000)
    first = new_document("http://a/", " ".join(text), day=1)
    alike = new_document("http://b/", " ".join(text[:950] + words(2, 50)), day=2)
    other = new_document("http://c/", " ".join(text[:600] + words(3, 400)), day=3)
    folder = make_documents("in", [[first, alike, other]])
    run(CONFIG, {"documents": folder}, tmp_path / "out", Runtime())
    # 50 of 1,000 words changed at the end: 946 of 1,046 shingles are shared.
    detail = f"{first['id']} {946 / 1046:.3f}"
    assert rejects(tmp_path / "out") == {alike["id"]: ("near_duplicate", detail)}


def test_dropped_documents_drop_no_others(make_documents, new_document, tmp_path):
    # b is dropped for its likeness to a; c is like b but not like a, and must stay.
    text = words(1, 1000)
    a = new_document("http://a/", " ".join(text), day=1)
    b = new_document("http://b/", " ".join(text[80:] + words(2, 80)), day=2)
    c = new_document("http://c/", " ".join(text[160:] + words(2, 80) + words(3, 80)), day=3)
    folder = make_documents("in", [[a, b, c]])
    run(CONFIG, {"documents": folder}, tmp_path / "out", Runtime())
    assert survivors(tmp_path / "out") == ["http://a/", "http://c/"]


def test_short_documents_are_compared_as_a_whole_only(make_documents, new_document, tmp_path):
    texts = ["", "!!!", "???", "one", "One.", "one two three", "seven words are not enough for any"]
    documents = [new_document(f"http://a/{i}", text, day=i) for i, text in enumerate(texts)]
    folder = make_documents("in", [documents])
    run(CONFIG, {"documents": folder}, tmp_path / "out", Runtime())
    assert rejects(tmp_path / "out") == {
        documents[4]["id"]: ("exact_duplicate", documents[3]["id"])
    }


@pytest.mark.parametrize("shards", [[], [[], []]])
def test_an_empty_corpus_stays_empty(make_documents, tmp_path, shards):
    folder = make_documents("in", shards)
    manifest = run(CONFIG, {"documents": folder}, tmp_path / "out", Runtime())
    assert (manifest.counts.incoming, manifest.counts.out) == (0, 0)
    assert len(data_shards(tmp_path / "out")) == len(shards)


def test_of_identical_documents_one_stays(make_documents, new_document, tmp_path):
    text = " ".join(words(1, 300))
    documents = [new_document(f"http://a/{i:03}", text) for i in range(100)]
    folder = make_documents("in", [documents[i::3] for i in range(3)])
    manifest = run(CONFIG, {"documents": folder}, tmp_path / "out", Runtime())
    assert survivors(tmp_path / "out") == ["http://a/000"]
    assert manifest.counts.rejects == {"exact_duplicate": 99}


def test_survivors_are_written_as_they_came_and_nothing_else(
    make_documents, new_document, tmp_path
):
    documents = mixed_corpus(new_document)
    folder = make_documents("in", [documents])
    manifest = run(CONFIG, {"documents": folder}, tmp_path / "out", Runtime())
    written = list(read_rows(data_shards(tmp_path / "out")[0]))
    kept = {row["id"] for row in written}
    assert written == [row for row in read_rows(data_shards(folder)[0]) if row["id"] in kept]
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["documents-00000.arrow", "manifest.json", "rejects-00000.arrow"]
    assert manifest.counts.incoming == 60


@pytest.mark.slow
def test_a_killed_run_goes_on_and_ends_as_if_never_killed(make_documents, new_document, tmp_path):
    documents = mixed_corpus(new_document)
    folder = make_documents("in", [documents[i::6] for i in range(6)])
    whole = run(CONFIG, {"documents": folder}, tmp_path / "whole", Runtime())
    code = (
        "import sys; from pathlib import Path; from corpus.runtime import Runtime\n"
        "from dedup.unique.stage import DedupConfig, run\n"
        "if __name__ == '__main__':\n"
        "    folder, output = map(Path, sys.argv[1:])\n"
        "    run(DedupConfig(), {'documents': folder}, output, Runtime())\n"
    )
    script, output = tmp_path / "script.py", tmp_path / "killed"
    script.write_text(code)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    # In the first pass, behind the second, in the third (or later: the result is the same).
    for awaited in (
        ".fingerprints-documents-00002.arrow",
        ".verdicts.arrow",
        "documents-00001.arrow",
    ):
        process = subprocess.Popen(
            [sys.executable, script, folder, output], env=environment, start_new_session=True
        )
        while not (output / awaited).exists() and process.poll() is None:
            time.sleep(0.005)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    resumed = run(CONFIG, {"documents": folder}, output, Runtime(workers=2))
    assert resumed.hash == whole.hash
    assert resumed.counts == whole.counts
    assert resumed.figures == whole.figures


def test_a_damaged_shard_is_named(make_documents, new_document, tmp_path):
    folder = make_documents("in", [[new_document("http://a/", "text " * 500)]])
    shard = data_shards(folder)[0]
    shard.write_bytes(shard.read_bytes()[:-100])
    with pytest.raises(WebtextError, match=r"documents-00000\.arrow is damaged"):
        run(CONFIG, {"documents": folder}, tmp_path / "out", Runtime())
    assert not (tmp_path / "out" / "manifest.json").exists()


@pytest.mark.parametrize(
    "config",
    [
        *(DedupConfig(n=n) for n in (1, 2, 8, 13, 1000)),
        *(DedupConfig(near_threshold=t) for t in (0.5, 0.6, 0.77, 0.95, 1.0)),
    ],
)
def test_no_option_switches_dedup_off(make_documents, new_document, tmp_path, config):
    texts = ["", "!!!", "one", " ".join(words(1, 30)), " ".join(words(2, 900))]
    documents = [
        new_document(f"http://{scheme}/{i}", text, day=day)
        for day, scheme in enumerate(["a", "b", "c"])
        for i, text in enumerate(texts)
    ]
    folder = make_documents("in", [documents[::2], documents[1::2]])
    manifest = run(config, {"documents": folder}, tmp_path / "out", Runtime())
    assert survivors(tmp_path / "out") == [f"http://a/{i}" for i in range(len(texts))]
    assert manifest.counts.rejects == {"exact_duplicate": 2 * len(texts)}


def test_a_threshold_that_the_bands_cannot_serve_is_refused():
    for threshold in (0.49, 1.01):
        with pytest.raises(ValidationError):
            DedupConfig(near_threshold=threshold)


def test_the_same_page_under_many_addresses_stays_once(make_documents, new_document, tmp_path):
    text = " ".join(words(1, 300))
    urls = (
        "http://a.org/x",
        "https://a.org/x",
        "http://www.a.org/x",
        "http://a.org/x?utm_source=b",
    )
    documents = [new_document(url, text, day=9 - i) for i, url in enumerate(urls)]
    documents[3]["first_seen"] = None
    folder = make_documents("in", [documents])
    run(CONFIG, {"documents": folder}, tmp_path / "out", Runtime())
    assert survivors(tmp_path / "out") == ["http://www.a.org/x"]


def test_copies_share_the_fate_of_the_first_of_them(make_documents, new_document, tmp_path):
    text = words(1, 300)
    first = new_document("http://a/", " ".join(text), day=1)
    near = [new_document(f"http://b/{i}", " ".join(text[4:]), day=2 + i) for i in range(3)]
    folder = make_documents("in", [near, [first]])
    run(CONFIG, {"documents": folder}, tmp_path / "out", Runtime())
    verdict = ("near_duplicate", f"{first['id']} {292 / 296:.3f}")
    assert rejects(tmp_path / "out") == {row["id"]: verdict for row in near}
