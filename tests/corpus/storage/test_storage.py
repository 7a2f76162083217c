"""A data folder in S3: finished folders appear there whole, files come when they are needed."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import boto3
import pytest

from corpus.errors import UsageError, WebtextError
from corpus.manifest import (
    MANIFEST,
    WITHDRAWN,
    Manifest,
    is_finished,
    is_withdrawn,
    read_manifest,
)
from corpus.schema import DOCUMENTS
from corpus.settings import Section
from corpus.shards import file_sha256, num_rows, open_shard, read_rows, shard_name
from corpus.stage import StageWriter, data_shards
from corpus.storage.files import fetch, fetch_files, local_file, open_input
from corpus.storage.mirror import open_data, push, push_data
from corpus.tokens.windows import TokenWindows
from tests.corpus.s3_server import demand_credentials
from tests.corpus.small_corpus import make_corpus

FRESH = "another machine"


@pytest.fixture
def elsewhere(bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[], Path]:
    """Open the bucket on another machine, one that has nothing of it yet."""
    count = iter(range(100))

    def open_fresh() -> Path:
        monkeypatch.setenv("WEBTEXT_CACHE", str(tmp_path / f"{FRESH} {next(count)}"))
        return open_data(f"s3://{bucket}/corpora/a")

    return open_fresh


@pytest.fixture
def data(bucket: str) -> Path:
    """The mirror in which things are made."""
    return open_data(f"s3://{bucket}/corpora/a")


def make_stage(folder: Path, *, finish: bool = True) -> Path:
    """A stage's folder: three shards of documents, a log, and a file in a folder."""
    writer = StageWriter(folder.parent.name, Section(), {}, folder)
    for index in range(3):
        rows = [
            dict.fromkeys(DOCUMENTS.names) | {"id": f"{index}{i}", "text": "x" * 500}
            for i in range(40)
        ]
        writer.write(shard_name("documents", index), rows, DOCUMENTS)
    (folder / "crawl.log").write_text("begun\n")
    for name in ("pages.warc.gz", "dump.zst"):  # whose ends pyarrow takes for an order
        (folder / name).write_bytes(b"compressed" * 100)
    (folder / "tokenizer").mkdir()
    (folder / "tokenizer" / "vocab.bpe").write_text("a b\n")
    if finish:
        writer.finish(120)
    return folder


def objects(bucket: str) -> dict[str, int]:
    """The objects below the prefix, with their sizes."""
    contents = s3().list_objects_v2(Bucket=bucket, Prefix="corpora/a/").get("Contents", [])
    found = {each["Key"].removeprefix("corpora/a/"): each["Size"] for each in contents}
    return {key: size for key, size in found.items() if not key.endswith("/")}


def s3():
    return boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"])


def local_names(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}


def test_another_machine_sees_what_was_finished_and_reads_it(data: Path, elsewhere):
    made = make_stage(data / "documents" / "0")
    push(made)
    found = elsewhere() / "documents" / "0"
    assert read_manifest(found) == read_manifest(made)
    assert [list(read_rows(p)) for p in data_shards(found, "documents-")] == [
        list(read_rows(p)) for p in data_shards(made, "documents-")
    ]
    assert open_input(found / "tokenizer" / "vocab.bpe").read() == b"a b\n"


def test_a_streamed_shard_leaves_no_file(data: Path, elsewhere):
    push(make_stage(data / "documents" / "0"))
    found = elsewhere() / "documents" / "0"
    for path in data_shards(found, "documents-"):
        assert num_rows(path) == 40
        assert open_shard(path, ["id"]).get_batch(0).num_columns == 1
        assert len(list(read_rows(path))) == 40
    assert local_names(found) == {MANIFEST}


def test_a_fetched_file_is_the_one_that_was_made(data: Path, elsewhere):
    made = make_stage(data / "documents" / "0")
    push(made)
    found = elsewhere() / "documents" / "0"
    for shard in read_manifest(found).shards:
        assert file_sha256(local_file(found / shard.name)) == file_sha256(made / shard.name)
    assert local_names(found) == local_names(made)


def test_an_unfinished_stage_stays_on_its_machine(data: Path, bucket: str, elsewhere):
    make_stage(data / "documents" / "0", finish=False)
    push_data(data)
    assert objects(bucket) == {}
    assert not (elsewhere() / "documents").exists()


KILLED_PUSH = """
import os, signal, sys
from pathlib import Path
from corpus.storage.mirror import push

folder, left = Path(sys.argv[1]), int(sys.argv[2])

def kill_at_file(event, arguments):
    global left
    if event == "open" and str(arguments[0]).startswith(f"{folder}/"):
        left -= Path(arguments[0]).name != "manifest.json" or left == 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(kill_at_file)
push(folder)
"""


@pytest.mark.parametrize("at_file", [1, 4, 8])
def test_a_push_killed_anywhere_is_no_finished_folder_and_goes_on(
    data: Path, bucket: str, elsewhere, at_file: int
):
    made = make_stage(data / "documents" / "0")
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_PUSH, str(made), str(at_file)], check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert "documents/0/manifest.json" not in objects(bucket)
    other = elsewhere()
    assert not is_finished(other / "documents" / "0")
    push(made)
    shards = {f"documents/0/{each.name}": each.bytes for each in read_manifest(made).shards}
    assert objects(bucket).items() > shards.items()
    assert is_finished(elsewhere() / "documents" / "0")


def test_what_is_there_is_not_sent_again(data: Path, bucket: str):
    made = make_stage(data / "documents" / "0")
    push(made)
    key = "corpora/a/documents/0/documents-00000.arrow"
    before = s3().head_object(Bucket=bucket, Key=key)["LastModified"]
    s3().delete_object(Bucket=bucket, Key="corpora/a/documents/0/manifest.json")
    push(made)
    assert s3().head_object(Bucket=bucket, Key=key)["LastModified"] == before
    assert "documents/0/manifest.json" in objects(bucket)


def test_a_report_made_later_is_brought_there_and_the_record_stays(data: Path, bucket: str):
    made = make_stage(data / "runs" / "0")
    push(made)
    (made / "crawl.log").write_text("another\n")  # named by the manifest: that is what counts
    (made / "report.html").write_text("<p>1")
    push_data(data)
    assert objects(bucket)["runs/0/report.html"] == 4
    assert objects(bucket)["runs/0/crawl.log"] == len("begun\n")
    (made / "report.html").write_text("<p>12")
    push_data(data)
    assert objects(bucket)["runs/0/report.html"] == 5


def test_a_stage_finished_on_two_machines_is_the_one_that_came_first(
    data: Path, bucket: str, elsewhere
):
    other = elsewhere()
    push(make_stage(data / "documents" / "0"))
    push(make_stage(other / "documents" / "0"))  # knew nothing of the first
    recorded = s3().get_object(Bucket=bucket, Key="corpora/a/documents/0/manifest.json")["Body"]
    assert Manifest.model_validate_json(recorded.read()) == read_manifest(data / "documents" / "0")


def test_damage_in_the_bucket_is_named(data: Path, bucket: str, elsewhere):
    made = make_stage(data / "documents" / "0")
    push(made)
    damaged = bytearray((made / "documents-00001.arrow").read_bytes())
    damaged[-400] ^= 1
    key = "corpora/a/documents/0/documents-00001.arrow"
    s3().put_object(Bucket=bucket, Key=key, Body=bytes(damaged))
    found = elsewhere() / "documents" / "0"
    with pytest.raises(
        WebtextError, match=r"documents/0/documents-00001\.arrow is damaged: its sha"
    ):
        local_file(found / "documents-00001.arrow")
    assert local_names(found) <= {MANIFEST, ".documents-00001.arrow.lock"}
    s3().put_object(Bucket=bucket, Key=key, Body=bytes(damaged[:-1]))
    with pytest.raises(WebtextError, match=r"documents-00001\.arrow is damaged: \d+ bytes, not"):
        open_shard(found / "documents-00001.arrow")
    s3().delete_object(Bucket=bucket, Key=key)
    for read in (open_shard, local_file):
        with pytest.raises(WebtextError, match=rf"s3://{bucket}/{key} is missing"):
            read(found / "documents-00001.arrow")


@pytest.mark.parametrize("name", ["", "documents", "takedown.txt", "documents/0"])
def test_what_is_no_file_of_a_stage_is_taken_as_it_is(data: Path, elsewhere, name: str):
    push(make_stage(data / "documents" / "0"))
    path = elsewhere() / name
    assert local_file(path) == path


FETCH = """
import sys
from pathlib import Path
from corpus.storage.files import local_file

local_file(Path(sys.argv[1]))
"""


def test_processes_may_ask_for_one_file_at_once(data: Path, elsewhere):
    made = make_stage(data / "documents" / "0")
    push(made)
    path = elsewhere() / "documents" / "0" / "documents-00000.arrow"
    fetchers = [subprocess.Popen([sys.executable, "-c", FETCH, str(path)]) for _ in range(3)]
    assert [fetcher.wait() for fetcher in fetchers] == [0] * 3
    assert path.read_bytes() == (made / path.name).read_bytes()
    assert local_names(path.parent) == {MANIFEST, path.name}


def test_files_are_fetched_some_at_a_time_and_once(data: Path, elsewhere, monkeypatch):
    push(make_stage(data / "documents" / "0"))
    found = elsewhere() / "documents" / "0"
    names = [shard.name for shard in read_manifest(found).shards]
    fetch(found, names)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    fetch(found, names)
    assert all(local_file(found / name).is_file() for name in names)


def test_what_cannot_be_streamed_is_fetched(data: Path, elsewhere):
    push(make_stage(data / "documents" / "0"))
    found = elsewhere() / "documents" / "0"
    fetch_files(found)
    expected = {MANIFEST, "crawl.log", "dump.zst", "pages.warc.gz", "vocab.bpe"}
    assert local_names(found) == expected


def withdraw(folder: Path) -> None:
    """What a takedown leaves of a folder."""
    (folder / MANIFEST).rename(folder / WITHDRAWN)
    for shard in Manifest.model_validate_json((folder / WITHDRAWN).read_bytes()).shards:
        (folder / shard.name).unlink()


def test_a_withdrawn_folder_is_withdrawn_everywhere(data: Path, bucket: str, elsewhere):
    made = make_stage(data / "documents" / "0")
    push(made)
    other = elsewhere()
    fetch(other / "documents" / "0", ["documents-00000.arrow"])
    withdraw(made)
    push_data(data)
    assert set(objects(bucket)) == {"documents/0/withdrawn.json"}
    # A machine that does not know of it yet must not bring the data back ...
    push_data(other)
    assert set(objects(bucket)) == {"documents/0/withdrawn.json"}
    assert is_withdrawn(other / "documents" / "0")
    assert local_names(other / "documents" / "0") == {WITHDRAWN}
    # ... and one that has never seen it gets the record alone.
    assert local_names(elsewhere() / "documents" / "0") == {WITHDRAWN}


def test_opening_removes_what_was_withdrawn(data: Path, elsewhere, bucket: str, monkeypatch):
    made = make_stage(data / "documents" / "0")
    push(made)
    other = elsewhere()
    fetch(other / "documents" / "0", ["documents-00000.arrow"])
    withdraw(made)
    push(made)
    monkeypatch.setenv("WEBTEXT_CACHE", str(other.parent))
    assert open_data(f"s3://{bucket}/corpora/a") == other
    assert local_names(other / "documents" / "0") == {WITHDRAWN}


def test_takedown_lists_of_two_machines_become_one(data: Path, elsewhere):
    other = elsewhere()
    (data / "takedown.txt").write_text("a.example\nb.example\n")
    (other / "takedown.txt").write_text("b.example\nc.example\n")
    push_data(data)
    push_data(other)
    expected = "a.example\nb.example\nc.example\n"
    assert (other / "takedown.txt").read_text() == expected
    assert (elsewhere() / "takedown.txt").read_text() == expected


@pytest.mark.parametrize("url", ["s3://", "s3:/bucket", "s3:///x", "gs://bucket/x", "s3://b//x"])
def test_a_wrong_url_is_wrong_usage(url: str):
    with pytest.raises(UsageError, match="is no place for data"):
        open_data(url)


def test_a_path_is_itself(tmp_path: Path):
    assert open_data(str(tmp_path / "data")) == tmp_path / "data"
    assert local_file(tmp_path / "nowhere") == tmp_path / "nowhere"
    push(make_stage(tmp_path / "documents" / "0"))  # there is nowhere to push it


def test_no_bucket_is_named(bucket: str, tmp_path: Path):
    with pytest.raises(WebtextError, match="has no bucket for s3://no-such-bucket/a"):
        open_data("s3://no-such-bucket/a")
    assert not (tmp_path / "cache").exists()


def test_no_server_is_named(bucket: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(WebtextError, match=r"no S3 server answers at http://127\.0\.0\.1:9"):
        open_data(f"s3://{bucket}/a")


def test_a_refused_key_is_named_and_not_shown(bucket: str, s3_url: str, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIANOBODYKNOWSTHIS1")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush-hush")
    demand_credentials(s3_url, known=True)
    try:
        with pytest.raises(WebtextError, match="credentials are missing or refused") as caught:
            open_data(f"s3://{bucket}/a")
    finally:
        demand_credentials(s3_url, known=False)
    assert "hush" not in str(caught.value)
    assert "AKIA" not in str(caught.value)


def test_no_secret_is_written(data: Path, monkeypatch: pytest.MonkeyPatch):
    push(make_stage(data / "documents" / "0"))
    secret = os.environ["AWS_SECRET_ACCESS_KEY"].encode()
    assert all(secret not in path.read_bytes() for path in data.glob(".*") if path.is_file())


def test_a_corpus_made_in_a_mirror_is_trained_on_elsewhere(data: Path, elsewhere):
    folders = make_corpus(data)
    push_data(data)
    tokens = elsewhere() / "tokens" / folders["tokens"].name
    made, found = (TokenWindows(folder, "train", 16) for folder in (folders["tokens"], tokens))
    assert len(found) == len(made) > 10
    assert (found.read(range(len(found))) == made.read(range(len(made)))).all()
    for shard in tokens.glob("train-*.arrow"):
        assert shard.read_bytes() == (folders["tokens"] / shard.name).read_bytes()
