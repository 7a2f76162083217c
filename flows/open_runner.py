"""The runner of the flow at work, opened by its first stage that has something to do."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from pathlib import Path

from corpus.runner import ProcessRunner, Runner, RunnerConfig


class _Runners:
    def __init__(self, config: RunnerConfig, stack: ExitStack) -> None:
        self._config = config
        self._stack = stack
        self._runner: Runner | None = None

    def get(self, data: Path, workers: int) -> Runner:
        if self._runner is None:
            self._runner = self._open(data, workers)
        return self._runner

    def _open(self, data: Path, workers: int) -> Runner:
        if self._config.kind == "process":
            return ProcessRunner()
        from corpus.ray_runner import RayRunner  # an extra, and seconds to import

        return self._stack.enter_context(RayRunner(data, workers, self._config.address))


_current: ContextVar[_Runners | None] = ContextVar("runners of a flow", default=None)


@contextmanager
def stage_runner(config: RunnerConfig) -> Iterator[None]:
    """Let the stages of the body be done by the runner of `config`, or of the flow around it."""
    if _current.get() is not None:
        yield
        return
    with ExitStack() as stack:
        token = _current.set(_Runners(config, stack))
        try:
            yield
        finally:
            _current.reset(token)


def current_runner(data: Path, workers: int) -> Runner:
    """Who does the tasks of a stage: what the flow's recipe says, or else this machine.

    Raises:
        UsageError: Ray is wanted and not installed, or a machine does not see the data folder.
        WebtextError: there is no cluster at the address.
    """
    runners = _current.get()
    return ProcessRunner() if runners is None else runners.get(data, workers)
