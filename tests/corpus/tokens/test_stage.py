"""The tokens stage: every document in one split, its text to be had back from the shards."""

import hashlib
import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pytest

from corpus.errors import UsageError, WebtextError
from corpus.runtime import Runtime
from corpus.schema import DOCUMENTS
from corpus.settings import Section
from corpus.shards import open_shard, read_rows, shard_name
from corpus.stage import StageWriter
from corpus.tokenizer import Tokenizer
from corpus.tokens.encoding import vocabulary_of
from corpus.tokens.splits import SPLITS, split_of
from corpus.tokens.stage import TokensConfig, run, token_streams, write_tokens

CONFIG = TokensConfig(vocab_size=300, val_fraction=0.2)


class NoConfig(Section):
    pass


def document(name: str, text: str) -> dict:
    row = dict.fromkeys(DOCUMENTS.names)
    row_id = hashlib.sha256(name.encode()).hexdigest()[:16]
    return row | {"id": row_id, "domain": f"site{len(text) % 40}.example", "text": text}


def write_documents(folder, shards, domain=None):
    writer = StageWriter("unique", NoConfig(), {}, folder)
    for index, texts in enumerate(shards):
        rows = [document(f"{index}/{i}/{text}", text) for i, text in enumerate(texts)]
        if domain is not None:
            rows = [row | {"domain": domain} for row in rows]
        writer.write(shard_name("documents", index), rows, DOCUMENTS)
    writer.finish(sum(map(len, shards)))
    return folder


SHARDS = [
    [f"Document {i} of shard {shard}: thé quick brown fox 🦊{'!' * i}\n" for i in range(30)]
    for shard in range(3)
] + [["", " " * 5000, "\0", "a<|endoftext|>b", "\ufffd\u2028 \r\n"], []]
NUM_DOCUMENTS = sum(map(len, SHARDS))


@pytest.fixture(scope="module")
def documents(tmp_path_factory):
    return write_documents(tmp_path_factory.mktemp("documents"), SHARDS)


@pytest.fixture(scope="module")
def finished(documents, tmp_path_factory):
    output = tmp_path_factory.mktemp("tokens")
    return output, run(CONFIG, {"documents": documents}, output, Runtime(workers=2))


@pytest.fixture(scope="module")
def tokenizer_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    Tokenizer.train(["abc abc abc"], 258).save(folder)
    return folder


GIVEN = CONFIG.model_copy(update={"vocab_size": 258})


def split_texts(folder, split):
    tokenizer = Tokenizer.load(folder / "tokenizer")
    for path in sorted(folder.glob(f"{split}-*.arrow")):
        for row in read_rows(path):
            assert row["tokens"][-1] == tokenizer.end_of_text
            yield row["id"], tokenizer.decode(row["tokens"][:-1])


def test_every_document_is_in_one_split_with_its_text(documents, finished):
    output, manifest = finished
    wanted = {row["id"]: row["text"] for p in documents.glob("*.arrow") for row in read_rows(p)}
    train, val = dict(split_texts(output, "train")), dict(split_texts(output, "val"))
    assert train | val == wanted
    assert not train.keys() & val.keys()
    assert manifest.counts.incoming == manifest.counts.out == NUM_DOCUMENTS
    assert manifest.figures["num_train_documents"] == len(train)
    assert manifest.figures["num_val_documents"] == len(val) > 0


def test_shards_are_one_uncompressed_batch_of_uint16(finished):
    output, manifest = finished
    shards = sorted(output.glob("train-*.arrow"))
    assert len(shards) == len(SHARDS)
    for path in shards:
        reader = open_shard(path)
        assert reader.num_record_batches == 1
        assert reader.schema.field("tokens").type == pa.large_list(pa.uint16())
    before = pa.total_allocated_bytes()
    streams = list(token_streams(shards))
    assert pa.total_allocated_bytes() == before
    assert sum(map(len, streams)) == manifest.figures["num_train_tokens"]


def test_shards_name_the_vocabulary_that_made_them(finished):
    output, _ = finished
    fingerprint = Tokenizer.load(output / "tokenizer").fingerprint
    assert {vocabulary_of(path) for path in output.glob("*.arrow")} == {fingerprint}


def test_no_site_is_in_both_splits(documents, finished):
    domains = {r["id"]: r["domain"] for p in documents.glob("*.arrow") for r in read_rows(p)}
    sites = [{domains[key] for key, _ in split_texts(finished[0], split)} for split in SPLITS]
    assert all(sites)
    assert not sites[0] & sites[1]


def test_bytes_do_not_depend_on_the_number_of_workers(documents, finished, tmp_path):
    inputs = {"documents": documents, "tokenizer": finished[0] / "tokenizer"}
    config = CONFIG.model_copy(update={"vocab_size": finished[1].figures["vocab_size"]})
    for workers in (1, 3):
        output = tmp_path / str(workers)
        assert run(config, inputs, output, Runtime(workers=workers)).hash == finished[1].hash


def test_the_vocabulary_is_learnt_from_the_train_split_only(documents, finished):
    train = [text for _, text in split_texts(finished[0], "train")]
    assert Tokenizer.load(finished[0] / "tokenizer") == Tokenizer.train(train, CONFIG.vocab_size)


_RUN = """
import sys; from pathlib import Path; from corpus.runtime import Runtime
from corpus.tokens.stage import TokensConfig, run
if __name__ == '__main__':
    config = TokensConfig.model_validate_json(sys.argv[1])
    run(config, {'documents': Path(sys.argv[2])}, Path(sys.argv[3]), Runtime(workers=1))
"""


@pytest.mark.parametrize(
    "sign", ["tokenizer/.training-text", "tokenizer/encoder.json", "val-00000.arrow"]
)
def test_a_run_killed_at_any_moment_goes_on_to_the_same_bytes(documents, finished, tmp_path, sign):
    main = tmp_path / "main.py"
    main.write_text(_RUN)
    output = tmp_path / "output"
    arguments = [str(main), CONFIG.model_dump_json(), str(documents), str(output)]
    process = subprocess.Popen(
        [sys.executable, *arguments], env={**os.environ, "PYTHONPATH": str(Path.cwd())}
    )
    while not (output / sign).exists():
        assert process.poll() is None
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = {path: path.stat().st_ino for path in output.glob("train-*.arrow")}
    manifest = run(CONFIG, {"documents": documents}, output, Runtime(workers=1))
    assert manifest.hash == finished[1].hash
    assert kept == {path: path.stat().st_ino for path in kept}


def test_a_given_tokenizer_is_used_as_it_is(documents, finished, tokenizer_folder, tmp_path):
    inputs = {"documents": documents, "tokenizer": tokenizer_folder}
    run(GIVEN, inputs, tmp_path, Runtime())
    assert Tokenizer.load(tmp_path / "tokenizer") == Tokenizer.load(tokenizer_folder)
    assert dict(split_texts(tmp_path, "val")) == dict(split_texts(finished[0], "val"))


def test_a_given_tokenizer_of_another_size_is_refused(documents, tokenizer_folder, tmp_path):
    inputs = {"documents": documents, "tokenizer": tokenizer_folder}
    with pytest.raises(UsageError, match="258 ids") as error:
        run(CONFIG, inputs, tmp_path / "output", Runtime())
    assert error.value.hint == "Set tokens.vocab_size to 258."


def test_a_tiny_corpus_may_have_an_empty_val_split(tmp_path):
    documents = write_documents(tmp_path / "documents", [["only one"]])
    config = TokensConfig(vocab_size=257, val_fraction=1e-9)
    manifest = run(config, {"documents": documents}, tmp_path / "output", Runtime())
    assert manifest.figures["num_val_tokens"] == 0
    assert manifest.figures["num_train_tokens"] == len("only one") + 1


def test_a_corpus_without_training_text_is_refused(tmp_path):
    documents = write_documents(tmp_path / "documents", [[]])
    with pytest.raises(WebtextError, match="not one of 0 documents is in the train split") as error:
        run(CONFIG, {"documents": documents}, tmp_path / "output", Runtime())
    assert "more documents" in error.value.hint


HELD_OUT_SITE = next(name for name in map(str, range(99)) if split_of(name, 0.2) == "val")
KEPT_SITE = next(name for name in map(str, range(99)) if split_of(name, 0.2) == "train")


@pytest.mark.parametrize("has_tokenizer", [False, True])
def test_a_corpus_of_held_out_sites_only_is_refused_with_the_remedy(
    tmp_path, tokenizer_folder, has_tokenizer
):
    documents = write_documents(tmp_path / "documents", SHARDS[:1], domain=HELD_OUT_SITE)
    inputs = {"documents": documents} | ({"tokenizer": tokenizer_folder} if has_tokenizer else {})
    with pytest.raises(WebtextError, match="not one of 30 documents is in the train") as error:
        run(GIVEN, inputs, tmp_path / "output", Runtime())
    assert 'tokens.split_by = "document"' in error.value.hint


def test_a_corpus_of_one_site_says_that_nothing_is_held_out_and_can_be_split_by_document(
    tmp_path, tokenizer_folder
):
    texts = [f"text {i}" for i in range(150)]
    documents = write_documents(tmp_path / "documents", [texts], domain=KEPT_SITE)
    inputs = {"documents": documents, "tokenizer": tokenizer_folder}
    whole = run(GIVEN, inputs, tmp_path / "whole", Runtime())
    assert whole.figures["num_val_documents"] == 0
    assert "0.0% of the 150 documents are held out, not 20.0%" in whole.problems[0]
    assert 'tokens.split_by = "document"' in whole.problems[0]
    by_document = GIVEN.model_copy(update={"split_by": "document"})
    split = run(by_document, inputs, tmp_path / "split", Runtime())
    assert split.problems == []
    assert 15 <= int(split.figures["num_val_documents"]) <= 45


def test_no_room_for_a_shard_names_it_and_leaves_nothing_half_written(tmp_path, tokenizer_folder):
    letters = random.Random(0).choices("abcdefgh", k=100_000)
    documents = write_documents(tmp_path / "documents", [["".join(letters)]], domain=KEPT_SITE)
    inputs = {"documents": documents, "tokenizer": tokenizer_folder}
    output = tmp_path / "output"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (65_536, hard))  # worker processes inherit it
    try:
        with pytest.raises(WebtextError, match=r"no space left to write .*train-00000\.arrow"):
            run(GIVEN, inputs, output, Runtime())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert sorted(path.name for path in output.iterdir()) == ["tokenizer", "val-00000.arrow"]
    run(GIVEN, inputs, output, Runtime())
    assert dict(split_texts(output, "train")).popitem()[1] == "".join(letters)


def test_a_shard_without_some_documents_has_the_bytes_that_the_stage_would_give_it(
    finished, tmp_path, tokenizer_folder
):
    texts = SHARDS[0]
    for name, kept in (("all", texts), ("some", texts[:4] + texts[9:])):
        folder = tmp_path / name
        documents = folder / "documents"
        writer = StageWriter("unique", NoConfig(), {}, documents)
        rows = [document(text, text) for text in kept]
        writer.write(shard_name("documents", 0), rows, DOCUMENTS)
        writer.finish(len(rows))
        inputs = {"documents": documents, "tokenizer": tokenizer_folder}
        run(GIVEN, inputs, folder / "tokens", Runtime())
    gone = [document(text, text)["id"] for text in texts[4:9]]
    for split in SPLITS:
        shard = open_shard(tmp_path / "all" / "tokens" / shard_name(split, 0)).get_batch(0)
        keep = pa.array([key not in gone for key in shard.column("id").to_pylist()])
        write_tokens(tmp_path / "rewritten", shard.filter(keep))
        wanted = tmp_path / "some" / "tokens" / shard_name(split, 0)
        assert (tmp_path / "rewritten").read_bytes() == wanted.read_bytes()
