"""Follows a training or a crawl in MLflow from a thread of its own, so that nobody waits for it."""

import logging
import threading
import time
from contextlib import suppress
from pathlib import Path

from corpus.errors import WebtextError
from corpus.redact import redact
from model.tracking.run_record import RecordFile, RunRecord, Status, read_record
from model.tracking.sender import Sender
from model.tracking.store import Store

logger = logging.getLogger(__name__)

_EVERY_S = 5.0
_FIRST_DELAY_S = 1.0
_LONGEST_DELAY_S = 60.0


class LiveRecord:
    """One followed run; `begin` and `end` touch the disk, the thread alone speaks to MLflow.

    A daemon thread: a process that ends takes it along, and what was not sent stays remembered in
    the folder's record. The thread tries until `end` waits no more; then the next command's turn
    comes.

    Args:
        store: MLflow.
        begun: The run as it begins now; that of an earlier process in the same folder goes on.
        folder: Where metrics.jsonl grows.
    """

    def __init__(self, store: Store, begun: RunRecord, folder: Path) -> None:
        self._store = store
        self._begun = begun
        self._file = RecordFile(folder)
        self._over = threading.Event()
        self._left_alone = threading.Event()
        self._end: dict[str, object] = {}
        self._has_failed = False  # one warning is enough for one outage
        self._thread = threading.Thread(target=self._follow, name=f"mlflow {folder}", daemon=True)

    def begin(self) -> None:
        """Start to follow."""
        self._file.folder.mkdir(parents=True, exist_ok=True)
        self._take_up()
        self._thread.start()

    def end(self, status: Status, wait_s: float) -> bool:
        """Say how the run ended, and wait a while until all is sent; False: it is not."""
        self._end = {"status": status, "ended_ms": int(time.time() * 1000)}
        with suppress(WebtextError, OSError):  # a full disk has its own message elsewhere
            self._file.update(**self._end)
        self._over.set()
        self._thread.join(wait_s)
        self._left_alone.set()
        return not self._thread.is_alive() and self._is_closed()

    def _is_closed(self) -> bool:
        record = read_record(self._file.folder)
        return record is not None and record.closed

    def _take_up(self) -> bool:
        """Go on with what an earlier process began; False: another process is sending it."""
        if not self._file.acquire():
            return False
        earlier = read_record(self._file.folder)
        begun = self._begun
        if earlier is not None and earlier.uri == begun.uri:
            # The rest is told again at the new end.
            told = tuple(each for each in earlier.told if each == "details")
            begun = earlier.model_copy(
                update={"status": "RUNNING", "ended_ms": None, "closed": False, "told": told}
            )
        with suppress(WebtextError, OSError):
            self._file.set(begun.model_copy(update=self._end))
        return True

    def _follow(self) -> None:
        while not (self._file.is_held or self._take_up()):
            if self._left_alone.wait(_FIRST_DELAY_S):
                return
        sender = Sender(self._store, self._file)
        self._send_often(sender)
        self._send_rest(sender)
        self._file.release()

    def _send_often(self, sender: Sender) -> None:
        delay = _FIRST_DELAY_S
        while not self._over.is_set():
            if self._try(sender, is_over=False):
                delay = _FIRST_DELAY_S
                self._over.wait(_EVERY_S)
            else:
                self._over.wait(delay)
                delay = min(2 * delay, _LONGEST_DELAY_S)

    def _send_rest(self, sender: Sender) -> None:
        delay = _FIRST_DELAY_S
        while not self._try(sender, is_over=True) and not self._left_alone.wait(delay):
            delay *= 2

    def _try(self, sender: Sender, *, is_over: bool) -> bool:
        try:
            sender.send(is_over=is_over)
        except Exception as exc:  # whatever it is, it must not end the following
            if not self._has_failed:
                uri, folder = self._store.uri, self._file.folder
                reason = redact(str(exc))  # MLflow's errors name the address with its password
                logger.warning("not recorded in MLflow at %s yet, %s: %s", uri, folder, reason)
            self._has_failed = True
            return False
        self._has_failed = False
        return True
