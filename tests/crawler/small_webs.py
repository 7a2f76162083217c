"""Links folders, replay folders and what a crawl of them gave: for the tests of the crawl."""

import gzip
from datetime import UTC, datetime
from pathlib import Path

import orjson

from corpus.schema import LINKS
from corpus.settings import Section
from corpus.shards import read_rows
from corpus.stage import StageWriter
from crawler.pages.settings import CrawlConfig

FAST = CrawlConfig(per_host_delay_s=0, pause_s=0.05, timeout_s=5, max_body_bytes=200_000)


def write_links(folder: Path, *partitions: list[str]) -> Path:
    writer = StageWriter("links", Section(), {}, folder)
    for index, urls in enumerate(partitions):
        rows = [
            {
                "url": url,
                "domain": "example",
                "score": 3,
                "first_seen": datetime(2019, 1, 1, tzinfo=UTC),
                "subreddits": ["a"],
                "submission_ids": ["b"],
            }
            for url in urls
        ]
        writer.write(f"links-{index:05d}.arrow", rows, LINKS)
    writer.finish(sum(map(len, partitions)))
    return folder


def write_web(folder: Path, table: list[dict]) -> Path:
    """A replay folder; `body` of an entry becomes its file, gzipped where `gz` is set."""
    folder.mkdir()
    lines = []
    for number, entry in enumerate(table):
        line = {key: value for key, value in entry.items() if key not in {"body", "gz"}}
        if "body" in entry:
            line["file"] = f"{number}.html" + (".gz" if entry.get("gz") else "")
            body = entry["body"].encode()
            (folder / line["file"]).write_bytes(
                gzip.compress(body, mtime=0) if entry.get("gz") else body
            )
        lines.append(orjson.dumps(line))
    (folder / "urls.ndjson").write_bytes(b"\n".join(lines) + b"\n")
    return folder


def outcomes_of(pages: Path) -> dict[str, str]:
    """url -> "fetched" or its reject reason, from the shards."""
    outcomes = [(r["key"], r["reason"]) for p in rejects_of(pages) for r in read_rows(p)]
    outcomes += [(r["url"], "fetched") for p in pages_of(pages) for r in read_rows(p)]
    assert len(outcomes) == len(dict(outcomes)), "a link has two outcomes"
    return dict(outcomes)


def pages_of(pages: Path) -> list[Path]:
    return sorted(pages.glob("pages-*.arrow"))


def rejects_of(pages: Path) -> list[Path]:
    return sorted(pages.glob("rejects-*.arrow"))
