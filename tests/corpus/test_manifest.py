"""A manifest accounts for everything and names its stage by content."""

from pathlib import Path

import pytest
from hypothesis import given, strategies as st
from pydantic import ValidationError

from corpus.errors import WebtextError
from corpus.manifest import Counts, Shard, content_hash, read_manifest, stage_key
from corpus.settings import Section


class Config(Section):
    OPERATIONAL = frozenset({"delay_s"})

    min_score: int = 3
    delay_s: float = 1.0


@given(st.integers(0, 100), st.dictionaries(st.text(max_size=5), st.integers(0, 50), max_size=4))
def test_counts_that_add_up_are_accepted_and_others_are_not(out: int, rejects: dict[str, int]):
    total = out + sum(rejects.values())
    Counts.model_validate({"in": total, "out": out, "rejects": rejects})
    with pytest.raises(ValidationError, match="is not out"):
        Counts.model_validate({"in": total + 1, "out": out, "rejects": rejects})


def test_only_data_shards_decide_the_content_hash():
    data = Shard(name="a.arrow", kind="data", rows=1, bytes=1, sha256="x")
    lineage = Shard(name="lineage-0.arrow", kind="lineage", rows=1, bytes=1, sha256="y")
    other = lineage.model_copy(update={"sha256": "z"})
    assert content_hash([data, lineage]) == content_hash([other, data])
    assert content_hash([data]) != content_hash([data.model_copy(update={"sha256": "q"})])


def test_a_stage_key_changes_with_what_decides_the_output_and_with_nothing_else():
    key = stage_key("links", Config(), {"dump": "h"}, ())
    assert key == stage_key("links", Config(delay_s=9), {"dump": "h"}, ())
    others = [
        stage_key("pages", Config(), {"dump": "h"}, ()),
        stage_key("links", Config(min_score=4), {"dump": "h"}, ()),
        stage_key("links", Config(), {"dump": "i"}, ()),
        stage_key("links", Config(), {"dump": "h"}, ("numpy",)),
    ]
    assert len({key, *others}) == 5


def test_a_missing_manifest_says_that_the_stage_has_not_ended(tmp_path: Path):
    with pytest.raises(WebtextError, match="has not ended"):
        read_manifest(tmp_path)


def test_a_foreign_manifest_is_named(tmp_path: Path):
    (tmp_path / "manifest.json").write_text('{"stage": "links"}')
    with pytest.raises(WebtextError, match=r"manifest\.json is not a manifest"):
        read_manifest(tmp_path)
