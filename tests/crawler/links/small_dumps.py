"""Small dumps, and the stage "links" run on them."""

import random
from collections.abc import Mapping
from pathlib import Path

import orjson

from corpus.manifest import Manifest
from corpus.runtime import Runtime
from corpus.shards import read_rows
from corpus.stage import data_shards
from crawler.links.stage import run
from crawler.links.submissions import LinksConfig

SUBMISSION = {
    "id": "a1",
    "url": "http://www.example.com/story?id=1",
    "score": 3,
    "created_utc": 1_120_181_161,
    "subreddit": "reddit.com",
    "is_self": False,
    "over_18": False,
}


def write_dump(path: Path, *submissions: Mapping | bytes) -> Path:
    lines = (s if isinstance(s, bytes) else orjson.dumps({**SUBMISSION, **s}) for s in submissions)
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path


def run_on(dumps: list[Path], output: Path, workers: int = 1, **fields: object) -> Manifest:
    inputs = {f"dump-{number}": path for number, path in enumerate(dumps)}
    config = LinksConfig.model_validate(fields)
    return run(config, inputs, output, Runtime(workers=workers))


def rows(output: Path) -> list[dict]:
    return [row for shard in data_shards(output) for row in read_rows(shard)]


def rejects(output: Path) -> list[tuple[str, str, str]]:
    shards = sorted(output.glob("rejects-*.arrow"))
    kept = [row for shard in shards for row in read_rows(shard)]
    return sorted((row["reason"], row["key"], row["detail"]) for row in kept)


def content(output: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in data_shards(output)}


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
