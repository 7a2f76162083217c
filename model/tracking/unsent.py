"""Sends what trainings and crawls could not tell MLflow when they ended."""

import logging
import threading
from pathlib import Path

from corpus.metrics import METRICS
from corpus.redact import redact
from model.tracking.run_record import RecordFile, RunRecord, read_record
from model.tracking.sender import Sender
from model.tracking.store import Store

logger = logging.getLogger(__name__)

_FOLDERS = ("runs", "pages")


def unsent(data: Path, uri: str) -> list[Path]:
    """The folders in a data folder that hold something which the MLflow at `uri` lacks.

    Reads one small file per training and crawl. Those at work now are among them.
    """
    folders = [path for name in _FOLDERS for path in sorted((data / name).glob("*/"))]
    records = ((folder, read_record(folder)) for folder in folders)
    return [folder for folder, record in records if record and _is_unsent(record, uri)]


def send_unsent(store: Store, data: Path) -> threading.Thread | None:
    """Send it from a daemon thread, which leaves alone what another process is at work on.

    The first failure ends it: the next command tries again.

    Returns:
        The thread; None: there is nothing to send.
    """
    folders = unsent(data, store.uri)
    if not folders:
        return None
    thread = threading.Thread(target=_send, args=(store, folders), daemon=True)
    thread.start()
    return thread


def _is_unsent(record: RunRecord, uri: str) -> bool:
    return record.uri == uri and not record.closed


def _send(store: Store, folders: list[Path]) -> None:
    for folder in folders:
        file = RecordFile(folder)
        if not file.acquire():
            continue
        try:
            record = read_record(folder)  # again: it was free to change until now
            if record is not None and _is_unsent(record, store.uri):
                file.set(_ended(record, folder))
                Sender(store, file, goes_on=False).send(is_over=True)
        except Exception as exc:  # a thread that nobody waits for; the record says what is left
            logger.info("%s is not in MLflow at %s yet: %s", folder, store.uri, redact(str(exc)))
            return
        finally:
            file.release()


def _ended(record: RunRecord, folder: Path) -> RunRecord:
    """Of a run whose process was killed, its end: when it measured something last."""
    if record.status != "RUNNING":
        return record
    metrics = folder / METRICS
    ended_ms = int(metrics.stat().st_mtime * 1000) if metrics.is_file() else record.began_ms
    return record.model_copy(update={"status": "KILLED", "ended_ms": ended_ms})
