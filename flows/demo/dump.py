"""The demo's submissions: who linked to which page of the demo's web, in the layout of a dump."""

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import orjson
import zstandard

from corpus.atomic import write_bytes

_SUBREDDITS = ("programming", "Python", "datascience", "MachineLearning", "learnpython", "compsci")
_FIRST_S, _LAST_S = 1_293_840_000, 1_512_000_000  # 2011-01-01 to 2017-11-30
_TRACKERS = ("utm_source=reddit", "utm_medium=social&amp;utm_campaign=x", "fbclid=IwAR0", "#intro")
_SELF_POST = "https://www.reddit.com/r/Python/comments/self/"
# Links of the kinds that the first stage turns away, and how many of each.
_UNWANTED = (
    ("https://en.wikipedia.org/wiki/Web_crawler", 2),
    ("https://imgur.example/cat.jpg", 2),
    ("https://www.reddit.com/r/programming/", 1),
    ("ftp://files.example/archive", 1),
    ("http://not a host/", 1),
)


def write_dump(path: Path, links: Sequence[tuple[str, str]], seed: int) -> int:
    """Write one or more submissions for each of `links`, (URL, title); return their number."""
    rng = random.Random(f"dump {seed}")
    submissions = sorted(_submissions(links, rng), key=lambda s: (s["created_utc"], s["url"]))
    for number, submission in enumerate(submissions):
        submission["id"] = f"d{number:05x}"
        submission["permalink"] = f"/r/{submission['subreddit']}/comments/{submission['id']}/"
    lines = b"".join(orjson.dumps(submission) + b"\n" for submission in submissions)
    write_bytes(path, zstandard.ZstdCompressor(level=9).compress(lines))
    return len(submissions)


def _submissions(links: Sequence[tuple[str, str]], rng: random.Random) -> Iterator[dict]:
    for url, title in links:
        yield _submission(url, title, rng)
        if rng.random() < 0.08:  # the same page again, as people post it
            glue = "" if (extra := rng.choice(_TRACKERS)).startswith("#") else "?"
            yield _submission(f"{url}{glue}{extra}", title, rng)
        if rng.random() < 0.02:
            yield {**_submission(_SELF_POST, f"About {title}?", rng), "is_self": True}
        if rng.random() < 0.01:
            yield {**_submission(url, title, rng), "over_18": True}
    for url, count in _UNWANTED:
        for _ in range(count):
            yield {**_submission(url, "Look at this", rng), "score": 5}


def _submission(url: str, title: str, rng: random.Random) -> dict:
    # One in ten stays below the threshold of 3; the others have the long tail of real scores.
    score = rng.randrange(3) if rng.random() < 0.1 else 3 + int(rng.expovariate(1 / 25))
    return {
        "id": "",
        "url": url,
        "title": title,
        "author": "[deleted]",
        "subreddit": rng.choice(_SUBREDDITS),
        "score": score,
        "created_utc": rng.randrange(_FIRST_S, _LAST_S),
        "is_self": False,
        "over_18": False,
        "permalink": "",
    }
