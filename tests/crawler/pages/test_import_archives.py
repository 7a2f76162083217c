"""Stage "pages" from other crawlers' archives: every response accounted for, every page found."""

import gzip
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from corpus.errors import UsageError, WebtextError
from corpus.manifest import Manifest, is_finished
from corpus.runtime import Runtime
from crawler.archive.foreign import Record, iterate_records
from crawler.archive.warc import read_response
from crawler.pages.archived import ArchivesConfig
from crawler.pages.import_archives import run
from tests.crawler.archive.foreign_warcs import (
    HTML,
    LAYOUTS,
    chunked,
    exchanges,
    page,
    record,
    rows,
    wget,
)

TYPE = "Content-Type"


def import_(
    output: Path, *files: Path, takedown: Path | None = None, workers: int = 1, **config: object
) -> Manifest:
    inputs = {f"archive-{index}": path for index, path in enumerate(files)}
    if takedown:
        inputs["takedown"] = takedown
    return run(ArchivesConfig.model_validate(config), inputs, output, Runtime(workers=workers))


def write(path: Path, records: list[bytes], layout: str = "a gzip member per record") -> Path:
    path.write_bytes(LAYOUTS[layout](records))
    return path


def bodies(output: Path) -> dict[str, bytes]:
    """What the lineage leads to, by URL: as the stage after this one reads it."""
    return {
        row["url"]: read_response(output / row["warc"], row["offset"]).body
        for row in rows(output, "lineage")
    }


def rejects(output: Path) -> dict[str, tuple[str, str]]:
    return {row["key"]: (row["reason"], row["detail"]) for row in rows(output, "rejects")}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_page_is_found_by_its_lineage_whatever_the_layout(tmp_path, layout):
    manifest = import_(tmp_path / "out", write(tmp_path / "a.warc", exchanges(8), layout))
    assert bodies(tmp_path / "out") == {
        f"http://host{n % 3}.example/{n}": page(f"page{n}") for n in range(8)
    }
    assert (manifest.counts.incoming, manifest.counts.out) == (8, 8)
    assert manifest.figures["other_records"] == 9
    alone = layout == "a gzip member per record"
    assert manifest.figures["copied_pages"] == (0 if alone else 8)
    [first, *_] = rows(tmp_path / "out", "pages")
    assert first["content_type"] == "text/html; charset=utf-8"
    assert (first["status"], first["final_url"]) == (200, first["url"])
    [when] = {row["fetched_at"].isoformat() for row in rows(tmp_path / "out", "lineage")}
    assert when == "2018-02-03T04:05:06+00:00"


def test_each_response_that_is_no_page_has_its_reason(tmp_path):
    site = "http://a.example"
    pdf = [(TYPE, "application/pdf")]
    cases = {
        "404": (record(f"{site}/404", b"gone", status="404 Not Found"), "http_404"),
        "301": (
            record(f"{site}/301", b"", status="301 Moved", headers=[("Location", "/new")]),
            "http_301",
        ),
        "pdf": (record(f"{site}/pdf", b"%PDF-1.4 " + bytes(9), headers=pdf), "not_html"),
        "cut.pdf?": (
            record(f"{site}/cut.pdf?", b"%PDF", headers=pdf, fields={"WARC-Truncated": "length"}),
            "media",
        ),
        "empty": (record(f"{site}/empty", b" \n "), "empty"),
        "long": (
            record(f"{site}/long", page("l"), fields={"WARC-Truncated": "length"}),
            "too_large",
        ),
        "lost": (
            record(f"{site}/lost", page("l"), fields={"WARC-Truncated": "disconnect"}),
            "bad_response",
        ),
        "huge": (record(f"{site}/huge", bytes(9_000)), "too_large"),
        "giant": (record(f"{site}/giant", bytes(900_000)), "too_large"),
        "bomb": (
            record(
                f"{site}/bomb",
                gzip.compress(bytes(9_000)),
                headers=[*HTML, ("Content-Encoding", "gzip")],
            ),
            "too_large",
        ),
        "lie": (
            record(f"{site}/lie", page("x"), headers=[*HTML, ("Content-Encoding", "gzip")]),
            "bad_response",
        ),
        "noai": (
            record(f"{site}/noai", page("n"), headers=[*HTML, ("X-Robots-Tag", "noai")]),
            "opt_out",
        ),
        "robots.txt": (record(f"{site}/robots.txt", b"Allow: /"), "robots_txt"),
        "again": (record(f"{site}/again", b"", kind="revisit"), "revisit"),
        "http": (
            record(f"{site}/http", b"").replace(b"HTTP/1.1 200 OK", b"SSH-2.0-OpenSSH"),
            "bad_response",
        ),
    }
    dns = record("dns:a.example", b"20180203 a.example. 1.2.3.4", kind="response")
    wiki = record("http://en.wikipedia.org/wiki/A", page("w"))
    ignored = [record(f"{site}/{kind}", b"x", kind=kind) for kind in ("resource", "conversion")]
    records = [*(content for content, _ in cases.values()), dns, wiki, *ignored]
    manifest = import_(
        tmp_path / "out", write(tmp_path / "a.warc.gz", records), max_body_bytes=8_000
    )
    found = {key: reason for key, (reason, _) in rejects(tmp_path / "out").items()}
    expected = {f"{site}/{name}".rstrip("?"): reason for name, (_, reason) in cases.items()}
    assert found == expected | {
        "dns:a.example": "not_http",
        "http://en.wikipedia.org/wiki/A": "excluded_domain",
    }
    assert manifest.counts.incoming == len(cases) + 2
    assert manifest.counts.out == 0
    assert manifest.figures["other_records"] == 2


def test_the_latest_page_of_an_address_is_kept_and_no_failure_displaces_it(tmp_path):
    url = "http://a.example/"
    old, new = page("old"), page("new")
    one = write(
        tmp_path / "one.warc.gz",
        [
            record(url, old, date="2016-01-01T00:00:00Z"),
            record("http://a.example:80/#top", new, date="2017-01-01T00:00:00.5Z"),
            record(url, b"", status="503 Busy", date="2019-01-01T00:00:00Z"),
        ],
    )
    two = write(
        tmp_path / "two.warc.gz",
        [record(url, old, date="2016-06-01T00:00:00Z"), record(url, old, date="unknown")],
    )
    for number, files in enumerate([(one, two), (two, one)]):
        output = tmp_path / str(number)
        manifest = import_(output, *files)
        assert bodies(output) == {url: new}
        assert manifest.counts.rejects == {"duplicate_url": 3, "http_503": 1}
    # Of two that are equally old, or know no date, the last.
    undated = [record(url, page(name), date="") for name in ("first", "last")]
    import_(tmp_path / "undated", write(tmp_path / "u.warc.gz", undated))
    assert bodies(tmp_path / "undated") == {url: page("last")}
    [row] = rows(tmp_path / "undated", "lineage")
    assert row["fetched_at"] is None


def test_rules_and_takedowns_hold_for_archives_too(tmp_path):
    takedown = tmp_path / "takedown.txt"
    takedown.write_text("host1.example\n")
    files = write(tmp_path / "a.warc.gz", exchanges(6))
    import_(tmp_path / "out", files, takedown=takedown, excluded_domains=["host2.example"])
    assert {url.split("/")[2] for url in bodies(tmp_path / "out")} == {"host0.example"}
    reasons = Counter(reason for reason, _ in rejects(tmp_path / "out").values())
    assert reasons == {"takedown": 2, "excluded_domain": 2}


def test_a_damaged_file_gives_what_is_whole_and_a_problem_to_read(tmp_path):
    members = list(map(gzip.compress, exchanges(4)))
    members[4] = members[4][:-100]
    path = tmp_path / "a.warc.gz"
    path.write_bytes(b"".join(members))
    manifest = import_(tmp_path / "out", path)
    found = bodies(tmp_path / "out")
    assert found == {f"http://host{n % 3}.example/{n}": page(f"page{n}") for n in (0, 2, 3)}
    offset = sum(map(len, members[:4]))
    assert rejects(tmp_path / "out")[f"a.warc.gz:{offset}"][0] == "bad_record"
    assert manifest.counts.rejects == {"bad_record": 1}
    [problem] = manifest.problems
    assert f"1 damaged places, the first at byte {offset}" in problem


@pytest.mark.slow
def test_workers_and_kills_leave_no_trace(tmp_path):
    files = [
        write(tmp_path / f"{n}.warc.gz", exchanges(5 + n), layout)
        for n, layout in enumerate(LAYOUTS)
    ]
    whole = import_(tmp_path / "whole", *files, partitions=3)
    assert whole.counts.rejects == {"duplicate_url": 5 + 6 + 7}
    code = f"""
import os, signal
from pathlib import Path
from corpus.runtime import Runtime, SilentProgress
from crawler.pages.archived import ArchivesConfig
from crawler.pages.import_archives import run

class Killed(SilentProgress):
    num = 0
    def advance(self, count=1, note=""):
        Killed.num += 1
        if Killed.num == KILL_AT:
            os.kill(os.getpid(), signal.SIGKILL)

files = {list(map(str, files))!r}
inputs = {{f"archive-{{i}}": Path(path) for i, path in enumerate(files)}}
run(ArchivesConfig(partitions=3), inputs, Path(OUTPUT), Runtime(progress=Killed()))
"""
    # While files are read, while partitions are merged.
    for kill_at, workers in ((2, 2), (6, 1)):
        output = tmp_path / f"killed-{kill_at}"
        script = code.replace("KILL_AT", str(kill_at)).replace("OUTPUT", repr(str(output)))
        killed = subprocess.run([sys.executable, "-c", script], check=False)
        assert killed.returncode == -signal.SIGKILL
        assert not is_finished(output)
        manifest = import_(output, *files, partitions=3, workers=workers)
        assert manifest.hash == whole.hash
        assert manifest.counts == whole.counts
        assert bodies(output) == bodies(tmp_path / "whole")
        assert list(rows(output, "rejects")) == list(rows(tmp_path / "whole", "rejects"))


def test_an_import_can_be_imported_again(tmp_path):
    plain = write(tmp_path / "a.warc", exchanges(4), "not compressed")
    first = import_(tmp_path / "first", plain)
    second = import_(tmp_path / "second", tmp_path / "first" / "archive-00000.warc.gz")
    assert second.hash == first.hash
    assert second.figures["copied_pages"] == 0
    copied = tmp_path / "first" / "archive-00000.warc.gz"
    subprocess.run(["gzip", "-t", str(copied)], check=True)
    [info, *_] = iterate_records(copied, 10_000)
    assert isinstance(info, Record)
    assert b"Records of a.warc" in info.raw


def test_wget_and_chunks_as_they_came(tmp_path):
    sent = record(
        "http://b.example/", chunked(page("b")), headers=[*HTML, ("Transfer-Encoding", "Chunked")]
    )
    path = write(tmp_path / "w.warc.gz", [*wget("http://a.example/x y", page("w")), sent])
    import_(tmp_path / "out", path)
    assert bodies(tmp_path / "out") == {
        "http://a.example/x%20y": page("w"),
        "http://b.example/": page("b"),
    }


@pytest.mark.parametrize("content", [b"", b"<html>no archive</html>", bytes(999)])
def test_a_file_without_records_is_an_error_that_names_it(tmp_path, content):
    (tmp_path / "a.html").write_bytes(content)
    with pytest.raises(WebtextError, match=r"a\.html holds no WARC record"):
        import_(tmp_path / "out", tmp_path / "a.html")


def test_no_file_and_a_missing_file_are_wrong_usage(tmp_path):
    with pytest.raises(UsageError, match="no archives to read"):
        import_(tmp_path / "out")
    with pytest.raises(UsageError, match=r"gone\.warc cannot be read: No such file"):
        import_(tmp_path / "out", tmp_path / "gone.warc")
