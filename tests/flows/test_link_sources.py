"""Which links a build starts from: takedowns, what was crawled, tables, what was harvested."""

from pathlib import Path

import orjson
import pytest
import zstandard

from corpus.manifest import read_manifest
from corpus.shards import read_rows
from corpus.stage import data_shards
from tests.crawler.small_webs import write_web

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

ADDRESSES = [f"http://{host}.example/{n}" for host in ("one", "two") for n in range(3)]


def write_dump(path: Path, urls: list[str]) -> Path:
    lines = [
        orjson.dumps(
            {"id": f"{path.stem}{n}", "url": url, "score": 5, "created_utc": 1_400_000_000}
        )
        for n, url in enumerate(urls)
    ]
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


@pytest.fixture
def build(webtext, tmp_path):
    """Build until `pages` over a small web that holds ADDRESSES and what they link to."""
    page = "<p>A page with some words in it, so that it is not taken for an empty one.</p>"
    entries: list[dict] = [{"url": url, "body": page + url} for url in ADDRESSES]
    entries.append({"url": "http://three.example/", "status": 302, "location": ADDRESSES[0]})
    write_web(tmp_path / "web", entries)

    def run(*settings: str) -> Path:
        options = [part for setting in settings for part in ("--set", setting)]
        outcome = webtext(
            "build", "webtext", "--until", "pages", "--set", "crawl.replay=web", *options
        )
        assert outcome.exit_code == 0, outcome
        return Path(outcome.out.split("pages: ")[-1].strip())

    return run


def fetched(pages: Path) -> list[str]:
    return [row["url"] for shard in data_shards(pages) for row in read_rows(shard)]


def rejects(folder: Path) -> dict[str, int]:
    return read_manifest(folder).counts.rejects


def links_of(pages: Path) -> Path:
    return Path(read_manifest(pages).inputs["links"].path)


@pytest.mark.slow
def test_a_takedown_is_obeyed_by_every_later_build_also_behind_a_redirect(build, tmp_path):
    write_dump(tmp_path / "RS_1", [*ADDRESSES, "http://three.example/"])
    before = build('links.dumps=["RS_1"]')
    assert len(fetched(before)) == 7
    (tmp_path / "data" / "takedown.txt").write_text("one.example  # asked by mail\n")
    after = build('links.dumps=["RS_1"]')
    assert rejects(links_of(after)) == {"takedown": 3}
    assert fetched(after) == ADDRESSES[3:]
    assert rejects(after) == {"bad_redirect": 1}
    (tmp_path / "data" / "takedown.txt").write_text("one.example\nelsewhere.example\n")
    assert build('links.dumps=["RS_1"]') == after, "an entry that concerns no link crawls nothing"


@pytest.mark.slow
def test_what_was_crawled_is_left_out_and_a_finished_build_stays_finished(build, tmp_path):
    write_dump(tmp_path / "RS_1", ADDRESSES[:4])
    build('links.dumps=["RS_1"]')
    write_dump(tmp_path / "RS_2", [url.replace("http:", "https:") for url in ADDRESSES[2:4]])
    write_dump(tmp_path / "RS_3", ADDRESSES[4:])
    settings = ('links.dumps=["RS_2", "RS_3"]', "links.skip_crawled=true")
    second = build(*settings)
    assert rejects(links_of(second)) == {"already_crawled": 2}
    assert fetched(second) == ADDRESSES[4:]
    assert build(*settings) == second


def test_tables_and_dumps_are_read_side_by_side(build, tmp_path):
    write_dump(tmp_path / "RS_1", ADDRESSES[:2])
    (tmp_path / "mine.csv").write_text(f"URL,Score\n{ADDRESSES[3]},9\n{ADDRESSES[4]},1\n")
    (tmp_path / "mine.txt").write_text(f"{ADDRESSES[5]}\n")
    pages = build('links.dumps=["RS_1"]', 'links.urls=["mine.csv", "mine.txt"]')
    assert fetched(pages) == [*ADDRESSES[:2], ADDRESSES[3], ADDRESSES[5]]


def test_a_dump_that_is_cut_off_is_used_as_far_as_it_goes_and_said_so(webtext, tmp_path):
    urls = [f"http://{n}.example/{n:064d}" for n in range(20_000)]
    plain = write_dump(tmp_path / "RS_1", urls).read_bytes()
    (tmp_path / "RS_1.zst").write_bytes(zstandard.compress(plain)[:-2_000])
    settings = ("--set", 'links.dumps=["RS_1.zst"]')
    outcome = webtext("build", "webtext", "--until", "links", *settings)
    assert outcome.exit_code == 0
    folder = Path(outcome.out.split("links: ")[-1].strip())
    assert 0 < read_manifest(folder).counts.out < 20_000
    (problem,) = read_manifest(folder).problems
    assert "RS_1.zst" in problem
    assert "cut off" in problem
    assert problem in outcome.out + outcome.err


def test_a_harvest_that_was_never_made_is_an_error_that_says_how(webtext):
    outcome = webtext("build", "webtext", "--set", "links.harvested=true")
    assert outcome.exit_code == 2
    assert "webtext harvest webtext" in outcome.err


def test_mlflow_and_prefect_hold_the_crawl_s_figures(build, tmp_path, prefect_server):
    from mlflow import MlflowClient
    from prefect.client.orchestration import get_client

    from model.tracking.store import EXPERIMENT
    from model.tracking.tracker import local_uri

    write_dump(tmp_path / "RS_1", [*ADDRESSES, "http://gone.example/"])
    pages = build('links.dumps=["RS_1"]')
    client = MlflowClient(tracking_uri=local_uri(tmp_path / "data"))
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert experiment
    (run,) = client.search_runs(
        [experiment.experiment_id], f"attributes.run_name = 'crawl {pages.name}'"
    )
    assert run.data.metrics["crawl/links_settled"] == 7
    assert run.data.metrics["crawl/outcome.fetched"] == 6
    assert run.data.metrics["crawl/outcome.http_404"] == 1
    with get_client(sync_client=True) as prefect:
        newest = prefect.read_latest_artifacts()
    (artifact,) = [each for each in newest if each.key == "pages"]
    assert "rejected: http_404" in str(artifact.data)
