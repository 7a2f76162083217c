"""A real MLflow behind a gate that can hang, fail, hang up, or lose the answer."""

import os
import socket
import sys
import threading
import time

import orjson
import pytest
from mlflow import MlflowClient  # noqa: TID251  what was recorded, seen from outside
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.test import run_wsgi_app

from corpus.metrics import METRICS
from model.tracking.store import EXPERIMENT, Store
from model.tracking.tracker import local_uri


class Gate:
    """MLflow's own server on sqlite; `mode` says what becomes of a request."""

    def __init__(self, app, folder):
        self._app = app
        self.mode = "pass"
        self.requests = []
        self._opened = threading.Event()
        self.server = make_server("127.0.0.1", 0, self._answer, True, request_handler=_Quiet)
        self.uri = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def open(self):
        self.mode = "pass"
        self.open_hanging()

    def open_hanging(self):
        self._opened.set()

    def close(self, mode):
        self._opened.clear()
        self.mode = mode

    def _answer(self, environ, start_response):
        mode = self.mode
        self.requests.append(environ["PATH_INFO"])
        if mode == "hang":
            self._opened.wait(30)
            hang_up(environ)
        if mode == "hang up":
            hang_up(environ)
        if mode == "fail":
            start_response("500 Internal Server Error", [("Content-Type", "text/plain")])
            return [b"not today"]
        if mode == "lose answers":  # what was asked is done, and nobody hears of it
            run_wsgi_app(self._app, environ, buffered=True)
            hang_up(environ)
        return self._app(environ, start_response)


def hang_up(environ):
    environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
    raise ConnectionAbortedError


class _Quiet(WSGIRequestHandler):
    def log(self, type, message, *args):  # noqa: A002  werkzeug's
        pass


@pytest.fixture(scope="session")
def uri(tmp_path_factory):
    return local_uri(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def client(uri):
    return MlflowClient(tracking_uri=uri)


@pytest.fixture(scope="session")
def served(uri, tmp_path_factory):
    """MLflow's server as WSGI, on the same database as `client`."""
    assert Store(uri).experiment_id
    from mlflow.server import app, handlers  # noqa: TID251

    # It lacks a package, and is tried, with a second's work, at every search for runs.
    sys.modules["mlflow.server.auth"] = None  # type: ignore[assignment]
    artifacts = tmp_path_factory.mktemp("artifacts")
    os.environ["_MLFLOW_SERVER_SERVE_ARTIFACTS"] = "true"
    os.environ["_MLFLOW_SERVER_ARTIFACT_DESTINATION"] = str(artifacts)
    handlers.initialize_backend_stores(uri, None, "mlflow-artifacts:/")
    # A server puts its database there for its children; here are the flows of other tests.
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    gate = Gate(app, artifacts)
    yield gate
    gate.server.shutdown()


@pytest.fixture
def gate(served, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
    served.open()
    yield served
    served.open()


@pytest.fixture
def runs(client):
    def named(name):
        experiment = client.get_experiment_by_name(EXPERIMENT)
        return client.search_runs([experiment.experiment_id], f"attributes.run_name = '{name}'")

    return named


@pytest.fixture
def steps_of(client, runs):
    """The recorded steps of the one run of this name, repeated ones too."""

    def steps(name, metric="train/loss"):
        (run,) = runs(name)
        return sorted(each.step for each in client.get_metric_history(run.info.run_id, metric))

    return steps


@pytest.fixture
def write_metrics():
    def write(folder, steps):
        lines = [
            {"step": s, "loss": 5.0 - s / 100, "lr": 0.1, "time": 1e9 + s}
            | ({"val_loss": 6.0} if s % 10 == 0 else {})
            for s in steps
        ]
        (folder / METRICS).write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))

    return write


@pytest.fixture
def wait_for():
    def wait(condition, seconds=20):
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "it never came"
            time.sleep(0.02)

    return wait


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    """Seconds become tenths; the order of things stays."""
    from model.tracking import live_record

    monkeypatch.setattr(live_record, "_EVERY_S", 0.1)
    monkeypatch.setattr(live_record, "_FIRST_DELAY_S", 0.1)
