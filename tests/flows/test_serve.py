"""`webtext serve`: rebuilds by the clock, and what follows by events; kill -9 loses nothing."""

import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import orjson
import pytest
from mlflow import MlflowClient

from flows.corpora.catalog import finished
from flows.corpora.summary import corpus_hash, lineage
from model.tracking.store import EXPERIMENT
from model.tracking.tracker import local_uri
from tests.flows.test_extend import FIRST_DAY, NEW, OLD, write_dump, write_pages
from tests.flows.test_kill import processes_of
from tests.processes import wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]

RECIPE = """
benchmarks = "benchmarks"
[links]
dumps = ["RS"]
partitions = 1
[crawl]
replay = "web"
per_host_delay_s = 0.0
pause_s = 0.05
[tokens]
vocab_size = 300
val_fraction = 0.3
[model]
block_size = 32
n_layer = 1
n_head = 2
n_embd = 16
[train]
steps = 4
batch_size = 2
micro_batch_size = 2
eval_windows = 8
checkpoint_every = 1
[evaluate]
tasks = ["heldout"]
[sample]
max_new_tokens = 8
num_samples = 1
[schedule]
rebuild = "* * * * *"
look = "* * * * *"
"""


class Served:
    """A `webtext serve` at work, and what its Prefect knows."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path, earlier: int) -> None:
        self.process = process
        self._log = log
        self._earlier = earlier

    def wait_until(self, condition: Callable[[], object], timeout_s: float = 400) -> None:
        until = time.monotonic() + timeout_s
        while not condition():
            assert self.process.poll() is None, self._log.read_text()
            assert time.monotonic() < until, self._log.read_text()
            time.sleep(0.1)

    @property
    def said(self) -> str:
        """What this process printed, and its flows."""
        return self._log.read_text()[self._earlier :]

    @property
    def api_url(self) -> str:
        self.wait_until(lambda: "/api\n" in self.said)
        return self.said.partition("PREFECT_API_URL=")[2].splitlines()[0]

    def runs(self, *tags: str) -> list[dict]:
        """The flow runs with all of these tags."""
        return self.ask("flow_runs/filter", flow_runs={"tags": {"all_": list(tags)}})

    def ask(self, path: str, **query: object) -> list[dict]:
        """A POST to Prefect's API."""
        headers = {"Content-Type": "application/json"}
        content = orjson.dumps(query)
        request = urllib.request.Request(f"{self.api_url}/{path}", content, headers)
        with urllib.request.urlopen(request) as answer:
            return orjson.loads(answer.read())


@contextmanager
def serve(
    folder: Path, recipe: Path = Path("small.toml"), environment: Mapping[str, str] = os.environ
) -> Iterator[Served]:
    hidden = {"PREFECT_API_URL", "PREFECT_HOME"}
    log = folder / "log"
    log.touch()
    earlier = len(log.read_text())
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "flows", "serve", str(recipe), "--workers", "1"],
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={key: value for key, value in environment.items() if key not in hidden},
        )
    try:
        yield Served(process, log, earlier)
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "small.toml").write_text(RECIPE)
    (tmp_path / "benchmarks").mkdir()
    write_pages(tmp_path / "web")
    write_dump(tmp_path / "RS", OLD, FIRST_DAY)
    return tmp_path


def corpora(data: Path) -> list[str]:
    return [corpus_hash(tokens) for tokens, _ in finished(data, "tokens")]


def scored(data: Path) -> set[str]:
    """The corpora that a model was trained on and scored."""
    found = finished(data, "scores")
    return {corpus_hash(lineage(scores)["tokens"]) for scores, _ in found}


def kinds_in_mlflow(data: Path, corpus: str) -> set[str]:
    client = MlflowClient(tracking_uri=local_uri(data))
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    where = f"tags.corpus_hash = '{corpus}'"
    return {run.data.tags["kind"] for run in client.search_runs([experiment.experiment_id], where)}


def is_done(served: Served, corpus: str, flow: str) -> bool:
    names = {
        run["name"] for run in served.runs(f"corpus:{corpus}") if run["state_type"] == "COMPLETED"
    }
    return f"{flow} small" in names


def test_new_links_become_a_new_corpus_a_model_and_its_scores(folder: Path, real_data: Path):
    data = folder / "data"

    def add_benchmarks(name: str) -> None:
        shutil.copytree(real_data / "benchmarks" / name, folder / "benchmarks" / name)

    with serve(folder) as served:
        served.wait_until(lambda: scored(data))
        [first] = corpora(data)
        served.wait_until(lambda: is_done(served, first, "evaluate_run"))

        # Nothing is new to the next rebuild: it starts nothing.
        def rebuilds() -> int:
            runs = served.runs(f"corpus:{first}")
            return sum(r["name"] == "rebuild_corpus small" for r in runs)

        before = rebuilds()
        served.wait_until(lambda: rebuilds() > before)
        assert sum(r["name"] == "train_on_corpus small" for r in served.runs("recipe:small")) == 1

        write_dump(folder / "RS", [*OLD, *NEW[:3]], FIRST_DAY)
        add_benchmarks("lambada")
        # In the act of the second training.
        served.wait_until(lambda: len(list((data / "runs").glob("*"))) == 2)
        served.process.send_signal(signal.SIGKILL)
        served.process.wait()
    wait_until(lambda: not processes_of(folder))

    with serve(folder) as served:
        served.wait_until(lambda: len(scored(data)) == 2)
        second = corpora(data)[-1]
        for flow in ("train_on_corpus", "evaluate_run", "report_overlap"):
            served.wait_until(lambda flow=flow: is_done(served, second, flow))
        # A folder of benchmark files that comes by itself is measured too.
        add_benchmarks("wsc273")
        served.wait_until(lambda: is_done(served, second, "measure_overlap"))
        served.process.send_signal(signal.SIGTERM)
        assert served.process.wait(60) == 130
    wait_until(lambda: not processes_of(folder))

    assert len(corpora(data)) == len(finished(data, "runs")) == 2
    assert len(finished(data, "overlap")) >= 3, "of two corpora, and with further benchmarks"
    for corpus in (first, second):
        assert {"corpus", "overlap", "train", "scores"} <= kinds_in_mlflow(data, corpus)
