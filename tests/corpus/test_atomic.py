"""A file appears whole under its name or not at all."""

import errno
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from corpus.atomic import atomic_path, write_bytes
from corpus.errors import WebtextError


def test_a_file_appears_only_when_it_is_whole(tmp_path: Path):
    path = tmp_path / "shard"
    with atomic_path(path) as temporary:
        temporary.write_bytes(b"half")
        assert not path.exists()
    assert path.read_bytes() == b"half"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_leaves_nothing_behind(tmp_path: Path):
    def fail():
        with atomic_path(tmp_path / "shard") as temporary:
            temporary.write_bytes(b"half")
            raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_an_older_file_survives_a_failed_rewrite(tmp_path: Path):
    path = tmp_path / "shard"
    write_bytes(path, b"old")
    with pytest.raises(OSError, match="broken"), atomic_path(path):
        raise OSError(errno.EIO, "broken")
    assert path.read_bytes() == b"old"


def test_no_room_for_a_file_names_it_and_leaves_nothing(tmp_path: Path):
    # The kernel's own refusal: a process may write no file over 64 KiB.
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (65_536, hard))
    try:
        with pytest.raises(WebtextError, match=r"no space left to write .*shard"):
            write_bytes(tmp_path / "shard", bytes(200_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert list(tmp_path.iterdir()) == []


_FILL_A_TINY_DISK = """
import sys
from pathlib import Path
import pyarrow as pa
from corpus.errors import WebtextError
from corpus.shards import write_shard
import os
path = Path(sys.argv[1]) / "documents-00000.arrow"
rows = ({"text": os.urandom(500).hex()} for _ in range(5_000))
try:
    write_shard(path, rows, pa.schema([("text", pa.large_string())]))
except WebtextError as exc:
    print(exc.message, sorted(p.name for p in path.parent.iterdir()))
"""


def test_a_full_disk_names_the_shard_and_leaves_nothing(tmp_path: Path):
    """A real full file system: 256 KiB of memory, mounted in a namespace of the test's own."""
    script = (
        f"mount -t tmpfs -o size=256k tmpfs {tmp_path} && "
        f"exec {sys.executable} -c '{_FILL_A_TINY_DISK}' {tmp_path}"
    )
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        check=False,
    )
    if "unshare" in done.stderr or "mount:" in done.stderr:
        pytest.skip(f"needs user namespaces: {done.stderr.strip()}")
    assert "no space left to write" in done.stdout, done.stderr
    assert done.stdout.strip().endswith("[]")
