"""The stage "links": what is followed, what is not and why, and that nothing vanishes."""

import random
from datetime import UTC, date, datetime
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings, strategies as st

from corpus.errors import UsageError, WebtextError
from corpus.manifest import Manifest
from corpus.runtime import Runtime
from corpus.shards import read_rows
from corpus.stage import data_shards
from crawler.links import run
from crawler.submissions import Link, LinksConfig, Rejection, judge

SUBMISSION = {
    "id": "a1",
    "url": "http://www.example.com/story?id=1",
    "score": 3,
    "created_utc": 1_120_181_161,
    "subreddit": "reddit.com",
    "is_self": False,
    "over_18": False,
}


def verdict(config: LinksConfig | None = None, **changes: object) -> Link | Rejection:
    return judge(orjson.dumps({**SUBMISSION, **changes}), config or LinksConfig())


def reason(config: LinksConfig | None = None, **changes: object) -> str:
    found = verdict(config, **changes)
    assert isinstance(found, Rejection), found
    return found.reason


def write_dump(path: Path, *submissions: dict | bytes) -> Path:
    lines = (s if isinstance(s, bytes) else orjson.dumps({**SUBMISSION, **s}) for s in submissions)
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path


def run_on(dumps: list[Path], output: Path, workers: int = 1, **fields: object) -> Manifest:
    inputs = {f"dump-{number}": path for number, path in enumerate(dumps)}
    config = LinksConfig.model_validate(fields)
    return run(config, inputs, output, Runtime(workers=workers))


def rows(output: Path) -> list[dict]:
    return [row for shard in data_shards(output) for row in read_rows(shard)]


def content(output: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in data_shards(output)}


def test_a_submission_with_three_points_is_a_link():
    assert verdict() == Link(
        url="http://www.example.com/story?id=1",
        domain="example.com",
        score=3,
        created_s=1_120_181_161,
        subreddit="reddit.com",
        submission_id="a1",
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"score": 2}, "low_score"),
        ({"score": None}, "no_score"),
        ({"score": "many"}, "no_score"),
        ({"score": 2**40}, "no_score"),
        ({"is_self": True}, "self_post"),
        ({"over_18": True}, "over_18"),
        ({"url": None}, "no_url"),
        ({"url": "  "}, "no_url"),
        ({"url": "/r/test"}, "not_http"),
        ({"url": "http://nowhere"}, "bad_url"),
        ({"url": "http://a.com/x.png"}, "media"),
        ({"url": "https://old.reddit.com/r/x/comments/1"}, "reddit_link"),
        ({"url": "https://en.wikipedia.org/wiki/X"}, "excluded_domain"),
    ],
)
def test_each_reason_against_a_link_has_its_name(changes: dict, expected: str):
    assert reason(**changes) == expected


def test_early_dumps_with_numbers_as_strings_and_missing_fields_are_read():
    found = judge(
        b'{"url":"http://a.com/","score":"4","created_utc":"1120181161.0"}', LinksConfig()
    )
    assert found == Link("http://a.com/", "a.com", 4, 1_120_181_161, "", "")
    found = judge(b'{"url":"http://a.com/","score":4}', LinksConfig())
    assert isinstance(found, Link)
    assert found.created_s is None


def test_the_recipe_moves_each_limit():
    assert isinstance(verdict(LinksConfig(min_score=1), score=1), Link)
    assert isinstance(verdict(LinksConfig(allow_over_18=True), over_18=True), Link)
    assert reason(LinksConfig(excluded_domains=("example.com",))) == "excluded_domain"
    until = LinksConfig(created_before=date(2017, 12, 1))
    last = int(datetime(2017, 11, 30, 23, 59, 59, tzinfo=UTC).timestamp())
    assert isinstance(verdict(until, created_utc=last), Link)
    assert reason(until, created_utc=last + 1) == "too_late"
    assert reason(until, created_utc=None) == "no_date"


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(sorted(SUBMISSION)),
        st.none()
        | st.booleans()
        | st.integers(-(2**60), 2**60)
        | st.floats()
        | st.text(max_size=9),
    )
)
def test_no_field_of_any_type_stops_the_stage(changes: dict):
    found = verdict(**changes)
    assert isinstance(found, Link | Rejection)


def test_submissions_of_one_page_become_one_row(tmp_path: Path):
    dump = write_dump(
        tmp_path / "dump",
        {"id": "b", "url": "http://A.com/x?utm_source=r", "score": 9, "subreddit": "two"},
        {"id": "a", "url": "http://a.com/x#top", "created_utc": 1_000_000_000, "subreddit": "one"},
        {"id": "c", "url": "http://a.com:80/x", "created_utc": None, "subreddit": "two"},
    )
    manifest = run_on([dump], tmp_path / "links")
    assert rows(tmp_path / "links") == [
        {
            "url": "http://a.com/x",
            "domain": "a.com",
            "score": 9,
            "first_seen": datetime.fromtimestamp(1_000_000_000, UTC),
            "subreddits": ["one", "two"],
            "submission_ids": ["a", "b", "c"],
        }
    ]
    assert manifest.counts.incoming == 3
    assert manifest.counts.rejects == {"same_url": 2}


def test_the_real_dumps_give_exactly_these_links(tmp_path: Path, real_data: Path):
    dumps = [real_data / "reddit" / name for name in ("RS_2005-06.xz", "RS_2005-07.zst")]
    manifest = run_on(dumps, tmp_path / "links")
    assert manifest.counts.incoming == 103 + 1079
    assert manifest.counts.rejects == {"low_score": 342, "media": 3, "same_url": 1}
    assert manifest.counts.out == 836  # 840 with three points or more, less the four above
    urls = [row["url"] for row in rows(tmp_path / "links")]
    assert urls == sorted(set(urls))
    assert not any("&amp;" in url or "#" in url for url in urls)


def random_dumps(folder: Path, order: int) -> list[Path]:
    rng = random.Random(7)
    submissions = [
        {"id": f"i{number}", "url": f"http://d{rng.randrange(40)}.com/{rng.randrange(9)}"}
        | {"score": rng.randrange(9), "created_utc": 10**9 + rng.randrange(99)}
        for number in range(600)
    ]
    random.Random(order).shuffle(submissions)
    folder.mkdir()
    return [write_dump(folder / f"d{part}", *submissions[part::3]) for part in range(3)]


def test_the_links_depend_on_neither_order_nor_workers(tmp_path: Path):
    run_on(random_dumps(tmp_path / "one", 1), tmp_path / "a", partitions=3)
    run_on(random_dumps(tmp_path / "two", 2), tmp_path / "b", partitions=3, workers=2)
    assert content(tmp_path / "a") == content(tmp_path / "b")
    assert sorted(content(tmp_path / "a")) == [f"links-0000{number}.arrow" for number in range(3)]


def test_all_pages_of_a_domain_are_in_one_partition(tmp_path: Path):
    run_on(random_dumps(tmp_path / "dumps", 1), tmp_path / "links", partitions=4)
    domains = [{row["domain"] for row in read_rows(s)} for s in data_shards(tmp_path / "links")]
    assert sum(map(len, domains)) == len(set.union(*domains))
    assert all(domains)


def test_nothing_but_the_shards_and_the_manifest_is_left(tmp_path: Path):
    run_on(random_dumps(tmp_path / "dumps", 1), tmp_path / "links", partitions=2)
    assert [p.name for p in (tmp_path / "links").iterdir() if p.name.startswith(".")] == []


def test_a_corrupt_line_is_an_error_that_names_it_and_the_way_on(tmp_path: Path):
    dump = write_dump(tmp_path / "dump", {}, b'{"id":', {"id": "b"})
    with pytest.raises(WebtextError) as caught:
        run_on([dump], tmp_path / "links")
    assert f"{dump}:2" in caught.value.message
    assert "links.max_corrupt_lines" in caught.value.hint
    assert list((tmp_path / "links").glob("[!.]*")) == []
    manifest = run_on([dump], tmp_path / "links", max_corrupt_lines=1)
    assert manifest.counts.rejects == {"same_url": 1, "corrupt_line": 1}
    kept = [r for n in (0, 1) for r in read_rows(tmp_path / f"links/rejects-0000{n}.arrow")]
    assert {"dump:2"} == {row["key"] for row in kept if row["reason"] == "corrupt_line"}


def test_a_dump_that_is_no_dump_is_an_error(tmp_path: Path):
    picture = tmp_path / "picture"
    picture.write_bytes(random.Random(0).randbytes(10_000))
    with pytest.raises(WebtextError, match="corrupt line"):
        run_on([picture], tmp_path / "links")
    with pytest.raises(UsageError, match="no submission dumps"):
        run(LinksConfig(), {}, tmp_path / "links", Runtime())


def test_a_run_goes_on_after_a_damaged_dump_was_replaced(tmp_path: Path):
    good, bad, *_ = dumps = random_dumps(tmp_path / "dumps", 1)
    whole = bad.read_bytes()
    bad.write_bytes(whole[:-20])
    with pytest.raises(WebtextError):
        run_on(dumps, tmp_path / "links")
    bad.write_bytes(whole)
    content_of_good, _ = good.read_bytes(), good.write_bytes(b"not read again")
    resumed = run_on(dumps, tmp_path / "links")
    good.write_bytes(content_of_good)
    assert resumed.hash == run_on(dumps, tmp_path / "fresh").hash
    assert resumed.counts == run_on(dumps, tmp_path / "fresh2").counts
