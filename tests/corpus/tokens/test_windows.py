"""Windows cover every token once, open no shard before it is needed, and know whose they are."""

import subprocess
import sys
from itertools import pairwise

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.ipc
import pytest
from hypothesis import given, settings, strategies as st

from corpus.errors import WebtextError
from corpus.manifest import MANIFEST, WITHDRAWN, read_manifest, write_manifest
from corpus.schema import tokens_schema
from corpus.settings import Section
from corpus.stage import StageWriter
from corpus.tokens.windows import TokenWindows

TOKENS = st.lists(st.integers(0, 69_999), min_size=1, max_size=12)
SHARDS = st.lists(st.lists(TOKENS, max_size=4), max_size=5)


class NoConfig(Section):
    pass


def write_shard(path, documents, vocab_size=1000):
    """Documents are lists of tokens; their ids say their shard and row."""
    schema = tokens_schema(vocab_size)
    ids = [f"{path.stem[-5:]}/{row}" for row in range(len(documents))]
    with pa.ipc.new_file(path, schema) as out:
        columns = {"id": ids, "tokens": documents}
        out.write_batch(pa.RecordBatch.from_pydict(columns, schema=schema))


def write_folder(folder, shards, vocab_size=1000):
    """A finished tokens folder of train shards, and one val shard."""
    writer = StageWriter("tokens", NoConfig(), {}, folder)
    write_shard(folder / "val-00000.arrow", [[7, 7, 7]])
    for number, documents in enumerate(shards):
        write_shard(folder / f"train-{number:05d}.arrow", documents, vocab_size)
    writer.finish(1 + sum(map(len, shards)))
    return folder


def flat(nested):
    return [each for inner in nested for each in inner]


@settings(max_examples=40)
@given(shards=SHARDS, block_size=st.integers(1, 9), vocab_size=st.sampled_from([65_536, 70_000]))
def test_windows_predict_every_token_once(tmp_path_factory, shards, block_size, vocab_size):
    shards = [[[t % vocab_size for t in document] for document in shard] for shard in shards]
    folder = write_folder(tmp_path_factory.mktemp("tokens"), shards, vocab_size)
    stream = flat(flat(shards))
    windows = TokenWindows(folder, "train", block_size)
    assert windows.num_tokens == len(stream)
    assert max(0, len(stream) - 1) - len(windows) * block_size in range(block_size)
    rows = [
        stream[i * block_size : (i + 1) * block_size + 1]  # neighbours share a token
        for i in range(len(windows))
    ]
    assert [windows[i].tolist() for i in range(len(windows))] == rows
    backwards = windows.read(range(len(windows))[::-1])
    assert backwards.dtype == np.int64
    assert backwards.shape == (len(windows), block_size + 1)
    assert backwards.tolist() == rows[::-1]


@settings(max_examples=40)
@given(shards=SHARDS, block_size=st.integers(1, 30))
def test_the_documents_of_all_windows_are_all_predicted_tokens(
    tmp_path_factory, shards, block_size
):
    folder = write_folder(tmp_path_factory.mktemp("tokens"), shards, 70_000)
    windows = TokenWindows(folder, "train", block_size)
    owners = [
        (f"{number:05d}/{row}", number)
        for number, documents in enumerate(shards)
        for row, document in enumerate(documents)
        for _ in document
    ]
    for index in range(len(windows)):
        parts = windows.documents(index)
        named = flat([(part.document_id, part.shard)] * part.num_tokens for part in parts)
        assert named == owners[index * block_size + 1 : (index + 1) * block_size + 1]
        assert all(part.num_tokens for part in parts)
        assert all(one.document_id != two.document_id for one, two in pairwise(parts))


def test_splits_are_read_apart(tmp_path):
    folder = write_folder(tmp_path, [[[1, 2, 3, 4, 5]]])
    assert TokenWindows(folder, "val", 2)[0].tolist() == [7, 7, 7]
    assert TokenWindows(folder, "train", 2).read([1, 0]).tolist() == [[3, 4, 5], [1, 2, 3]]


@pytest.mark.parametrize("index", [2, -1])
def test_there_is_no_window_outside(tmp_path, index):
    windows = TokenWindows(write_folder(tmp_path, [[[1, 2, 3, 4, 5]]]), "train", 2)
    for ask in (windows.__getitem__, windows.documents, lambda i: windows.read([0, i])):
        with pytest.raises(IndexError, match=rf"window {index} of 2"):
            ask(index)


@pytest.fixture
def folder(tmp_path):
    return write_folder(tmp_path, [[[1, 2, 3]], [[4, 5], [6]], [], [[8, 9, 10]]])


def test_a_shard_is_opened_when_a_window_needs_it(folder):
    (folder / "train-00001.arrow").unlink()
    windows = TokenWindows(folder, "train", 2)
    assert windows[0].tolist() == [1, 2, 3]
    for ask in (windows.__getitem__, windows.documents):
        with pytest.raises(WebtextError, match=r"train-00001\.arrow is missing"):
            ask(1)


def cut(path):
    path.write_bytes(path.read_bytes()[:-20])


def of_another_corpus(path):
    write_shard(path, [[4, 5, 6], [7]])


def with_documents_cut_elsewhere(path):
    write_shard(path, [[4, 5, 6]])


def no_tokens(path):
    with pa.ipc.new_file(path, pa.schema([("x", pa.int8())])) as out:
        out.write_batch(pa.RecordBatch.from_pydict({"x": pa.array([1], pa.int8())}))


def in_two_batches(path):
    schema = tokens_schema(1000)
    with pa.ipc.new_file(path, schema) as out:
        for tokens in ([4, 5], [6]):
            columns = {"id": ["a"], "tokens": [tokens]}
            out.write_batch(pa.RecordBatch.from_pydict(columns, schema=schema))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (cut, "is damaged"),
        (of_another_corpus, "2 documents of 4 tokens, the manifest says 2 of 3"),
        (with_documents_cut_elsewhere, "1 documents of 3 tokens, the manifest says 2 of 3"),
        (no_tokens, "is no token shard"),
        (in_two_batches, "is no token shard"),
    ],
)
def test_a_shard_that_is_not_the_manifests_is_named(folder, damage, message):
    damage(folder / "train-00001.arrow")
    windows = TokenWindows(folder, "train", 2)
    for ask in (windows.__getitem__, windows.documents):
        with pytest.raises(WebtextError, match=rf"train-00001\.arrow.* {message}"):
            ask(1)


def tokens_or_error(folder):
    windows = TokenWindows(folder, "train", 2)
    try:
        windows.documents(1)
        return flat(windows.read([0, 1, 2]).tolist())
    except WebtextError as exc:
        return exc.message


def test_a_flipped_bit_in_a_shard_is_an_error_that_names_it_or_changes_one_token(folder):
    path = folder / "train-00001.arrow"
    whole = path.read_bytes()
    tokens = tokens_or_error(folder)
    errors = []
    for at in range(8, len(whole), 3):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :])
        found = tokens_or_error(folder)
        if isinstance(found, str):
            errors.append(found)
        else:
            # Tokens have no checksum of their own: the sha256 is read before a training.
            assert sum(a != b for a, b in zip(found, tokens, strict=True)) <= 2
    assert len(errors) > 5
    assert all("train-00001.arrow" in error for error in errors)


def test_a_manifest_of_an_earlier_version_is_refused(folder):
    manifest = orjson.loads((folder / MANIFEST).read_bytes())
    for shard in manifest["shards"]:
        del shard["tokens"]
    (folder / MANIFEST).write_bytes(orjson.dumps(manifest))
    with pytest.raises(WebtextError, match="it is of an earlier version") as error:
        TokenWindows(folder, "train", 2)
    assert str(folder) in error.value.message


def test_an_unfinished_a_withdrawn_and_a_damaged_folder_are_refused(folder):
    (folder / MANIFEST).rename(folder / WITHDRAWN)
    with pytest.raises(WebtextError, match="was withdrawn"):
        TokenWindows(folder, "train", 2)
    (folder / WITHDRAWN).unlink()
    with pytest.raises(WebtextError, match="has not ended"):
        TokenWindows(folder, "train", 2)
    (folder / MANIFEST).write_bytes(b'{"shards": [')
    with pytest.raises(WebtextError, match=r"manifest\.json is not a manifest"):
        TokenWindows(folder, "train", 2)


READ_ALL = """
import resource, sys
from pathlib import Path
from corpus.tokens.windows import TokenWindows
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
windows = TokenWindows(Path(sys.argv[1]), "train", 4)
rows = windows.read(range(len(windows)))
names = {part.shard for i in range(0, len(windows), 100) for part in windows.documents(i)}
print(rows[:, 1:].sum(), len(windows), len(names))
"""


def test_two_thousand_mapped_shards_hold_no_file_open(tmp_path):
    manifest = read_manifest(write_folder(tmp_path, [[[9, 1, 2, 3]]]))
    shard = manifest.shards[0]
    shards = [shard.model_copy(update={"name": f"train-{i:05d}.arrow"}) for i in range(2000)]
    for each in shards[1:]:
        (tmp_path / each.name).hardlink_to(tmp_path / shard.name)
    write_manifest(tmp_path, manifest.model_copy(update={"shards": shards}))
    command = [sys.executable, "-c", READ_ALL, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    # All but the very first token and those of the rest: shorter than a window.
    assert done.stdout.split() == [str(2000 * 15 - 9 - 6), "1999", "40"]
