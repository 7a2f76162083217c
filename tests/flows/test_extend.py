"""A scheduled build adds what is new to a corpus: only that is crawled, read and encoded."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from corpus.manifest import read_manifest
from corpus.runtime import Runtime
from corpus.shards import read_rows
from corpus.stage import data_shards
from corpus.tokens import stage as tokens
from flows.corpora.catalog import finished, verify_lineage
from flows.corpora.summary import ancestors, corpus_hash, documents_of, source_of
from tests.crawler.documents.small_pages import page
from tests.crawler.small_webs import outcomes_of, write_web
from tests.flows.conftest import Webtext
from tests.flows.test_contamination import article

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

OLD = [f"http://old{n}.com/" for n in range(8)]
NEW = [f"http://new{n}.com/" for n in range(4)]
COPY = "http://copy.com/"
LATER = "http://later.com/"
SETTINGS = (
    *("crawl.replay=web", "crawl.per_host_delay_s=0", "crawl.pause_s=0.05"),
    *("links.partitions=2", "tokens.vocab_size=300"),
    *("tokens.val_fraction=0.3", "extends=latest"),
)
FIRST_DAY = 1_400_000_000

Build = Callable[..., Path]


def write_dump(path: Path, urls: list[str], created: int) -> None:
    lines = [
        {"id": f"{path.name}{n}", "url": url, "score": 5, "created_utc": created}
        for n, url in enumerate(urls)
    ]
    path.write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))


def write_pages(folder: Path) -> None:
    """Twelve articles, and one of the first eight once more under another address."""
    entries = [
        {"url": url, "body": page(*article(n)).decode()} for n, url in enumerate([*OLD, *NEW])
    ]
    entries.append({"url": COPY, "body": page(*article(3)).decode()})
    write_web(folder, [*entries, {"url": LATER, "status": 503, "body": "busy"}])


def write_rounds(folder: Path) -> None:
    """A web, what was linked to on the first day, and on the second: old links again among it."""
    write_pages(folder / "web")
    write_dump(folder / "RS_1", [*OLD, LATER], FIRST_DAY)
    again = [OLD[0], OLD[1].replace("http:", "https:")]
    write_dump(folder / "RS_2", [*again, COPY, *NEW[:3]], FIRST_DAY + 86_400)


def arguments(dumps: str, *settings: str) -> list[str]:
    options = [f"links.dumps={orjson.dumps(dumps.split()).decode()}", *SETTINGS, *settings]
    return ["build", "webtext", *(part for option in options for part in ("--set", option))]


@pytest.fixture
def build(webtext: Webtext, tmp_path: Path) -> Build:
    """Build from some of the dumps, extending the latest corpus; its tokens folder."""
    write_rounds(tmp_path)

    def run(dumps: str, *settings: str) -> Path:
        outcome = webtext(*arguments(dumps, *settings))
        assert outcome.exit_code == 0, outcome.err
        return Path(outcome.out.split("tokens: ")[-1].strip())

    return run


def documents(corpus: Path) -> dict[str, dict]:
    shards = data_shards(documents_of(corpus), "documents-")
    return {row["id"]: row for shard in shards for row in read_rows(shard)}


def urls(corpus: Path) -> list[str]:
    return sorted(row["url"] for row in documents(corpus).values())


def splits(corpus: Path) -> dict[str, str]:
    return {
        row["id"]: shard.name.partition("-")[0]
        for shard in data_shards(corpus)
        if shard.suffix == ".arrow"
        for row in read_rows(shard, ["id"])
    }


def pages_of_round(corpus: Path) -> Path:
    return ancestors(corpus)["pages"][0]


def inodes(folder: Path, names: list[str]) -> list[int]:
    return [(folder / name).stat().st_ino for name in names]


@pytest.mark.slow
def test_only_what_is_new_is_crawled_and_the_rest_is_used_as_it_is(build: Build, tmp_path: Path):
    base = build("RS_1")
    extended = build("RS_1 RS_2")

    # Asked for again: what had no answer on the first day, and nothing else.
    assert outcomes_of(pages_of_round(extended)) == {
        **dict.fromkeys([COPY, *NEW[:3]], "fetched"),
        LATER: "http_503",
    }
    assert urls(extended) == sorted([*OLD, *NEW[:3]])
    assert {key: documents(extended)[key] for key in documents(base)} == documents(base)
    unique = ancestors(extended)["unique"][0]
    [dropped] = [row for path in unique.glob("rejects-*") for row in read_rows(path)]
    [original] = [row for row in documents(base).values() if row["url"] == OLD[3]]
    assert dropped["reason"] == "exact_duplicate"
    assert dropped["detail"].startswith(f"{original['id']} in ")

    old_shards = [path.name for path in data_shards(documents_of(base))]
    assert inodes(documents_of(extended), old_shards) == inodes(documents_of(base), old_shards)
    old_tokens = [path.name for path in data_shards(base) if path.suffix == ".arrow"]
    assert inodes(extended, old_tokens) == inodes(base, old_tokens)
    assert splits(base).items() <= splits(extended).items()
    assert set(splits(extended).values()) == {"train", "val"}

    config = tokens.TokensConfig.model_validate(read_manifest(extended).config)
    sources = {"documents": documents_of(extended), "tokenizer": base / "tokenizer"}
    scratch = tokens.run(config, sources, tmp_path / "scratch", Runtime())
    assert scratch.hash == read_manifest(extended).hash
    assert verify_lineage(extended)[0] > 0


@pytest.mark.slow
def test_a_round_without_news_leaves_the_corpus_and_one_after_it_goes_on(
    build: Build, webtext: Webtext, tmp_path: Path
):
    base = build("RS_1")
    before = sorted(path for path in (tmp_path / "data").glob("[d-u]*/*"))
    again = webtext(*arguments("RS_1"))
    assert f"nothing new: corpus {corpus_hash(base)} stays" in again.out
    assert again.out.strip().endswith(f"tokens: {base}")
    added = {p.parent.name for p in (tmp_path / "data").glob("[d-u]*/*") if p not in before}
    assert not added & {"unique", "extended", "tokens", "ngrams"}

    second = build("RS_2")
    assert build("RS_2") == second
    write_dump(tmp_path / "RS_3", [*OLD, *NEW], FIRST_DAY + 2 * 86_400)
    third = build("RS_3")
    assert urls(third) == sorted([*OLD, *NEW])
    assert set(outcomes_of(pages_of_round(third))) == {NEW[3]}
    assert source_of(documents_of(third), "base") == documents_of(second)
    assert len(ancestors(third)["pages"]) == 3
    by_hash = build("RS_1 RS_3", f"extends={corpus_hash(base)[:10]}")
    assert urls(by_hash) == urls(third), "of the base's descendants nothing is left out"


@pytest.mark.slow
def test_in_order_of_time_rounds_hold_the_documents_of_one_build(build: Build, tmp_path: Path):
    write_dump(tmp_path / "RS_3", [COPY, *NEW], FIRST_DAY + 86_400)
    build("RS_1")
    extended = build("RS_3")
    at_once = build("RS_1 RS_3", "name=at-once")
    assert "extended" not in ancestors(at_once)
    assert urls(at_once) == urls(extended) == sorted([*OLD, *NEW])


def start(folder: Path, data: str, *options: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "flows", *arguments("RS_2"), "--data", data, *options]
    output = subprocess.DEVNULL
    return subprocess.Popen(command, cwd=folder, stdout=output, stderr=output)


def kill_in(stage: str, folder: Path) -> bool:
    """Kill -9 the second round once `stage` is at work; whether it was."""
    known = set((folder / "data" / stage).glob("*"))
    process = start(folder, "data")
    while process.poll() is None and not set((folder / "data" / stage).glob("*")) - known:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    return process.wait() == -signal.SIGKILL


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_round_killed_in_any_stage_ends_with_the_same_corpus(build: Build, tmp_path: Path):
    build("RS_1")
    subprocess.run(["cp", "-r", "data", "copy"], cwd=tmp_path, check=True)
    assert start(tmp_path, "copy", "--workers", "2").wait() == 0
    undisturbed, _ = finished(tmp_path / "copy", "tokens")[-1]
    killed = [kill_in(stage, tmp_path) for stage in ("pages", "unique", "extended", "ngrams")]
    assert any(killed), "it was never caught at work"
    assert corpus_hash(build("RS_2")) == corpus_hash(undisturbed)
