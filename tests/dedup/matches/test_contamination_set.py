"""Recall and precision per kind of planted benchmark item, in both directions."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pytest

from corpus.runtime import Runtime
from corpus.shards import read_rows
from corpus.stage import data_shards
from dedup.matches.shards import is_boilerplate
from dedup.matches.stage import MatchesConfig, run as find_matches
from dedup.overlap import index, stage as overlap
from tests.dedup.conftest import document
from tests.dedup.contamination_set import (
    BOILERPLATE_DECOY,
    DECOYS,
    DISGUISES,
    ContaminationSet,
    make_contamination_set,
)
from tests.dedup.matches.small_corpus import write_corpus

# Below n = 8 words an item has no n-gram: it is rejected as too short, and said to be.
TOO_SHORT = "words_4_to_7"
FOUND = [kind for kind in DISGUISES if kind != TOO_SHORT]

Told = set[tuple[str, int]]


class Labelled(NamedTuple):
    made: ContaminationSet
    inputs: dict[str, Path]
    exact: Path
    ids: dict[str, str]
    """URL by document id."""


@pytest.fixture(scope="module")
def labelled(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Labelled:
    made = make_contamination_set(real_data)
    folder = tmp_path_factory.mktemp("labelled")
    inputs = write_corpus(folder, made.documents, num_shards=3) | made.write_items(folder / "items")
    find_matches(MatchesConfig(), inputs, folder / "matches", Runtime())
    ids = {document(url, "")["id"]: url for url in made.documents}
    return Labelled(made, inputs, folder / "matches", ids)


def matches(folder: Path) -> Iterable[dict]:
    for shard in data_shards(folder, "matches-"):
        yield from read_rows(shard)


def recall_and_precision(made: ContaminationSet, told: Told, kind: str) -> tuple[float, float]:
    planted = set(made.planted[kind])
    found = {example for slug, example in told if slug == f"{kind}.jsonl"}
    recall = len(found & planted) / len(planted) if planted else 1.0
    return recall, len(found & planted) / len(found) if found else 1.0


def test_the_exact_direction_finds_every_kind_where_it_is(labelled: Labelled):
    told: Told = set()
    for match in matches(labelled.exact):
        if not is_boilerplate(match):
            kind = match["text_set"].removesuffix(".jsonl")
            where = labelled.made.planted[kind].get(match["example"])
            assert labelled.ids[match["document"]] == where == match["url"]
            told.add((match["text_set"], match["example"]))
    for kind in FOUND:
        assert recall_and_precision(labelled.made, told, kind) == (1, 1), kind
    assert recall_and_precision(labelled.made, told, TOO_SHORT)[0] == 0
    decoys = {f"{kind}.jsonl" for kind in (*DECOYS, BOILERPLATE_DECOY)}
    assert not [slug for slug, _ in told if slug in decoys]


def test_boilerplate_is_found_and_told_apart(labelled: Labelled):
    found = [m for m in matches(labelled.exact) if m["text_set"] == f"{BOILERPLATE_DECOY}.jsonl"]
    documents = {match["document"] for match in found}
    assert len(documents) > MatchesConfig().boilerplate_documents
    assert all(is_boilerplate(match) for match in found)


def test_items_below_an_ngram_are_said_to_be_too_short(labelled: Labelled):
    keys = [row["key"] for row in read_rows(labelled.exact / "rejects-00000.arrow")]
    items = labelled.made.items[TOO_SHORT]
    assert keys == [f"{TOO_SHORT}.jsonl:{number}:text" for number in range(len(items))]


def test_the_filter_finds_what_the_exact_direction_finds(labelled: Labelled, tmp_path: Path):
    inputs = labelled.inputs
    corpus = {role: inputs[role] for role in ("documents", "tokens")}
    index.run(index.NgramsConfig(), corpus, tmp_path / "ngrams", Runtime())
    texts = {role: path for role, path in inputs.items() if role.startswith("texts-")}
    asked = {"ngrams": tmp_path / "ngrams", **texts}
    overlap.run(overlap.OverlapConfig(), asked, tmp_path / "overlap", Runtime())
    rows = list(read_rows(tmp_path / "overlap" / "overlap-00000.arrow"))
    told = {(row["text_set"], row["example"]) for row in rows if row["num_found"]}
    for kind in FOUND:
        assert recall_and_precision(labelled.made, told, kind) == (1, 1), kind
    assert not [slug for slug, _ in told if slug.removesuffix(".jsonl") in DECOYS]
    # A filter cannot tell in how many documents an n-gram is: the decoys' sentence is found.
    exact = {
        (row["text_set"], row["example"], row["part"]): row["num_found"]
        for row in read_rows(labelled.exact / "counts-00000.arrow")
    }
    assert {(r["text_set"], r["example"], r["part"]): r["num_found"] for r in rows} == exact
