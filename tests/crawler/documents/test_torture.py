"""Everything that can hurt, in one archive: each page gets its reason, the others keep their bytes.

Twice: as the stage is set, where caps stop most of it early, and with the caps lifted, where only
the worker's limits stand between a page and the rest.
"""

import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import pytest

from corpus.runtime import Runtime, SilentProgress
from corpus.shards import read_rows
from corpus.stage import data_shards
from crawler.documents.stage import ExtractConfig, run
from tests.crawler.documents.small_pages import SENTENCES, page, write_stages
from tests.processes import descendants_of

MIB = 1 << 20
NUM_GOOD = 60
FRENCH = "Le café de l'île était fermé, et la forêt sentait l'été."
CHINESE = "港口的早晨很安静,船只停在老石墙边。灯塔的看守人不知道渡船那天不会来。" * 9
GBK_HEAD = '<html><head><meta charset="gbk"></head>'

GOOD = {f"http://a.com/{n:02d}": page(f"Page {n} begins.", *SENTENCES) for n in range(NUM_GOOD)}
# By the page before them in URL order: good and bad take turns.
READ = {
    "http://a.com/03-utf-16": page(*SENTENCES, FRENCH).decode().encode("utf-16"),
    "http://a.com/07-gbk": page(*SENTENCES, "The sign said 灯塔.")
    .decode()
    .replace("<html><head>", GBK_HEAD[:-7])
    .encode("gbk"),
    "http://a.com/09-invalid-utf-8": page(*SENTENCES, FRENCH).replace(
        b"boats lay", b"boats \xe2\x82 lay"
    ),
    "http://a.com/11-latin-1": page(*SENTENCES, FRENCH).decode().encode("cp1252"),
}
HEAVY = {
    "http://a.com/15-50-mb": b"<html><body>" + b"<p>word</p>" * (50 * MIB // 11),
    "http://a.com/17-nested": page(*SENTENCES, "<div>" * 100_000),
    # Quadratic in the links of one parent: a second each.
    "http://a.com/19-hang": page(*SENTENCES, *["<a>x</a> " * 4_900] * 40),
}
UNFIT = {
    "http://a.com/21-empty": (b"", "no_text"),
    "http://a.com/23-binary": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\1\0\0\0\1\0\x08", "binary"),
    "http://a.com/25-zip": (b"PK\x03\x04" + bytes(range(256)) * 40, "binary"),
    "http://a.com/27-noise": (
        b"<html><meta charset=utf-8><p>" + bytes(range(0x80, 0x100)) * 9,
        "bad_encoding",
    ),
    "http://a.com/29-chinese": (f"{GBK_HEAD}<p>{CHINESE}".encode("gbk"), "not_english"),
    "http://a.com/31-record": (page(*SENTENCES), "damaged_record"),
}
BODIES = {**GOOD, **READ, **HEAVY, **{url: body for url, (body, _) in UNFIT.items()}}
TRUNCATED = frozenset(["http://a.com/31-record"])

LIFTED = ExtractConfig(
    max_page_bytes=1 << 30,
    max_tags=1 << 30,
    max_chars=1 << 30,
    timeout_s=3,
    memory_bytes=256 * MIB,
    pages_per_shard=16,
)
CAPPED = ExtractConfig(pages_per_shard=16)
HEAVY_REASONS = {
    "lifted": ("out_of_memory", "too_deep", "timeout"),
    "capped": ("too_large", "too_many_elements", "too_many_elements"),
}


class KillsWorkers(SilentProgress):
    """Ends a worker from outside after every 20 pages, too seldom to hit a page twice."""

    def __init__(self) -> None:
        self.num_pages = 0
        self.num_kills = 0
        self.others = set(descendants_of(os.getpid()))  # servers of other tests

    def advance(self, count: int = 1, note: str = "") -> None:
        self.num_pages += count
        if self.num_pages % 20 == 0:
            ours = [each for each in descendants_of(os.getpid()) if each not in self.others]
            for worker in ours[1:2]:  # behind the one that forks them
                with suppress(ProcessLookupError):
                    os.kill(worker, signal.SIGKILL)
                    self.num_kills += 1


@pytest.fixture(scope="module")
def torture(tmp_path_factory: pytest.TempPathFactory) -> tuple[Mapping[str, Path], set[str]]:
    """The stages of all pages, the second archive cut in the middle, and the pages lost by that."""
    inputs = write_stages(tmp_path_factory.mktemp("torture"), BODIES, TRUNCATED)
    rows = list(read_rows(inputs["pages"] / "lineage-00001.arrow"))
    lost = rows[len(rows) * 3 // 4 :]
    os.truncate(inputs["pages"] / "pages-00001.warc.gz", lost[0]["offset"] + 100)
    return inputs, {row["url"] for row in lost}


@pytest.fixture(scope="module")
def unhurt(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    """The documents of the readable pages alone."""
    folder = tmp_path_factory.mktemp("unhurt")
    run(CAPPED, write_stages(folder, {**GOOD, **READ}), folder / "documents", Runtime())
    return documents_in(folder / "documents")


def documents_in(folder: Path) -> dict[str, dict]:
    return {row["url"]: row for shard in data_shards(folder) for row in read_rows(shard)}


@pytest.mark.parametrize(
    ("config", "workers"),
    [
        (CAPPED, 3),
        pytest.param(CAPPED, 1, marks=pytest.mark.slow),
        pytest.param(LIFTED, 1, marks=pytest.mark.slow),
        (LIFTED, 2),
    ],
)
def test_every_page_is_accounted_for_and_the_others_are_as_they_were(
    config: ExtractConfig,
    workers: int,
    torture: tuple[Mapping[str, Path], set[str]],
    unhurt: dict[str, dict],
    tmp_path: Path,
):
    inputs, lost = torture
    progress = KillsWorkers()
    manifest = run(config, inputs, tmp_path, Runtime(workers=workers, progress=progress))

    heavy = dict(zip(HEAVY, HEAVY_REASONS["capped" if config is CAPPED else "lifted"], strict=True))
    expected = {
        **heavy,
        **{url: reason for url, (_, reason) in UNFIT.items()},
        **dict.fromkeys(lost, "damaged_record"),
    }
    rejects = {
        row["key"]: row["reason"]
        for shard in sorted(tmp_path.glob("rejects-*.arrow"))
        for row in read_rows(shard)
    }
    assert rejects == expected
    documents = documents_in(tmp_path)
    assert documents == {url: row for url, row in unhurt.items() if url not in lost}
    assert manifest.counts.incoming == len(BODIES) == len(documents) + len(rejects)
    assert lost & set(GOOD)
    assert progress.num_kills


def test_no_character_is_lost_on_the_way(unhurt: dict[str, dict]):
    for url, words in {
        "http://a.com/03-utf-16": FRENCH,
        "http://a.com/07-gbk": "The sign said 灯塔.",
        "http://a.com/09-invalid-utf-8": "boats \ufffd lay",
        "http://a.com/11-latin-1": FRENCH,
    }.items():
        assert words in unhurt[url]["text"]
