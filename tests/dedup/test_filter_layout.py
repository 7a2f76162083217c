"""A saved filter comes back whole or is refused, and pybloom-live can open its parts."""

import signal
import subprocess
import sys

import numpy as np
import pytest
from pybloom_live import BloomFilter

from corpus.errors import WebtextError
from dedup import filter_layout
from dedup.ngram_filter import NgramFilter
from tests.dedup.filters import filled, random_keys, saved_bytes, saved_parts

SAVE_AND_DIE = """
import os, signal, sys
from pathlib import Path
import numpy as np
from corpus import atomic
from dedup.ngram_filter import NgramFilter
filter_ = NgramFilter(200_000, n=8)
filter_.add(np.arange(2000, dtype=np.uint64))
atomic.fsync_path = lambda path: os.kill(os.getpid(), signal.SIGKILL)
filter_.save(Path(sys.argv[1]))
"""


def test_a_kill_while_saving_leaves_the_old_file_or_none(tmp_path):
    path = tmp_path / "saved.bloom"

    def save_and_die() -> int:
        return subprocess.run([sys.executable, "-c", SAVE_AND_DIE, path], check=False).returncode

    assert save_and_die() == -signal.SIGKILL
    assert not path.exists()
    before = saved_bytes(filled(random_keys(1000)), tmp_path)
    assert save_and_die() == -signal.SIGKILL
    assert path.read_bytes() == before
    # What the dead ones left is in nobody's way.
    filled(np.arange(2000, dtype=np.uint64), 200_000).save(path)
    assert NgramFilter.load(path).num_added == 2000


def test_a_saved_filter_comes_back(tmp_path):
    keys = random_keys(100_000)
    filter_ = filled(keys)
    filter_.save(tmp_path / "saved.bloom")
    loaded = NgramFilter.load(tmp_path / "saved.bloom")
    assert loaded.contains(keys).all()
    assert loaded.contains(random_keys(100_000, seed=1)).sum() == 0
    for name in (
        "n",
        "capacity",
        "error_rate",
        "num_added",
        "num_bytes",
        "is_overfull",
        "expected_error_rate",
    ):
        assert getattr(loaded, name) == getattr(filter_, name)
    assert (tmp_path / "saved.bloom").stat().st_size == loaded.num_bytes


def test_a_loaded_filter_is_for_look_ups(tmp_path):
    filled(random_keys(10)).save(tmp_path / "saved.bloom")
    loaded = NgramFilter.load(tmp_path / "saved.bloom")
    with pytest.raises(ValueError, match="look-ups"):
        loaded.add(random_keys(1))
    with pytest.raises(ValueError, match="look-ups"):
        loaded.merge(filled(random_keys(10)))


@pytest.mark.parametrize("num_keys", [1, 1000, 54_321, 300_000])
@pytest.mark.parametrize("error_rate", [1e-8, 1e-3])
def test_pybloom_live_opens_each_part_with_its_own_fields(num_keys, error_rate, tmp_path):
    filter_ = filled(random_keys(num_keys), error_rate=error_rate)
    filter_.save(tmp_path / "saved.bloom")
    parts = saved_parts(tmp_path / "saved.bloom")
    for part in parts:
        own = BloomFilter(part.capacity, error_rate)
        assert (part.num_slices, part.bits_per_slice) == (own.num_slices, own.bits_per_slice)
        assert part.error_rate == error_rate
        # Each key sets one bit at most of each slice.
        first_slice = part.bitarray[: part.bits_per_slice].count()
        assert 0 < first_slice <= part.count <= part.capacity
    assert sum(map(len, parts)) == filter_.num_added
    assert filter_.num_added == pytest.approx(num_keys, rel=error_rate)
    assert len(parts) == 1 or num_keys > 50_000


@pytest.mark.parametrize("at", [0, 22, 40, 120, 200, 300])
def test_a_flipped_bit_in_the_header_is_noticed(at, tmp_path):
    path = tmp_path / "saved.bloom"
    content = bytearray(saved_bytes(filled(random_keys(10)), tmp_path))
    content[at] ^= 1
    path.write_bytes(content)
    with pytest.raises(WebtextError, match=r"saved.bloom is (no n-gram filter|damaged)") as caught:
        NgramFilter.load(path)
    assert "built" in caught.value.hint


@pytest.mark.parametrize("size", [0, 10, 500, 1023, 1024, 5000, -1])
def test_a_cut_file_is_refused(size, tmp_path):
    path = tmp_path / "saved.bloom"
    content = saved_bytes(filled(random_keys(2000)), tmp_path)
    path.write_bytes(content[:size])
    with pytest.raises(WebtextError, match=r"saved\.bloom"):
        NgramFilter.load(path)


def test_a_file_with_more_behind_it_is_refused(tmp_path):
    path = tmp_path / "saved.bloom"
    path.write_bytes(saved_bytes(filled(random_keys(10)), tmp_path) + b"\0")
    with pytest.raises(WebtextError, match="bytes, not"):
        NgramFilter.load(path)


@pytest.mark.parametrize(("name", "value"), [("SCHEME", "other-words-9"), ("_FORMAT", 9)])
def test_a_file_of_another_scheme_or_format_is_refused(name, value, monkeypatch, tmp_path):
    with monkeypatch.context() as patch:
        patch.setattr(filter_layout, name, value)
        filled(random_keys(10)).save(tmp_path / "saved.bloom")
    with pytest.raises(WebtextError, match=f"{value!r}, this program") as caught:
        NgramFilter.load(tmp_path / "saved.bloom")
    assert "built" in caught.value.hint
