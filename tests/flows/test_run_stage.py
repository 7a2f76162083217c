"""Two commands on one data folder do not write one stage folder; some failures pass."""

import fcntl
from contextlib import suppress
from pathlib import Path

import pytest

from corpus.errors import PassingError, WebtextError
from corpus.manifest import Manifest
from corpus.runtime import Runtime
from corpus.settings import Section
from corpus.stage import Inputs, StageWriter

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

SUBMISSION = b'{"id":"a","url":"https://a.example/","score":3,"subreddit":"s","created_utc":1}'


def test_a_folder_that_another_process_makes_is_left_alone(webtext, tmp_path: Path):
    (tmp_path / "dump").write_bytes(SUBMISSION)
    build = ("build", "webtext", "--until", "links", "--set", 'links.dumps=["dump"]')
    assert webtext(*build).exit_code == 0
    (folder,) = (tmp_path / "data" / "links").glob("*")
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        blocked = webtext(*build)
    assert blocked.exit_code == 1
    assert "another webtext process is making" in blocked.err
    assert "done before: 1 → 1" in webtext(*build).out


@pytest.mark.slow
def test_what_may_pass_is_tried_again_where_nobody_watches(
    prefect_server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from prefect import flow

    from flows.run_stage import Stage, run_stage

    def tries(error: type[WebtextError]) -> int:
        """How often a stage is begun that fails twice."""
        begun = []

        def run(config: Section, inputs: Inputs, output: Path, runtime: Runtime) -> Manifest:
            begun.append(output)
            if len(begun) < 3:
                raise error("no answer", hint="Wait.")
            return StageWriter("small", config, inputs, output).finish(0)

        attempt = run_stage.with_options(retry_delay_seconds=0)
        with suppress(error):
            attempt(Stage("small", run), Section(), {}, tmp_path / error.__name__)
        return len(begun)

    @flow(persist_result=False)
    def all_tries() -> list[int]:
        return [tries(PassingError), tries(WebtextError)]

    assert all_tries() == [1, 1]
    monkeypatch.setenv("PREFECT__RUNTIME__DEPLOYMENT__ID", "d")
    assert all_tries() == [3, 1]
