"""What earlier builds crawled: which URLs count, when the filter is trusted, and how sure it is."""

import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import orjson
import pytest

from corpus.errors import WebtextError
from corpus.schema import PAGES
from corpus.settings import Section
from corpus.shards import shard_name
from corpus.stage import StageWriter, describe_input, reject
from crawler.links import crawled
from crawler.links.crawled import SETTLED_REJECTS, SIDECAR, load_crawled, refresh_crawled
from crawler.links.urls import canonical_url
from crawler.pages.outcomes import Reason


def write_pages(
    folder: Path,
    pages: Sequence[str] = (),
    rejects: Sequence[tuple[str, str]] = (),
    redirects: Sequence[tuple[str, str]] = (),
    *,
    is_finished: bool = True,
) -> Path:
    """A folder of the stage "pages"."""
    writer = StageWriter("pages", Section(), {}, folder)
    writer.write_rejects(0, (reject(url, reason) for url, reason in rejects))
    finals = [(url, url) for url in pages] + list(redirects)
    rows: Iterable[dict] = (
        {"url": url, "final_url": final, "status": 200, "content_type": "", "digest": ""}
        for url, final in finals
    )
    writer.write(shard_name("pages", 0), rows, PAGES)
    if is_finished:
        writer.finish(len(finals) + len(rejects))
    return folder


def urls(name: str, count: int) -> list[str]:
    return [f"http://{name}.com/{number}" for number in range(count)]


def test_a_page_counts_under_its_own_url_and_where_it_was_found(tmp_path: Path):
    pages = write_pages(
        tmp_path / "pages",
        ["http://a.com/x"],
        redirects=[("http://short.com/1", "HTTP://Long.com/story#top"), ("http://b.com/", "ftp:")],
    )
    known = refresh_crawled(tmp_path / "crawled", [pages])
    for url in ("http://a.com/x", "http://short.com/1", "http://long.com/story", "http://b.com/"):
        assert url in known
    assert "http://a.com/y" not in known
    assert len(known) == 4


def test_every_variant_of_a_crawled_page_is_crawled(tmp_path: Path):
    pages = write_pages(tmp_path / "pages", ["http://a.com/x"])
    known = refresh_crawled(tmp_path / "crawled", [pages])
    for link in ("https://a.com/x", "http://www.a.com/x/", "http://A.com/x?utm_source=b#c"):
        assert canonical_url(link) in known
    assert "http://a.com/X" not in known


@pytest.mark.parametrize("reason", ["http_404", "http_410", "not_html", "too_large", "soft_404"])
def test_a_link_that_will_never_be_a_page_is_crawled(tmp_path: Path, reason: str):
    pages = write_pages(tmp_path / "pages", rejects=[("http://a.com/x", reason)])
    assert "http://a.com/x" in refresh_crawled(tmp_path / "crawled", [pages])


@pytest.mark.parametrize(
    "reason",
    [
        *("timeout", "dns_error", "connection_failed", "tls_error", "bad_response", "crawl_error"),
        *("http_500", "http_503", "http_429", "http_408", "robots_denied", "private_address"),
    ],
)
def test_a_link_that_failed_for_now_is_not_crawled(tmp_path: Path, reason: str):
    pages = write_pages(tmp_path / "pages", rejects=[("http://a.com/x", reason)])
    known = refresh_crawled(tmp_path / "crawled", [pages])
    assert "http://a.com/x" not in known
    assert len(known) == 0


def test_the_settled_rejects_are_outcomes_of_the_crawl():
    named = {reason for reason in SETTLED_REJECTS if not reason.startswith("http_4")}
    assert named < {reason.code for reason in Reason}


def test_pages_that_are_still_crawled_do_not_count(tmp_path: Path):
    pages = write_pages(tmp_path / "pages", urls("a", 3), is_finished=False)
    assert len(refresh_crawled(tmp_path / "crawled", [pages, tmp_path / "none"])) == 0


def test_a_refresh_adds_what_has_ended_since(tmp_path: Path):
    first, second = (
        write_pages(tmp_path / "1", urls("a", 3)),
        write_pages(tmp_path / "2", urls("b", 2)),
    )
    filter_folder = tmp_path / "crawled"
    assert len(refresh_crawled(filter_folder, [first])) == 3
    assert len(refresh_crawled(filter_folder, [first, second])) == 5
    known = load_crawled(filter_folder)
    assert len(known) == 5
    assert all(url in known for url in urls("a", 3) + urls("b", 2))
    assert orjson.loads((filter_folder / SIDECAR).read_bytes())["num_urls"] == 5


def test_a_filter_is_an_input_whose_hash_tells_its_content_not_its_history(tmp_path: Path):
    first, second = (
        write_pages(tmp_path / "1", urls("a", 3)),
        write_pages(tmp_path / "2", urls("b", 2)),
    )
    for name, steps in {"x": [[first], [first, second]], "y": [[second], [second, first]]}.items():
        for folders in steps:
            refresh_crawled(tmp_path / name, folders)
    refresh_crawled(tmp_path / "z", [first])
    hashes = {name: describe_input(tmp_path / name).hash for name in "xyz"}
    assert hashes["x"] == hashes["y"] != hashes["z"]


def test_a_refresh_with_nothing_new_leaves_the_files_alone(tmp_path: Path):
    pages = write_pages(tmp_path / "pages", urls("a", 3))
    refresh_crawled(tmp_path / "crawled", [pages])
    before = {path: path.stat().st_ino for path in (tmp_path / "crawled").iterdir()}
    refresh_crawled(tmp_path / "crawled", [pages])
    assert before == {path: path.stat().st_ino for path in (tmp_path / "crawled").iterdir()}


def test_pages_that_are_gone_are_forgotten(tmp_path: Path):
    first, second = (
        write_pages(tmp_path / "1", urls("a", 3)),
        write_pages(tmp_path / "2", urls("b", 2)),
    )
    refresh_crawled(tmp_path / "crawled", [first, second])
    shutil.rmtree(first)
    known = refresh_crawled(tmp_path / "crawled", [first, second])
    assert [len(known), urls("a", 1)[0] in known, urls("b", 1)[0] in known] == [2, False, True]


def damage_bits(folder: Path) -> None:
    bits = next(folder.glob(".bits-*"))
    content = bytearray(bits.read_bytes())
    content[len(content) // 2] ^= 1
    bits.write_bytes(content)


def truncate_bits(folder: Path) -> None:
    bits = next(folder.glob(".bits-*"))
    bits.write_bytes(bits.read_bytes()[:20])


def empty_bits(folder: Path) -> None:
    next(folder.glob(".bits-*")).write_bytes(b"")


def remove_bits(folder: Path) -> None:
    next(folder.glob(".bits-*")).unlink()


def damage_sidecar(folder: Path) -> None:
    (folder / SIDECAR).write_text('{"scheme": "page_key-1"}')


def use_other_scheme(folder: Path) -> None:
    sidecar = orjson.loads((folder / SIDECAR).read_bytes()) | {"scheme": "page_key-0"}
    (folder / SIDECAR).write_bytes(orjson.dumps(sidecar))


@pytest.mark.parametrize(
    "damage",
    [damage_bits, truncate_bits, empty_bits, remove_bits, damage_sidecar, use_other_scheme],
)
def test_a_filter_that_cannot_be_trusted_is_made_anew(tmp_path: Path, damage):
    pages, folder = write_pages(tmp_path / "pages", urls("a", 3)), tmp_path / "crawled"
    refresh_crawled(folder, [pages])
    damage(folder)
    with pytest.raises(WebtextError, match="crawled"):
        load_crawled(folder)
    refresh_crawled(folder, [pages])
    assert all(url in load_crawled(folder) for url in urls("a", 3))
    assert len(list(folder.iterdir())) == 2


def test_another_error_rate_makes_another_filter(tmp_path: Path):
    pages, folder = write_pages(tmp_path / "pages", urls("a", 3)), tmp_path / "crawled"
    refresh_crawled(folder, [pages], error_rate=1e-3)
    size = sum(path.stat().st_size for path in folder.iterdir())
    assert len(refresh_crawled(folder, [pages])) == 3
    assert sum(path.stat().st_size for path in folder.iterdir()) > 1.5 * size


def test_there_is_nothing_to_load_before_the_first_refresh(tmp_path: Path):
    with pytest.raises(WebtextError, match="crawled"):
        load_crawled(tmp_path / "crawled")
    refresh_crawled(tmp_path / "crawled", [])
    assert len(load_crawled(tmp_path / "crawled")) == 0


def test_the_measured_rate_of_errors_is_at_most_the_promised_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    # Room for 100 + 400 + 1,600 + 6,400: four filters, of which none may add its rate in full.
    monkeypatch.setattr(crawled, "_INITIAL_CAPACITY", 100)
    pages = write_pages(tmp_path / "pages", urls("a", 8_500))
    known = refresh_crawled(tmp_path / "crawled", [pages], error_rate=0.05)
    assert all(url in known for url in urls("a", 8_500))
    measured = sum(url in known for url in urls("b", 20_000)) / 20_000
    assert 0.005 < measured < 0.055


KILLED_REFRESH = """
import os, signal, sys
from pathlib import Path
import corpus.atomic
from crawler.links.crawled import refresh_crawled

def dying(function):
    def wrapper(*args, **kwargs):
        global steps_left
        steps_left -= 1
        if steps_left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **kwargs)
    return wrapper

steps_left = int(sys.argv[1])
corpus.atomic.fsync_path = dying(corpus.atomic.fsync_path)
Path.unlink = dying(Path.unlink)
refresh_crawled(Path(sys.argv[2]), [Path(folder) for folder in sys.argv[3:]])
"""


@pytest.mark.parametrize("steps", range(5))
def test_a_killed_refresh_leaves_the_old_filter_or_the_new_one(tmp_path: Path, steps: int):
    first, second = (
        write_pages(tmp_path / "1", urls("a", 3)),
        write_pages(tmp_path / "2", urls("b", 2)),
    )
    folder = tmp_path / "crawled"
    refresh_crawled(folder, [first])
    command = [sys.executable, "-c", KILLED_REFRESH, str(steps), folder, first, second]
    assert subprocess.run(command, check=False).returncode == -9
    # The sidecar is renamed between the third and the fourth fsync.
    assert len(load_crawled(folder)) == (3 if steps < 3 else 5)
    assert len(refresh_crawled(folder, [first, second])) == 5
    assert len(load_crawled(folder)) == 5
