"""Reading a dump: ours against a plain loop of json and zstandard, and the whole stage "links".

    python -m benchmarks.links [--quick]

Both read the same .zst file on one core and give the same rows, those of the submissions that pass
the rules about fields: id, URL as posted, score, date and subreddit. The file is made from the
lines of real dumps where they are at hand, each with an id, a score and an address of its own.
"""

import hashlib
import io
import itertools
import json
import lzma
import random
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import zstandard

from benchmarks.real_data import REAL_DATA
from benchmarks.side_by_side import (
    Run,
    alternate,
    median_rate,
    median_ratio,
    parse_arguments,
    print_result,
)
from corpus.parallel import map_in_processes
from corpus.runtime import Runtime
from crawler.links.dumps import read_dump
from crawler.links.posts import Corrupt
from crawler.links.rules import Rules
from crawler.links.stage import run
from crawler.links.submissions import LinksConfig, SubmissionRules

_NUM_LINES, _NUM_LINES_QUICK = 300_000, 100_000
_ROUNDS, _ROUNDS_QUICK = 5, 3
_WORDS = ("how", "why", "the", "new", "of", "a", "world", "to", "first", "in", "all", "year")

Row = tuple[str | None, str | None, int | None, int | None, str | None]


def main() -> None:
    """Measure, and print the result."""
    is_quick = parse_arguments(__doc__).quick
    with tempfile.TemporaryDirectory() as folder:
        dump = Path(folder) / "RS_benchmark.zst"
        num_lines = _NUM_LINES_QUICK if is_quick else _NUM_LINES
        num_bytes = _write_dump(dump, num_lines)
        contenders = {
            "ours": lambda: _timed(dump, num_lines, _our_rows),
            "json_zstandard": lambda: _timed(dump, num_lines, _plain_rows),
        }
        rounds = alternate(contenders, _ROUNDS_QUICK if is_quick else _ROUNDS)
        (stage,) = map_in_processes(_run_stage, [dump], 1)
    lines_per_s = median_rate(rounds, "ours")
    print_result(
        "links",
        {"json_zstandard": median_ratio(rounds, "ours", "json_zstandard")},
        {
            "num_lines": num_lines,
            "lines_per_s": lines_per_s,
            "json_zstandard_lines_per_s": median_rate(rounds, "json_zstandard"),
            "unpacked_mb_per_s": lines_per_s * num_bytes / num_lines / 1e6,
            **stage,
        },
    )


def _our_rows(dump: Path) -> Iterator[Row]:
    """The rows by our reader and our rules."""
    rules = SubmissionRules(LinksConfig(), Rules(LinksConfig()))
    for _, post in read_dump(dump):
        if not isinstance(post, Corrupt) and not rules.reject_fields(post):
            yield post.id, post.url, post.score, post.created_utc, post.subreddit


def _plain_rows(dump: Path) -> Iterator[Row]:
    """The loop that everybody writes first."""
    decompressor = zstandard.ZstdDecompressor(max_window_size=2**31)
    with dump.open("rb") as file, decompressor.stream_reader(file) as reader:
        for line in io.TextIOWrapper(reader, encoding="utf-8"):
            post = json.loads(line)
            if _is_wanted(post):
                score, created_s = post["score"], post["created_utc"]
                yield post["id"], post["url"], score, created_s, post["subreddit"]


def _is_wanted(post: dict) -> bool:
    if post.get("is_self") or post.get("over_18") or post.get("hide_score"):
        return False
    return bool(post.get("url")) and not post.get("removed_by_category") and post["score"] >= 3


def _timed(dump: Path, num_lines: int, read: Callable[[Path], Iterator[Row]]) -> Run:
    # The hash of the rows takes its time too, but outside the clock: it is not what is measured.
    started = time.process_time()
    rows = list(read(dump))
    seconds = time.process_time() - started
    return Run(num_lines, seconds, hashlib.sha256(repr(rows).encode()).hexdigest())


def _run_stage(dump: Path) -> dict[str, float]:
    """Figures of the whole stage in a process of its own, so that its memory is its own."""
    started = time.perf_counter()
    manifest = run(LinksConfig(), {"dump-0": dump}, dump.parent / "links", Runtime())
    seconds = time.perf_counter() - started
    return {
        "stage_lines_per_s": manifest.counts.incoming / seconds,
        "stage_links": manifest.counts.out,
        "stage_peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _write_dump(path: Path, num_lines: int) -> int:
    """Write a dump of `num_lines` submissions, no two alike; return its size unpacked."""
    rng = random.Random(1)
    originals = itertools.cycle(list(_real_submissions()) or [_made_up(rng) for _ in range(1000)])
    num_bytes = 0
    with path.open("wb") as file, zstandard.ZstdCompressor().stream_writer(file) as writer:
        for number, submission in enumerate(itertools.islice(originals, num_lines)):
            line = json.dumps(_varied(submission, number, rng), separators=(",", ":"))
            num_bytes += writer.write(line.encode() + b"\n")
    return num_bytes


def _varied(submission: dict, number: int, rng: random.Random) -> dict:
    # Reddit at large: about a third are self posts, and few get three points (pushshift, 2017).
    title = " ".join(rng.choices(_WORDS, k=8))
    return submission | {
        "id": f"{number:x}",
        "title": f"{title} {rng.getrandbits(64):x}",
        "url": f"{submission['url']}{'&' if '?' in submission['url'] else '?'}n={number}",
        "score": int(rng.paretovariate(0.7)),
        "is_self": rng.random() < 1 / 3,
    }


def _real_submissions() -> Iterator[dict]:
    for name in ("RS_2005-06.xz", "RS_2005-07.zst"):
        path = REAL_DATA / "reddit" / name
        if path.is_file():
            yield from map(json.loads, _unpacked(path).splitlines())


def _unpacked(path: Path) -> bytes:
    if path.suffix == ".xz":
        return lzma.decompress(path.read_bytes())
    decompressor = zstandard.ZstdDecompressor(max_window_size=2**31)
    with path.open("rb") as file:
        return decompressor.stream_reader(file).read()


def _made_up(rng: random.Random) -> dict:
    """A submission of the size and the kind of fields of the real ones."""
    slug = "_".join(rng.choices(_WORDS, k=6))
    fields: dict[str, object] = {f"link_flair_or_so_{number}": None for number in range(30)}
    fields |= {f"can_or_may_or_is_{number}": False for number in range(12)}
    return fields | {
        "author": f"author{rng.randrange(9999)}",
        "created_utc": 1_500_000_000 + rng.randrange(10**6),
        "media_embed": {},
        "over_18": False,
        "permalink": f"/r/news/comments/{rng.getrandbits(30):x}/{slug}/",
        "preview": {"images": [{"id": f"{rng.getrandbits(200):x}", "source": {"width": 640}}]},
        "selftext": "",
        "subreddit": "news",
        "url": f"http://www.site{rng.randrange(500)}.com/{rng.getrandbits(40):x}/story.html",
    }


if __name__ == "__main__":
    main()
