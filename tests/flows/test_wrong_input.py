"""Wrong input: an error that names it and says what to do, and nothing half-written."""

import lzma
import os
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import pytest
import zstandard

SUBMISSION = {
    "id": "abc",
    "url": "https://prefect.example/docs",
    "score": 5,
    "created_utc": 1_500_000_000,
    "subreddit": "python",
    "is_self": False,
    "over_18": False,
}


def build(webtext, dump: Path, *more: str):
    return webtext(
        "build", "webtext", "--until", "links", "--set", f'links.dumps=["{dump}"]', *more
    )


def write_dump(path: Path, num_lines: int = 50) -> Path:
    lines = [
        orjson.dumps(
            {**SUBMISSION, "id": str(i), "url": f"https://a.example/{i}", "title": "x" * i}
        )
        for i in range(num_lines)
    ]
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


def assert_failed(outcome, exit_code: int, *parts: str) -> None:
    assert outcome.exit_code == exit_code, outcome
    for part in parts:
        assert part in outcome.err, outcome.err
    assert "Traceback" not in outcome.err + outcome.out
    finished = [
        path
        for path in Path("data").glob("links/*/*")
        if path.suffix == ".arrow" or path.name == "manifest.json"
    ]
    assert finished == [] or all(path.name.startswith(".") for path in finished)


def test_a_missing_dump(webtext):
    assert_failed(build(webtext, Path("RS_2099-01.zst")), 2, "RS_2099-01.zst")


def test_no_dump_at_all(webtext):
    outcome = webtext("build", "webtext")
    assert_failed(outcome, 2, "names no submission dumps", "links.dumps")


def test_an_unknown_recipe_key(webtext, tmp_path: Path):
    (tmp_path / "mine.toml").write_text("[links]\nmin_scor = 2\n")
    assert_failed(webtext("build", "mine.toml"), 2, "links.min_scor", "links.min_score")


def test_an_unknown_option(webtext):
    assert_failed(webtext("build", "webtext", "--untill", "links"), 2, "--untill")


@pytest.mark.parametrize(
    ("suffix", "compress"), [(".zst", zstandard.compress), (".xz", lzma.compress)]
)
def test_a_truncated_dump_gives_what_can_be_read_and_says_so(
    webtext, tmp_path: Path, suffix: str, compress: Callable[[bytes], bytes]
):
    plain = write_dump(tmp_path / "plain", 5_000).read_bytes()
    dump = tmp_path / f"RS_cut{suffix}"
    dump.write_bytes(compress(plain)[:-200])
    outcome = build(webtext, dump)
    assert outcome.exit_code == 0, outcome
    (manifest,) = Path("data").glob("links/*/manifest.json")
    (problem,) = orjson.loads(manifest.read_bytes())["problems"]
    assert f"RS_cut{suffix} is damaged or cut off after" in problem


def test_a_dump_that_is_none(webtext, tmp_path: Path):
    dump = tmp_path / "RS.zst"
    dump.write_bytes(zstandard.compress(os.urandom(5_000)))
    assert_failed(build(webtext, dump), 1, "RS.zst holds no submission", "right file")


def test_a_corrupt_line_stops_the_build_if_none_is_allowed(webtext, tmp_path: Path):
    dump = write_dump(tmp_path / "RS.ndjson")
    dump.write_bytes(dump.read_bytes() + b'{"id": "x", "url": \n')
    none = ("--set", "links.max_corrupt_lines=0")
    assert_failed(build(webtext, dump, *none), 1, "RS.ndjson:51", "links.max_corrupt_lines")
    allowed = build(webtext, dump)
    assert allowed.exit_code == 0, allowed
    assert "corrupt_line 1" in allowed.out


def test_a_crawl_without_a_contact(webtext, tmp_path: Path):
    dump = write_dump(tmp_path / "RS.ndjson")
    outcome = webtext("build", "webtext", "--until", "pages", "--set", f'links.dumps=["{dump}"]')
    assert outcome.exit_code == 2
    assert "crawl.contact" in outcome.err
    assert "Traceback" not in outcome.err


@contextmanager
def no_file_over(size_bytes: int) -> Iterator[None]:
    """The kernel refuses to let any file of this process or its children grow further."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


def test_no_space_for_a_shard(webtext, tmp_path: Path):
    lines = [
        orjson.dumps({**SUBMISSION, "url": f"https://a.example/{os.urandom(300).hex()}"})
        for _ in range(2_000)
    ]
    dump = tmp_path / "RS.ndjson"
    dump.write_bytes(b"\n".join(lines))
    with no_file_over(300_000):
        outcome = build(webtext, dump)
    assert_failed(outcome, 1, "no space left to write", "Free some disk space")
    assert build(webtext, dump).exit_code == 0


@pytest.mark.parametrize("command", ["train", "overlap", "evaluate", "sample", "report"])
def test_an_unknown_corpus_or_run(webtext, command: str):
    arguments = {"train": ["train", "demo", "--corpus", "beef"]}.get(command, [command, "beef"])
    outcome = webtext(*arguments)
    assert_failed(outcome, 2, "called beef")


def test_a_data_folder_that_is_a_file(webtext, tmp_path: Path):
    (tmp_path / "notes").write_text("mine")
    assert_failed(webtext("corpus", "list", "--data", str(tmp_path / "notes")), 2, "is a file")


def test_a_data_folder_without_a_corpus_says_what_makes_one(webtext):
    outcome = webtext("corpus", "list", "--data", "elsewhere")
    assert (outcome.exit_code, Path("elsewhere").exists()) == (0, False)
    assert outcome.out.startswith("there is no corpus in elsewhere: `webtext demo`")
