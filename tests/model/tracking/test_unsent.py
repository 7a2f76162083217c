"""What a training could not tell MLflow, the next command tells it."""

import pytest

from corpus.runtime import SilentProgress
from model.tracking.run_record import Details, Parent, RecordFile, RunRecord, read_record
from model.tracking.store import Store
from model.tracking.tracker import open_tracker
from model.tracking.unsent import send_unsent, unsent

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

BEGAN_MS = 1_700_000_000_000


@pytest.fixture
def leave(uri, write_metrics):
    """A folder as a process left it that never reached MLflow, its lock free."""

    def make(folder, **fields):
        folder.mkdir(parents=True)
        write_metrics(folder, range(1, 31))
        file = RecordFile(folder)
        assert file.acquire()
        begun = RunRecord(
            uri=uri, kind="train", name=folder.name, tags={}, params={}, began_ms=BEGAN_MS
        )
        file.set(begun.model_copy(update=fields))
        file.release()
        return folder

    return make


def recorded(folder):
    record = read_record(folder)
    assert record is not None
    return record


def send(uri, data):
    thread = send_unsent(Store(uri), data)
    assert thread is not None
    thread.join(20)


def test_a_finished_training_is_sent_with_its_times(uri, runs, steps_of, tmp_path, leave):
    parent = Parent(key="flow-unsent", name="flow of unsent")
    details = Details(parent=parent)
    leave(tmp_path / "runs" / "u1", status="FINISHED", ended_ms=BEGAN_MS + 9, details=details)
    send(uri, tmp_path)
    (run,) = runs("u1")
    assert (run.info.status, run.info.start_time, run.info.end_time) == (
        "FINISHED",
        BEGAN_MS,
        BEGAN_MS + 9,
    )
    assert steps_of("u1") == list(range(1, 31))
    assert runs(parent.name)[0].info.status == "FINISHED", "nobody else ends it"
    assert unsent(tmp_path, uri) == []
    assert send_unsent(Store(uri), tmp_path) is None


def test_a_killed_crawl_is_sent_as_killed_and_goes_on_as_the_same_run(
    uri, runs, steps_of, tmp_path, leave
):
    folder = leave(tmp_path / "pages" / "u2")
    send(uri, tmp_path)
    assert runs("u2")[0].info.status == "KILLED"
    with open_tracker(uri).follow("train", folder, "u2", {}, {}, SilentProgress()):
        pass
    assert runs("u2")[0].info.status == "FINISHED"
    assert steps_of("u2") == list(range(1, 31))


def test_what_another_process_is_at_work_on_is_left_alone(uri, runs, tmp_path, leave):
    folder = leave(tmp_path / "runs" / "u3")
    at_work = RecordFile(folder)
    assert at_work.acquire()
    send(uri, tmp_path)
    assert runs("u3") == []
    at_work.release()


def test_a_run_of_another_mlflow_and_a_damaged_record_are_left_alone(uri, tmp_path, leave):
    leave(tmp_path / "runs" / "u4", uri="http://127.0.0.1:9")
    leave(tmp_path / "runs" / "u5").joinpath(".mlflow.json").write_text('{"uri": ')
    assert unsent(tmp_path, uri) == []


def test_a_run_that_somebody_deleted_stays_deleted(uri, client, runs, tmp_path, leave):
    folder = leave(tmp_path / "runs" / "u6")
    send(uri, tmp_path)
    run_id = runs("u6")[0].info.run_id
    client.delete_run(run_id)
    file = RecordFile(folder)
    assert file.acquire()
    file.set(recorded(folder).model_copy(update={"closed": False}))
    file.release()
    send(uri, tmp_path)
    assert runs("u6") == []
    assert unsent(tmp_path, uri) == []


def test_a_dead_server_leaves_everything_for_the_next_command(gate, tmp_path, leave, wait_for):
    folder = leave(tmp_path / "runs" / "u7", uri=gate.uri, status="FINISHED")
    asked = len(gate.requests)
    gate.close("hang")
    thread = send_unsent(Store(gate.uri), tmp_path)
    assert thread is not None
    wait_for(lambda: len(gate.requests) > asked)
    gate.close("fail")
    gate.open_hanging()
    thread.join(20)
    assert not recorded(folder).closed
    gate.open()
    send(gate.uri, tmp_path)
    assert recorded(folder).closed
