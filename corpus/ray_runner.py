"""The tasks of stages on Ray: a cluster's workers, or a Ray of this machine.

Arguments and results are small (paths, counts); shards lie in the data folder, which every machine
must see under the same path. A task whose worker or machine dies is done again elsewhere: finished
shards appear whole under their names, so what a dead worker left behind is no shard.
"""

import logging
import os
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from corpus.errors import PassingError, UsageError, WebtextError
from corpus.runner import TaskPool

# Ray reads these where it is imported: no report of use to its makers; tasks run in our
# environment, not in one that Ray makes of uv's; workers without a GPU keep CUDA_VISIBLE_DEVICES.
for _name, _value in {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DISABLE_IMPORT_WARNING": "1",
}.items():
    os.environ.setdefault(_name, _value)

try:
    import ray
    from ray.exceptions import RayError
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
except ModuleNotFoundError as exc:
    raise UsageError(
        "the ray runner needs the package ray, which is not installed",
        hint="Install it on every machine: pip install 'webtext[ray]'",
    ) from exc

T = TypeVar("T")
R = TypeVar("R")

_MAX_RETRIES = 3
_POLL_S = 1.0
_OBJECT_STORE_BYTES = 200 << 20
_NODE_PATIENCE_S = 120.0


class RayRunner:
    """Tasks of one CPU each on Ray; a context that ends the Ray that it has started.

    Args:
        data: The data folder; every machine of the cluster must see it.
        workers: CPUs of a Ray of this machine; a cluster has its own.
        address: Of the cluster, HOST:PORT; empty: RAY_ADDRESS, or a Ray of this machine.

    Raises:
        UsageError: a machine does not see the data folder.
        WebtextError: there is no cluster at the address.
    """

    is_remote = True

    def __init__(self, data: Path, workers: int, address: str = "") -> None:
        self._is_ours = not ray.is_initialized()
        if self._is_ours:
            _start(address or os.environ.get("RAY_ADDRESS", ""), workers)
        try:
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
                ).remote(self._cwd, Path.exists, probe): host
                for node, host in nodes.items()
            }
            done, late = ray.wait(list(looks), num_returns=len(looks), timeout=_NODE_PATIENCE_S)
            blind = [looks[each] for each in done if not _result(each)]
        finally:
            probe.unlink(missing_ok=True)
        if late:
            hosts = ", ".join(looks[each] for each in late)
            raise WebtextError(
                f"no worker starts on {hosts}",
                hint="See that webtext is installed there, in the same version of Python.",
            )
        if blind:
            raise UsageError(
                f"{', '.join(blind)} does not see the data folder {data.resolve()}",
                hint="Put it on a file system that all machines mount under the same path.",
            )


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
    try:
        ray.init(log_to_driver=False, logging_level=logging.ERROR, **options)
    except (ConnectionError, RuntimeError, ValueError) as exc:
        raise PassingError(
            f"there is no Ray at {address}: {exc}" if address else f"Ray does not start: {exc}",
            hint="See `ray status` on a machine of the cluster, and runner.address or RAY_ADDRESS.",
        ) from exc


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
    except RayError as exc:
        raise PassingError(
            f"a task was lost {_MAX_RETRIES + 1} times: {str(exc).strip().splitlines()[0]}",
            hint="Most often memory runs out, or machines do: see `ray status`. Run the same "
            "command again: finished shards are kept.",
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
