"""The tokens stage: every document in one split, its text to be had back from the shards."""

import hashlib
import os
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
from corpus.tokens import TokensConfig, run, split_of, token_streams

CONFIG = TokensConfig(vocab_size=300, val_fraction=0.2)


class NoConfig(Section):
    pass


def document(name: str, text: str) -> dict:
    row = dict.fromkeys(DOCUMENTS.names)
    return row | {"id": hashlib.sha256(name.encode()).hexdigest()[:16], "text": text}


def write_documents(folder, shards):
    writer = StageWriter("unique", NoConfig(), {}, folder)
    for index, texts in enumerate(shards):
        rows = [document(f"{index}/{i}", text) for i, text in enumerate(texts)]
        writer.write(shard_name("documents", index), rows, DOCUMENTS)
    writer.finish(sum(map(len, shards)))
    return folder


SHARDS = [
    [f"Document {i} of shard {shard}: thé quick brown fox 🦊\n" * (i % 4) for i in range(30)]
    for shard in range(3)
] + [[]]


@pytest.fixture(scope="module")
def documents(tmp_path_factory):
    return write_documents(tmp_path_factory.mktemp("documents"), SHARDS)


@pytest.fixture(scope="module")
def finished(documents, tmp_path_factory):
    output = tmp_path_factory.mktemp("tokens")
    return output, run(CONFIG, {"documents": documents}, output, Runtime(workers=2))


def split_texts(folder, split):
    tokenizer = Tokenizer.load(folder / "tokenizer")
    for path in sorted(folder.glob(f"{split}-*.arrow")):
        for row in read_rows(path):
            assert row["tokens"][-1] == tokenizer.end_of_text
            yield row["id"], tokenizer.decode(row["tokens"][:-1])


def test_every_document_is_in_exactly_one_split_with_its_text(documents, finished):
    output, manifest = finished
    wanted = {row["id"]: row["text"] for p in documents.glob("*.arrow") for row in read_rows(p)}
    train, val = dict(split_texts(output, "train")), dict(split_texts(output, "val"))
    assert train | val == wanted
    assert not train.keys() & val.keys()
    assert all(split_of(key, CONFIG.val_fraction) == "val" for key in val)
    assert manifest.counts.incoming == manifest.counts.out == 90
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


def test_bytes_do_not_depend_on_the_number_of_workers(documents, finished, tmp_path):
    alone = run(CONFIG, {"documents": documents}, tmp_path, Runtime(workers=1))
    assert alone.hash == finished[1].hash


def test_the_vocabulary_is_learnt_from_the_train_split_only(documents, finished):
    train = [text for _, text in split_texts(finished[0], "train")]
    assert Tokenizer.load(finished[0] / "tokenizer") == Tokenizer.train(train, CONFIG.vocab_size)


def test_a_run_killed_at_any_moment_goes_on_to_the_same_bytes(documents, finished, tmp_path):
    script = (
        "import sys; from pathlib import Path; from corpus.runtime import Runtime;"
        "from corpus.tokens import TokensConfig, run\n"
        "if __name__ == '__main__':\n"
        "    config = TokensConfig.model_validate_json(sys.argv[1])\n"
        "    run(config, {'documents': Path(sys.argv[2])}, Path(sys.argv[3]), Runtime(workers=1))\n"
    )
    main = tmp_path / "main.py"
    main.write_text(script)
    output = tmp_path / "output"
    arguments = [str(main), CONFIG.model_dump_json(), str(documents), str(output)]
    process = subprocess.Popen(
        [sys.executable, *arguments], env={**os.environ, "PYTHONPATH": str(Path.cwd())}
    )
    while not (output / "train-00000.arrow").exists():
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    (output / "train-00000.arrow").touch()
    kept = (output / "train-00000.arrow").stat().st_mtime_ns
    manifest = run(CONFIG, {"documents": documents}, output, Runtime(workers=2))
    assert manifest.hash == finished[1].hash
    assert (output / "train-00000.arrow").stat().st_mtime_ns == kept


def test_a_given_tokenizer_is_used_as_it_is(documents, finished, tmp_path):
    given = tmp_path / "given"
    Tokenizer.train(["abc abc abc"], 258).save(given)
    config = CONFIG.model_copy(update={"vocab_size": 258, "tokenizer": given})
    inputs = {"documents": documents, "tokenizer": given}
    run(config, inputs, tmp_path / "output", Runtime())
    assert Tokenizer.load(tmp_path / "output" / "tokenizer") == Tokenizer.load(given)
    assert dict(split_texts(tmp_path / "output", "val")) == dict(split_texts(finished[0], "val"))


def test_a_given_tokenizer_of_another_size_is_refused(documents, tmp_path):
    Tokenizer.train(["abc abc abc"], 258).save(tmp_path)
    inputs = {"documents": documents, "tokenizer": tmp_path}
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
    with pytest.raises(WebtextError, match="not one document in the train split"):
        run(CONFIG, {"documents": documents}, tmp_path / "output", Runtime())


def test_the_held_out_share_is_the_promised_one_and_stays_when_it_grows():
    ids = [hashlib.sha256(str(i).encode()).hexdigest()[:16] for i in range(20_000)]
    val = {key for key in ids if split_of(key, 0.05) == "val"}
    assert abs(len(val) / len(ids) - 0.05) < 0.006
    assert val < {key for key in ids if split_of(key, 0.1) == "val"}
