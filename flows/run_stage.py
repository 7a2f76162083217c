"""Runs one stage as a Prefect task: skip it if done, lock its folder, show it, record it."""

import fcntl
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from prefect import State, Task, task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import TaskRun
from prefect.runtime import deployment

from corpus.errors import PassingError, WebtextError
from corpus.lease import leased, owner_of
from corpus.manifest import Manifest, is_finished, read_manifest, stage_key
from corpus.runtime import Runtime
from corpus.settings import Section
from corpus.stage import Inputs, data_shards, describe_input
from corpus.storage.files import fetch_files, local_file
from corpus.storage.mirror import push
from corpus.takedown.withdrawn import current_version
from corpus.verify import verify_folder
from flows.commands.display import current_display
from flows.corpora.summary import count_phrase
from flows.failed_stage import named_stage
from flows.open_runner import current_runner
from flows.publish_figures import PublishedProgress
from flows.takedown.keep_out import check_no_takedown

StageFunction = Callable[..., Manifest]

_RETRY_AFTER_S = [10.0, 60.0, 300.0]


@dataclass(frozen=True)
class Stage:
    """A stage function with what names its folder."""

    name: str
    """Also the folder below the data folder: `documents`."""
    run: StageFunction
    """`run(config, inputs, output, runtime) -> Manifest`."""
    libraries: tuple[str, ...] = ()
    """Distributions whose version changes the stage's bytes."""
    unkeyed: frozenset[str] = frozenset()
    """Roles of inputs that are recorded but do not name the folder: they change with every build,
    and a build that goes on must find its folder again."""


def _may_pass(_task: Task, _run: TaskRun, state: State) -> bool:
    """Whether to try again: nobody is there to do it, and the reason may be over in a minute."""
    error = state.result(raise_on_failure=False)
    return deployment.id is not None and isinstance(error, PassingError | ConnectionError)


@task(
    cache_policy=NO_CACHE,
    task_run_name="{stage.name}",
    persist_result=False,
    retries=len(_RETRY_AFTER_S),
    retry_delay_seconds=_RETRY_AFTER_S,
    retry_condition_fn=_may_pass,
)
def run_stage(
    stage: Stage, config: Section, inputs: Mapping[str, Path], data: Path, workers: int = 1
) -> Path:
    """Run a stage, or find it done; returns its folder.

    Resume rests on the manifest, not on Prefect's cache, which does not look at outputs.

    Raises:
        WebtextError: another process is making the same folder, a takedown is at work, a file of an
            input is damaged or missing, or the stage failed.
    """
    display = current_display()
    output = current_version(stage_folder(stage, config, inputs, data))
    with named_stage(stage.name, output), _locked(output):
        progress = PublishedProgress(display.stage(stage.name), stage.name)
        if is_finished(output):
            manifest = read_manifest(output)
            push(output, progress)  # what an earlier run could not
            display.done(stage.name, f"done before: {count_phrase(manifest)}")
        else:
            for path in inputs.values():
                fetch_files(local_file(path), progress)
            _check_inputs(inputs)
            runner = current_runner(data, workers)
            runtime = Runtime(workers, progress, runner)
            manifest = stage.run(config, inputs, output, runtime)
            push(output, progress)
            display.done(stage.name, f"{count_phrase(manifest)} in {manifest.times.seconds:.0f} s")
        for problem in manifest.problems:
            display.warn(stage.name, problem)
    create_table_artifact(
        key=stage.name,
        table=artifact_rows(manifest),
        description=f"{stage.name} {output.name}: {count_phrase(manifest)}",
    )
    return output


def _check_inputs(inputs: Inputs) -> None:
    """Read what the stage is going to read: a damaged input costs a minute now, not a training.

    Of a folder that lies in S3 in part, each file was checked when it came, or will be.
    """
    for folder in inputs.values():
        if is_finished(folder) and all(path.is_file() for path in data_shards(folder)):
            deque(verify_folder(folder, {"data"}), maxlen=0)


def stage_folder(stage: Stage, config: Section, inputs: Inputs, data: Path) -> Path:
    """The folder that a stage writes for this config and these inputs."""
    keyed = {role: path for role, path in inputs.items() if role not in stage.unkeyed}
    hashes = {role: describe_input(local_file(path)).hash for role, path in keyed.items()}
    return data / stage.name / stage_key(stage.name, config, hashes, stage.libraries)


def artifact_rows(manifest: Manifest) -> list[dict[str, object]]:
    """A manifest's counts and figures as the rows of a table."""
    rows: list[dict[str, object]] = [
        {"what": "in", "value": manifest.counts.incoming},
        {"what": "out", "value": manifest.counts.out},
    ]
    rows += [{"what": f"rejected: {k}", "value": v} for k, v in manifest.counts.rejects.items()]
    rows += [{"what": name, "value": value} for name, value in manifest.figures.items()]
    rows.extend({"what": "problem", "value": problem} for problem in manifest.problems)
    return [*rows, {"what": "seconds", "value": round(manifest.times.seconds, 1)}]


@contextmanager
def _locked(output: Path) -> Iterator[None]:
    output.mkdir(parents=True, exist_ok=True)
    with (output / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            owner = owner_of(output)
            raise WebtextError(
                f"another webtext process is making {output}" + (f": {owner}" if owner else ""),
                hint="Wait for it, or stop it; then run the same command again.",
            ) from exc
        # The lock is this machine's; a file system that others see too needs the lease.
        with leased(output):
            check_no_takedown(output.parents[1])
            yield
