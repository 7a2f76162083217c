"""Prefect without a server to look after: one of our own, for as long as a command runs.

Four traps of Prefect's own embedded mode are avoided here: its 20 s start-up limit, one server
per worker process, a server left behind by kill -9, and task records lost at exit.
"""

import os
import socket
import sys
import urllib.error
import urllib.request
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from importlib import import_module
from pathlib import Path

from corpus.child import run_child
from corpus.errors import WebtextError
from corpus.redact import redact
from flows.prefect_database import keep_empty, start_from_kept

_ANSWER_S = 20
_CONSOLE_LEVEL = "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"
_QUIET = {
    "DO_NOT_TRACK": "true",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_UI_ENABLED": "false",
    # Never Prefect's own temporary server, which is slow to start and left behind.
    "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
    # The display shows progress and the command line prints errors; Prefect's records keep both.
    _CONSOLE_LEVEL: "CRITICAL",
}
_COMPLETE_RECORDS = {
    # Task runs are recorded in batches; a batch of one is too slow and is dropped at exit.
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "200",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
}


@contextmanager
def embedded_prefect(
    data: Path, imports: Sequence[str] = (), *, schedules: bool = False
) -> Iterator[str]:
    """Make a Prefect API available to flows and yield its address.

    Where PREFECT_API_URL is set, that server is used and nothing is started. Otherwise one is
    started with its records in `data/prefect`; worker processes inherit its address, and it
    ends with this context or with this process, however that ends.

    Must be entered before anything imports prefect, which reads its settings on import.

    Args:
        data: The data folder.
        imports: Modules to import while the server starts: each takes some seconds.
        schedules: Our own server also fires schedules and event triggers.

    Raises:
        WebtextError: the server did not start, and the message holds the end of its log; or
            none answers at PREFECT_API_URL.
    """
    os.environ.update(_QUIET)
    if schedules:  # nobody prints the errors of a flow that could not even begin
        os.environ[_CONSOLE_LEVEL] = "ERROR"
    if "PREFECT_API_URL" in os.environ:
        _check_answers(os.environ["PREFECT_API_URL"])
        yield os.environ["PREFECT_API_URL"]
        return
    home = (data / "prefect").resolve()
    os.environ.update(_COMPLETE_RECORDS, PREFECT_HOME=str(home))
    start_from_kept(home)
    # The door is ours, so its address is known before anybody is behind it.
    with socket.create_server(("127.0.0.1", 0)) as door:
        os.environ["PREFECT_API_URL"] = f"http://127.0.0.1:{door.getsockname()[1]}/api"
        try:
            with closing(_server(door, home, schedules=schedules)) as server:
                _start(server, imports)
                door.close()  # should the server die, nobody is to wait for an answer
                keep_empty(home)
                with nullcontext() if schedules else _without_heartbeats():
                    try:
                        yield os.environ["PREFECT_API_URL"]
                    finally:
                        _flush_records()
        finally:
            del os.environ["PREFECT_API_URL"]


def _server(door: socket.socket, home: Path, *, schedules: bool) -> Generator[dict, None, None]:
    options = ["--schedules"] if schedules else []
    arguments = ["flows.prefect_server", str(door.fileno()), *options]
    return run_child(arguments, home / "server.log", open_files=[door.fileno()])


def _start(server: Iterator[dict], imports: Sequence[str]) -> None:
    with ThreadPoolExecutor(1) as beside:
        answers = beside.submit(next, server)
        for name in imports:
            import_module(name)
        answers.result()


def _without_heartbeats() -> AbstractContextManager[object]:
    """Each flow waits a second for its heartbeat to end; this server ends with its flows anyway."""
    # Imported here because importing prefect fixes its settings.
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    return temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None})


def _check_answers(api_url: str) -> None:
    try:
        urllib.request.urlopen(f"{api_url}/health", timeout=_ANSWER_S).close()
    except urllib.error.HTTPError:
        pass  # it answers; whether it lets us in is for Prefect to say
    except (OSError, ValueError) as exc:
        raise WebtextError(
            f"no Prefect server answers at PREFECT_API_URL={redact(api_url)}: {redact(str(exc))}",
            hint="Start it, or unset PREFECT_API_URL to have one for as long as the command runs.",
        ) from exc


def _flush_records() -> None:
    # Prefect sends events and logs from threads that outlive the flow; our server must outlive
    # them. Imported here because importing prefect fixes its settings.
    if "prefect" in sys.modules:
        from prefect.events.worker import EventsWorker
        from prefect.logging.handlers import APILogHandler

        EventsWorker.drain_all()
        APILogHandler().flush()
