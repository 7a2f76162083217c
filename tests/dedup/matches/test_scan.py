"""A hit is told only if the words themselves agree, whatever their hashes say."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from corpus.shards import read_rows, write_shard
from dedup.matches.item_index import build_index
from dedup.matches.scan import ScanTask, scan_shard
from dedup.matches.shards import PARTS
from dedup.matches.split_ids import write_split_ids
from tests.dedup.matches.small_corpus import write_corpus

TEXT = "eight words that are in this one document"
COLLIDING = "eight words that are in that one document"


@pytest.mark.parametrize(("item", "num_hits"), [(TEXT, 1), (COLLIDING, 0)])
def test_words_with_the_same_hashes_are_compared_by_letter(item, num_hits, tmp_path: Path):
    inputs = write_corpus(tmp_path, {"http://a": TEXT})
    write_split_ids(inputs["tokens"], "train", tmp_path / "ids.npy")
    # An index that holds the document's hashes for whatever the item says: a collision.
    build_index(pa.array([TEXT], pa.large_string()), np.array([0]), 8).save(tmp_path / "8")
    part = {"text_set": "mine", "example": 0, "part": "text", "text": item}
    write_shard(tmp_path / "parts.arrow", [part], PARTS)
    task = ScanTask(
        documents=inputs["documents"] / "documents-00000.arrow",
        train_ids=tmp_path / "ids.npy",
        parts=tmp_path / "parts.arrow",
        indexes={8: tmp_path / "8"},
        runs=tmp_path / "runs.arrow",
        counts=tmp_path / "counts.npz",
        matches=tmp_path / "matches.arrow",
        num_rows=1,
    )
    scan_shard(task)
    assert len(list(read_rows(tmp_path / "runs.arrow"))) == num_hits
