"""Token shards of an earlier version are used where, and only where, they are the same."""

import shutil

import pytest

from corpus.manifest import MANIFEST, WITHDRAWN, library_versions
from corpus.runtime import Runtime
from corpus.schema import DOCUMENTS
from corpus.settings import Section
from corpus.shards import shard_name
from corpus.stage import StageWriter
from corpus.tokenizer import Tokenizer
from corpus.tokens.reuse import reusable_shards, shard_number
from corpus.tokens.stage import LIBRARIES, TokensConfig, run

CONFIG = TokensConfig(vocab_size=258, val_fraction=0.3)
SETTINGS = {"val_fraction": 0.3, "split_by": "domain"}


class NoConfig(Section):
    pass


def write_documents(folder, shards: dict[int, list[str]]):
    writer = StageWriter("unique", NoConfig(), {}, folder)
    for number, texts in shards.items():
        rows = [
            dict.fromkeys(DOCUMENTS.names)
            | {"id": f"{i:016x}", "domain": f"{i}.example", "text": t}
            for i, t in enumerate(texts)
        ]
        writer.write(shard_name("documents", number), rows, DOCUMENTS)
    writer.finish(sum(map(len, shards.values())))
    return folder


def texts_of(number: int) -> list[str]:
    return [f"text {i} of shard {number}" for i in range(20)]


BEFORE = {0: texts_of(0), 1: texts_of(1), 5: texts_of(5)}
AFTER = {0: texts_of(0), 1: ["changed", *texts_of(1)[1:]], 5: texts_of(5), 6: texts_of(6)}


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    Tokenizer.train(["text text text"], 258).save(folder)
    return folder


@pytest.fixture(scope="module")
def built(tokenizer, tmp_path_factory):
    """A data folder with two versions of the documents, and the tokens of the first."""
    data = tmp_path_factory.mktemp("data")
    before = write_documents(data / "unique" / "before", BEFORE)
    write_documents(data / "unique" / "after", AFTER)
    inputs = {"documents": before, "tokenizer": tokenizer}
    run(CONFIG, inputs, data / "tokens" / "base", Runtime())
    return data


@pytest.fixture
def data(built, tmp_path):
    """Elsewhere than it was made: paths in manifests are those of before the move."""
    return shutil.copytree(built, tmp_path / "moved")


def reusable(data, tokenizer, **changed) -> set[int]:
    arguments = {
        "settings": SETTINGS,
        "versions": library_versions(LIBRARIES),
        "vocabulary": Tokenizer.load(tokenizer).fingerprint,
    }
    base, after = data / "tokens" / "base", data / "unique" / "after"
    return reusable_shards(base, after, **(arguments | changed))


def test_unchanged_shards_are_linked_and_the_bytes_are_those_without_a_base(
    built, tokenizer, tmp_path
):
    base = built / "tokens" / "base"
    inputs = {"documents": built / "unique" / "after", "tokenizer": tokenizer}
    alone = run(CONFIG, inputs, tmp_path / "alone", Runtime())
    output = tmp_path / "output"
    interrupted = output / shard_name("val", 5)  # killed between a shard's two splits
    output.mkdir()
    interrupted.hardlink_to(base / interrupted.name)
    grown = run(CONFIG, inputs | {"base": base}, output, Runtime())
    assert (grown.hash, grown.counts) == (alone.hash, alone.counts)
    assert grown.figures["num_reused_shards"] == 2
    for number, is_linked in {0: True, 1: False, 5: True}.items():
        for split in ("train", "val"):
            name = shard_name(split, number)
            assert (output / name).samefile(base / name) == is_linked
    assert not list(output.glob(".*"))


def test_a_data_folder_that_was_moved_still_serves(built, data, tokenizer, monkeypatch):
    shutil.move(built / "unique", built / "gone")
    try:
        assert reusable(data, tokenizer) == {0, 5}
    finally:
        shutil.move(built / "gone", built / "unique")


def test_documents_that_were_withdrawn_since_still_tell_what_the_base_was_made_of(
    built, data, tokenizer
):
    shutil.rmtree(built / "unique" / "before")
    before = data / "unique" / "before"
    (before / MANIFEST).rename(before / WITHDRAWN)
    try:
        assert reusable(data, tokenizer) == {0, 5}
    finally:
        shutil.copytree(before, built / "unique" / "before")
        (built / "unique" / "before" / WITHDRAWN).rename(built / "unique" / "before" / MANIFEST)


@pytest.mark.parametrize(
    "changed",
    [
        {"vocabulary": "0" * 64},
        {"settings": SETTINGS | {"val_fraction": 0.2}},
        {"settings": SETTINGS | {"split_by": "document"}},
        {"versions": {"webtext": "0"}},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_what_another_vocabulary_or_split_or_version_made_is_not_used(data, tokenizer, changed):
    assert reusable(data, tokenizer, **changed) == set()


def test_documents_that_are_not_those_of_the_base_tell_nothing(built, data, tokenizer):
    base = data / "tokens" / "base" / MANIFEST
    gone = base.read_text().replace(str(built / "unique" / "before"), str(data / "no" / "where"))
    base.write_text(gone)
    assert reusable(data, tokenizer) == set()


def test_the_number_of_a_shard_is_in_its_name(tmp_path):
    assert shard_number(tmp_path / "documents-00007.arrow") == 7
    assert shard_number(tmp_path / shard_name("train", 123_456)) == 123_456
