"""Machines that send the same stage to one bucket: it keeps that of one, whole."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from corpus.lease import Owner
from corpus.manifest import read_manifest
from corpus.settings import Section
from corpus.stage import StageWriter
from corpus.storage import sending
from corpus.storage.files import fetch
from corpus.storage.mirror import open_data, push
from tests.corpus.storage.test_storage import make_stage, objects, s3

Machine = Callable[[], Path]


@pytest.fixture
def machine(bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Machine:
    """Open the bucket on one more machine."""
    count = iter(range(100))

    def open_fresh() -> Path:
        monkeypatch.setenv("WEBTEXT_CACHE", str(tmp_path / str(next(count))))
        return open_data(f"s3://{bucket}/corpora/a")

    return open_fresh


def make_pages(root: Path, number: int, name: str) -> Path:
    """As if crawled: the same documents on every machine, and archives that are its own."""
    folder = make_stage(root / "pages" / name, finish=False)
    for index in range(3):
        archive = b"machine %d" % number * 1000 * (number + 1)
        (folder / f"pages-{index}.warc.gz").write_bytes(archive)
    StageWriter("pages", Section(), {}, folder).finish(120)
    return folder


def check_whole(root: Path, name: str) -> None:
    """Read all of it: what is not as its manifest says is refused."""
    folder = root / "pages" / name
    fetch(folder, [shard.name for shard in read_manifest(folder).shards])


def test_of_two_that_send_at_once_the_bucket_keeps_one(bucket: str, machine: Machine):
    machines = [machine(), machine()]
    for name in ("p0", "p1", "p2"):
        folders = [make_pages(root, number, name) for number, root in enumerate(machines)]
        with ThreadPoolExecutor(2) as both:
            list(both.map(push, folders))
        check_whole(machine(), name)
    assert not [key for key in objects(bucket) if sending.CLAIM in key]


@pytest.mark.parametrize("claim", ["{owner}", "of another version"])
def test_who_gives_no_sign_is_waited_for_and_then_forgotten(
    bucket: str, machine: Machine, monkeypatch: pytest.MonkeyPatch, claim: str
):
    monkeypatch.setattr(sending, "_OVER_S", 2.0)
    elsewhere = Owner.this_process().model_copy(update={"host": "elsewhere"}).model_dump_json()
    key = f"corpora/a/pages/p/{sending.CLAIM}0"
    s3().put_object(Bucket=bucket, Key=key, Body=claim.format(owner=elsewhere))
    folder = make_pages(machine(), 0, "p")

    notes: list[str] = []

    class Watched:
        def start(self, total: int | None, unit: str) -> None: ...
        def report(self, figures: object) -> None: ...
        def advance(self, count: int = 1, note: str = "") -> None:
            notes.append(note)

    push(folder, Watched())
    assert notes[0].startswith("waits for ")
    check_whole(machine(), "p")
    assert key.removeprefix("corpora/a/") not in objects(bucket)


def test_the_claim_of_a_killed_process_of_this_machine_keeps_nobody_waiting(
    bucket: str, machine: Machine
):
    gone = Owner.this_process().model_copy(update={"started": "1"}).model_dump_json()
    key = f"corpora/a/pages/p/{sending.CLAIM}0"
    s3().put_object(Bucket=bucket, Key=key, Body=gone)
    push(make_pages(machine(), 0, "p"))  # or the test's time is over
    check_whole(machine(), "p")
