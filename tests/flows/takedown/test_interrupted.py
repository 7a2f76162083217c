"""A takedown that is killed or ended between any two steps goes on to the same versions."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.flows.takedown.takedown_corpus import (
    SECRET,
    SECRET_URL,
    copy_data,
    corpora,
    files_with,
    inodes,
    tokenizer_of,
)

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

_SCRIPT = """
import sys
from pathlib import Path
from flows.embedded_prefect import embedded_prefect
if __name__ == "__main__":
    with embedded_prefect(Path(sys.argv[1])):
        from flows.take_down import take_down
        take_down([sys.argv[2]], Path(sys.argv[1]))
"""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killed_at_any_moment_it_goes_on_to_the_same_versions(
    ten, take_down, tmp_path, mlflow_uri, prefect_server
):
    undisturbed = copy_data(ten, tmp_path / "undisturbed")
    wanted = take_down([SECRET_URL], undisturbed).corpora
    num_changes = len(inodes(ten).items() ^ inodes(undisturbed).items())
    environment = os.environ | {"PYTHONPATH": str(Path.cwd()), "MLFLOW_TRACKING_URI": mlflow_uri}
    (tmp_path / "main.py").write_text(_SCRIPT)
    lots, num_killed = random.Random(0), 0
    for attempt in range(3):
        data = copy_data(ten, tmp_path / f"data{attempt}")
        arguments = [sys.executable, str(tmp_path / "main.py"), str(data), SECRET_URL]
        for _ in range(3):
            process = subprocess.Popen(arguments, env=environment, stderr=subprocess.DEVNULL)
            before, later = inodes(data).items(), lots.randrange(num_changes // 2)
            while process.poll() is None and len(inodes(data).items() ^ before) <= later:
                time.sleep(0.001)
            num_killed += process.poll() is None
            process.kill()
            process.wait()
            assert corpora(data), "a corpus, the old one or the new one, is there at any moment"
        take_down([SECRET_URL], data)
        assert [corpus_hash_of(tokens) for tokens in corpora(data)] == [wanted[0][1]]
        assert files_with(data, SECRET, tokenizer_of(data)) == set()
        assert shards_of(data) == shards_of(undisturbed)
    assert num_killed >= 5, "most were not caught at work: the test is too late"


def corpus_hash_of(tokens: Path) -> str:
    from flows.corpora.summary import corpus_hash

    return corpus_hash(tokens)


def shards_of(data: Path) -> set[str]:
    return {path.relative_to(data).as_posix() for path in data.glob("*/*/*.arrow")}


@pytest.mark.slow
@pytest.mark.parametrize("moment", [0.02, 0.2, 0.45, 0.6, 0.8, 0.9, 0.97])
def test_ended_before_any_change_of_a_file_it_goes_on(data, take_down, monkeypatch, moment):
    """As a kill, but between two given steps: the cleaning up of a temporary file aside."""
    changes = _count_changes(monkeypatch, copy_data(data, data.with_name("counted")), take_down)
    wanted = shards_of(data.with_name("counted"))
    with monkeypatch.context() as patch:
        _end_at(patch, int(changes * moment))
        with pytest.raises(KeyboardInterrupt):
            take_down([SECRET_URL], data)
    assert corpora(data)
    take_down([SECRET_URL], data)
    assert shards_of(data) == wanted
    assert files_with(data, SECRET, tokenizer_of(data)) == set()
    assert not (data / ".withdrawing.json").exists()


def _count_changes(monkeypatch, data: Path, take_down) -> int:
    with monkeypatch.context() as patch:
        calls = _end_at(patch, sys.maxsize)
        take_down([SECRET_URL], data)
        return len(calls)


def _end_at(patch, number: int) -> list[str]:
    """Interrupt whatever links, renames or removes the file after `number` such changes."""
    calls: list[str] = []

    def ending(function):
        def change(*arguments, **named):
            if len(calls) >= number:
                raise KeyboardInterrupt
            calls.append(function.__name__)
            return function(*arguments, **named)

        return change

    patch.setattr(os, "link", ending(os.link))
    for name in ("replace", "unlink"):
        patch.setattr(Path, name, ending(getattr(Path, name)))
    return calls
