"""The tasks of stages on Ray: a cluster's workers, or a Ray of this machine.

Arguments and results are small (paths, counts); shards lie in the data folder, which every machine
must see under the same path. A task whose worker or machine dies is done again elsewhere: finished
shards appear whole under their names, so what a dead worker left behind is no shard.
"""

import logging
import os
import re
import signal
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from importlib.metadata import requires
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from corpus.errors import PassingError, UsageError, WebtextError
from corpus.manifest import library_versions
from corpus.ray_address import cluster_address
from corpus.runner import TaskPool

_MAX_RETRIES = 3

# Ray reads these where it is imported: a task for which memory runs out is given up like any other
# (by itself Ray tries for ever); no report of use to its makers; tasks run in our environment, not
# in one that Ray makes of uv's; workers without a GPU keep CUDA_VISIBLE_DEVICES.
for _name, _value in {
    "RAY_task_oom_retries": str(_MAX_RETRIES),
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DISABLE_IMPORT_WARNING": "1",
}.items():
    os.environ.setdefault(_name, _value)

try:
    import ray
    from ray.exceptions import OutOfMemoryError, RayError, RayTaskError
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
except ModuleNotFoundError as exc:
    raise UsageError(
        "the ray runner needs the package ray, which is not installed",
        hint="Install it on every machine: pip install 'webtext[ray]'",
    ) from exc

T = TypeVar("T")
R = TypeVar("R")

_POLL_S = 1.0
_OBJECT_STORE_BYTES = 200 << 20
_NODE_PATIENCE_S = 120.0
_NAME = re.compile(r"[\w.-]+")


class RayRunner:
    """Tasks of one CPU each on Ray; a context that ends the Ray that it has started.

    Args:
        data: The data folder; every machine of the cluster must see it.
        workers: CPUs of a Ray of this machine; a cluster has its own.
        address: Of the cluster, HOST:PORT; empty: RAY_ADDRESS, or a Ray of this machine.

    Raises:
        UsageError: a machine does not see the data folder, or has other versions than this one.
        WebtextError: there is no cluster at the address.
    """

    is_remote = True

    def __init__(self, data: Path, workers: int, address: str = "") -> None:
        self._is_ours = not ray.is_initialized()
        try:
            if self._is_ours:
                _start(cluster_address(address), workers)
            self._run = ray.remote(num_cpus=1, max_retries=_MAX_RETRIES, retry_exceptions=False)(
                _run
            )
            self._cwd = Path.cwd()
            self._check_nodes(data)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "RayRunner":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def num_workers(self) -> int:
        """The CPUs of the cluster as it is now."""
        return max(1, int(ray.cluster_resources().get("CPU", 1)))

    def close(self) -> None:
        """Leave the cluster; a Ray of this machine ends."""
        if self._is_ours:
            ray.shutdown()

    def map(self, function: Callable[[T], R], tasks: Iterable[T], workers: int = 0) -> Iterator[R]:
        """As `Runner.map`; the cluster says how many run at once."""
        return self._map(function, tasks, num_gpus=0)

    def pool(self, workers: int) -> AbstractContextManager[TaskPool]:
        """As `Runner.pool`: Ray's workers live on between tasks, each with a GPU if there are."""
        return nullcontext(_Pool(self))

    def follow(self, function: Callable[[T], object], task: T) -> Iterator[None]:
        """As `Runner.follow`."""
        reference = self._submit(function, task)
        try:
            while not ray.wait([reference], timeout=_POLL_S)[0]:
                yield
            _result(reference)
        finally:
            _give_up([reference])

    def _map(
        self, function: Callable[[T], R], tasks: Iterable[T], num_gpus: float
    ) -> Generator[R, None, None]:
        remaining = iter(tasks)
        running: list[Any] = []
        try:
            while True:
                # Machines may join and leave meanwhile.
                wanted = max(2 * self.num_workers - len(running), 0)
                running += [
                    self._submit(function, task, num_gpus) for task in islice(remaining, wanted)
                ]
                if not running:
                    return
                done, running = ray.wait(running, timeout=_POLL_S)
                for reference in done:
                    yield _result(reference)
        finally:
            _give_up(running)

    def _submit(self, function: Callable[[T], object], task: T, num_gpus: float = 0) -> Any:  # noqa: ANN401 - Ray's own type is generic in what nobody can know
        return self._run.options(num_gpus=num_gpus).remote(self._cwd, function, task)

    def _check_nodes(self, data: Path) -> None:
        """See that each machine has our code and sees the folder, before any work is done."""
        probe = data.resolve() / f".seen-{os.getpid()}"
        probe.parent.mkdir(parents=True, exist_ok=True)
        probe.touch()
        nodes = {n["NodeID"]: n["NodeManagerHostname"] for n in ray.nodes() if n["Alive"]}
        try:
            looks = {
                self._run.options(
                    num_cpus=0, scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)
                ).remote(self._cwd, _look, probe): host
                for node, host in nodes.items()
            }
            done, late = ray.wait(list(looks), num_returns=len(looks), timeout=_NODE_PATIENCE_S)
            seen = {looks[each]: _result(each) for each in done}
        finally:
            probe.unlink(missing_ok=True)
        if late:
            hosts = ", ".join(looks[each] for each in late)
            raise WebtextError(
                f"no worker starts on {hosts}",
                hint="See that webtext is installed there, in the same version of Python.",
            )
        if blind := [host for host, (sees_it, _) in seen.items() if not sees_it]:
            raise UsageError(
                f"{', '.join(blind)} does not see the data folder {data.resolve()}",
                hint="Put it on a file system that all machines mount under the same path.",
            )
        for host, (_, versions) in seen.items():
            _check_versions(host, versions)


class _Pool:
    def __init__(self, runner: RayRunner) -> None:
        self._runner = runner

    def map(self, function: Callable[[T], R], tasks: Iterable[T]) -> Iterator[R]:
        num_gpus = 1 if ray.cluster_resources().get("GPU") else 0
        return self._runner._map(function, tasks, num_gpus)


def _start(address: str, workers: int) -> None:
    """Join the cluster, or start a Ray of this machine."""
    options: dict[str, Any] = {"address": address}
    if not address:
        # By name: without one Ray joins any that runs here.
        options = {"address": "local", "include_dashboard": False}
        options |= {"num_cpus": workers, "object_store_memory": _OBJECT_STORE_BYTES}
    handler = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(log_to_driver=False, logging_level=logging.ERROR, **options)
    except (OSError, RuntimeError, ValueError, RayError) as exc:
        raise _not_started(address, " ".join(str(exc).split())) from exc
    # Ray's own answer to SIGTERM is a stack trace and an abort; ours is that to Ctrl-C.
    if handler is not None and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, handler)


def _not_started(address: str, reason: str) -> WebtextError:
    if "Version mismatch" in reason:
        return UsageError(
            f"the Ray at {address} is not of our versions: {reason}",
            hint="Install the same versions of Python and Ray on every machine.",
        )
    if address:
        return PassingError(
            f"Ray at {address} cannot be joined: {reason}",
            hint="See `ray status` on a machine of the cluster. If it was started with a token, "
            "set RAY_AUTH_MODE=token and the same RAY_AUTH_TOKEN here.",
        )
    return PassingError(
        f"Ray does not start on this machine: {reason}",
        hint="It needs a folder with a short path and room: RAY_TMPDIR, or /tmp. Its logs are in "
        "ray/session_latest/logs there. `--runner process` does without it.",
    )


def _look(probe: Path) -> tuple[bool, dict[str, str]]:
    """Whether a machine sees the file, and the versions of webtext and of what it requires."""
    names = [_NAME.match(each) for each in requires("webtext") or () if "extra ==" not in each]
    return probe.exists(), library_versions(tuple(name[0] for name in names if name))


def _check_versions(host: str, versions: dict[str, str]) -> None:
    ours = library_versions(tuple(versions))
    others = [
        f"{name} {versions[name]} (here {ours[name]})"
        for name in ours
        if versions[name] != ours[name]
    ]
    if others:
        raise UsageError(
            f"{host} has other versions than this machine: {', '.join(others)}",
            hint="Install the same on every machine: what a library does otherwise would be in "
            "the corpus.",
        )


def _run(cwd: Path, function: Callable[[T], R], task: T) -> tuple[R | None, Exception | None]:
    """In a worker. An error comes back as it is: raised, Ray would make one of its own of it."""
    if cwd.is_dir():  # paths may be relative to where the command was given
        os.chdir(cwd)
    try:
        return function(task), None
    except Exception as exc:
        return None, exc


def _result(reference: Any) -> Any:  # noqa: ANN401
    try:
        result, error = ray.get(reference)
    except RayTaskError as exc:  # `_run` hands errors back: here it was not even reached
        raise WebtextError(
            f"a worker of Ray cannot take our tasks: {str(exc).strip().splitlines()[-1]}",
            hint="Install the same versions of webtext and Python on every machine as on this one: "
            "pip install 'webtext[ray]'",
        ) from exc
    except OutOfMemoryError as exc:
        raise PassingError(
            f"memory ran out in each of {_MAX_RETRIES + 1} tries of a task",
            hint="Let fewer tasks run at once on a machine: fewer --workers, or on a cluster "
            "`ray start --num-cpus N`. Run the same command again: finished shards are kept.",
        ) from exc
    except RayError as exc:
        raise PassingError(
            f"a task was lost {_MAX_RETRIES + 1} times: {str(exc).strip().splitlines()[0]}",
            hint="Its worker or its machine died: see `ray status`. Run the same command again: "
            "finished shards are kept.",
        ) from exc
    if error is not None:
        raise error
    return result


def _give_up(references: list[Any]) -> None:
    """Cancel what has not ended: a task whose answer is arriving would end us (a race in Ray)."""
    if ray.is_initialized() and references:
        _, unfinished = ray.wait(references, num_returns=len(references), timeout=0)
        for reference in unfinished:
            ray.cancel(reference)
