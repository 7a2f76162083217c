"""The stage "links": one row per page, the same whatever the order, and nothing that vanishes."""

import random
from pathlib import Path

import orjson
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings, strategies as st

from corpus.errors import UsageError, WebtextError
from corpus.runtime import Runtime
from corpus.shards import read_rows
from corpus.stage import data_shards
from crawler.links import sorted_runs as link_runs
from crawler.links.stage import run
from crawler.links.submissions import LinksConfig
from tests.crawler.links.small_dumps import (
    SUBMISSION,
    content,
    random_dumps,
    rejects,
    rows,
    run_on,
    write_dump,
)


def test_tables_and_dumps_come_together(tmp_path: Path):
    dump = write_dump(tmp_path / "dump", {"url": "https://a.com/", "score": 5})
    table = tmp_path / "table.csv"
    table.write_text("url,score\nhttps://a.com/,9\nhttps://b.com/,2\nhttps://c.com/,\n")
    text = tmp_path / "mine.txt"
    text.write_text("https://d.com/x\nhttps://d.com/x.png\n")
    config = LinksConfig.model_validate({"created_before": "2018-01-01"})
    inputs = {"dump-0": dump, "urls-0": table, "urls-1": text}
    manifest = run(config, inputs, tmp_path / "links", Runtime())
    assert [(r["url"], r["score"], r["submission_ids"]) for r in rows(tmp_path / "links")] == [
        ("https://a.com/", 9, ["a1"]),
        ("https://d.com/x", None, []),  # a list without scores says itself what is worth a visit
    ]
    assert manifest.counts.incoming == 6
    assert manifest.counts.rejects == dict.fromkeys(
        ("same_url", "low_score", "no_score", "media"), 1
    )


def test_what_a_person_took_down_is_left_out(tmp_path: Path):
    urls = ["https://a.com/1", "https://b.com/2"]
    dump = write_dump(tmp_path / "dump", *({"id": u[-1], "url": u} for u in urls))
    takedown = tmp_path / "takedown.txt"
    takedown.write_text("a.com\n")
    inputs = {"dump-0": dump, "takedown": takedown}
    manifest = run(LinksConfig(), inputs, tmp_path / "links", Runtime())
    assert [row["url"] for row in rows(tmp_path / "links")] == urls[1:]
    assert manifest.counts.rejects == {"takedown": 1}


def test_the_real_dumps_give_exactly_these_links(tmp_path: Path, real_data: Path):
    dumps = [real_data / "reddit" / name for name in ("RS_2005-06.xz", "RS_2005-07.zst")]
    manifest = run_on(dumps, tmp_path / "links")
    assert manifest.counts.incoming == 103 + 1079
    assert manifest.counts.out == 833  # 840 with three points or more, less these seven
    assert manifest.counts.rejects == {
        "low_score": 342,
        "same_url": 3,
        "media": 3,
        "excluded_domain": 1,
    }
    urls = [row["url"] for row in rows(tmp_path / "links")]
    assert urls == sorted(set(urls))
    assert not any("&amp;" in url or "#" in url for url in urls)


HOSTS = ["http://d{}.com/", "https://d{}.com/", "https://www.d{}.com"]
SUBMISSIONS = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.integers(0, 30).map("i{}".format),
            "url": st.builds(str.format, st.sampled_from(HOSTS), st.integers(0, 4)),
            "score": st.integers(-2, 9),
            "created_utc": st.none() | st.integers(10**9, 10**9 + 99),
            "subreddit": st.sampled_from(["one", "two"]),
        }
    ),
    min_size=1,
    max_size=40,
)


@settings(
    max_examples=20,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(
    submissions=SUBMISSIONS,
    order=st.randoms(use_true_random=False),
    num_files=st.integers(1, 4),
    karma=st.sampled_from(["submission", "url"]),
    run_bytes=st.sampled_from([1, 400, 10**6]),
)
def test_the_links_depend_on_neither_order_nor_files(
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    submissions: list[dict],
    order: random.Random,
    num_files: int,
    karma: str,
    run_bytes: int,
):
    folder = tmp_path_factory.mktemp("order")
    fields = {"karma": karma, "partitions": 2}
    one = run_on([write_dump(folder / "dump", *submissions)], folder / "one", **fields)
    shuffled = order.sample(submissions, len(submissions))
    parts = [part for n in range(num_files) if (part := shuffled[n::num_files])]
    dumps = [write_dump(folder / f"part-{n}", *part) for n, part in enumerate(parts)]
    with monkeypatch.context() as patch:
        patch.setattr(link_runs, "RUN_BYTES", run_bytes)
        many = run_on(dumps, folder / "many", **fields)
    assert content(folder / "one") == content(folder / "many")
    assert one.counts == many.counts
    urls = [[row["url"] for row in read_rows(shard)] for shard in data_shards(folder / "one")]
    assert urls == [sorted(set(found)) for found in urls]


def test_the_links_do_not_depend_on_the_number_of_workers(tmp_path: Path):
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


def test_each_line_that_gives_no_link_is_kept_with_its_place_and_reason(tmp_path: Path):
    dump = write_dump(
        tmp_path / "RS",
        {"id": "a", "url": "http://a.com/"},
        {"score": 2},
        {"is_self": True},
        {"url": "http://a.com/x.png"},
        b"{",
        {"id": "b", "url": "http://a.com/"},
    )
    run_on([dump], tmp_path / "links")
    kept = rejects(tmp_path / "links")
    assert [(reason, key) for reason, key, _ in kept] == [
        ("corrupt_line", "RS:5"),
        ("low_score", "RS:2"),
        ("media", "RS:4"),
        ("same_url", "http://a.com/"),
        ("self_post", "RS:3"),
    ]
    details = {reason: detail for reason, _, detail in kept}
    assert details["low_score"] == "2"
    assert "http://a.com/x.png" in details["media"]
    assert details["same_url"] == "b"


def test_more_corrupt_lines_than_allowed_are_an_error_that_names_one_and_the_way_on(tmp_path: Path):
    dump = write_dump(tmp_path / "dump", {}, b'{"id":', {"id": "b"})
    with pytest.raises(WebtextError) as caught:
        run_on([dump], tmp_path / "links", max_corrupt_lines=0)
    assert f"{dump}:2" in caught.value.message
    assert "links.max_corrupt_lines" in caught.value.hint
    assert list((tmp_path / "links").glob("[!.]*")) == []
    manifest = run_on([dump], tmp_path / "links")
    assert manifest.counts.rejects == {"same_url": 1, "corrupt_line": 1}


@pytest.mark.parametrize("text", [b"", b'{"body": "a comment", "score": 5}\n' * 9, b"a\nb\n"])
def test_a_file_without_one_submission_is_an_error(tmp_path: Path, text: bytes):
    dump = tmp_path / "RC_2005-12"
    dump.write_bytes(text)
    with pytest.raises(WebtextError, match="RC_2005-12 holds no submission") as caught:
        run_on([dump], tmp_path / "links")
    assert "right file" in caught.value.hint
    assert not isinstance(caught.value, UsageError)


def test_a_picture_is_an_error_whatever_its_name(tmp_path: Path):
    for name in ("picture", "picture.zst", "picture.xz"):
        picture = tmp_path / name
        picture.write_bytes(random.Random(0).randbytes(10_000))
        with pytest.raises(WebtextError, match=name):
            run_on([picture], tmp_path / "links")


def test_nothing_to_read_or_a_missing_file_is_wrong_usage(tmp_path: Path):
    with pytest.raises(UsageError, match="no submission dumps"):
        run(LinksConfig(), {}, tmp_path / "links", Runtime())
    with pytest.raises(UsageError, match=r"none\.zst"):
        run_on([tmp_path / "none.zst"], tmp_path / "links")


def test_a_cut_off_dump_gives_its_whole_lines_and_a_problem_in_the_manifest(tmp_path: Path):
    lines = [
        orjson.dumps({**SUBMISSION, "url": f"http://a.com/{n}", "id": f"{n}"}) for n in range(9_000)
    ]
    cut = tmp_path / "RS_cut.zst"
    cut.write_bytes(zstandard.compress(b"\n".join(lines))[:-500])
    whole = write_dump(tmp_path / "RS_whole", {"url": "http://b.com/"})
    manifest = run_on([cut, whole], tmp_path / "links")
    (problem,) = manifest.problems
    num_read = manifest.counts.incoming - 1
    assert "RS_cut.zst is damaged or cut off after" in problem
    assert "Get the file again" in problem
    assert any(f"{num:,} whole lines" in problem for num in (num_read, num_read - 1))
    assert 1 < manifest.counts.out <= num_read + 1 < len(lines)
    assert set(manifest.counts.rejects) <= {"corrupt_line"}
    assert manifest.counts.rejects.get("corrupt_line", 0) <= 1
