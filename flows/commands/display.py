"""What a person sees while stages run: a bar per stage on a terminal, plain lines elsewhere."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress as Bars,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column, Table
from rich.text import Text

from corpus.json_log import wants_json
from corpus.runtime import Progress
from flows.commands.json_display import JsonDisplay
from flows.commands.paced_lines import PacedLines


class Display(Protocol):
    """Shows the stages of one command."""

    def stage(self, name: str) -> Progress:
        """A stage begins; the result takes its progress."""
        ...

    def done(self, name: str, outcome: str) -> None:
        """A stage ended, now or in an earlier run."""
        ...

    def warn(self, name: str, problem: str) -> None:
        """Something went wrong although the stage went on."""
        ...

    def failed(self, name: str, problem: str) -> None:
        """A stage ended without success, and the command goes on."""
        ...


# A context variable, not a parameter: a flow's parameters are JSON in Prefect's records.
_CURRENT: ContextVar[Display | None] = ContextVar("display", default=None)


def current_display() -> Display:
    """The display of the command that is running; lines on stderr where there is none."""
    if (display := _CURRENT.get()) is not None:
        return display
    return JsonDisplay() if wants_json() else LineDisplay(Console(stderr=True))


@contextmanager
def open_display(console: Console) -> Iterator[None]:
    """Show stages on `console`: bars on a terminal, a line every ten seconds otherwise.

    Where WEBTEXT_LOG=json asks for it, as JSON lines on stderr instead.
    """
    if wants_json():
        with _as_current(JsonDisplay()):
            yield
        return
    if not console.is_terminal:
        with _as_current(LineDisplay(console)):
            yield
        return
    bars = Bars(
        SpinnerColumn(),
        TextColumn("{task.description:<9}"),
        BarColumn(bar_width=16),
        _CountColumn(_fixed()),
        _RateColumn(_fixed()),
        TimeElapsedColumn(_fixed()),
        _LeftColumn(table_column=_fixed()),
        # What does not fit is cut here: the figures before it are what one looks for.
        TextColumn(
            "[dim]{task.fields[note]}",
            table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis"),
        ),
        console=console,
        refresh_per_second=4,
        expand=True,
    )
    with bars, _as_current(BarDisplay(bars)):
        yield


def _fixed() -> Column:
    return Column(no_wrap=True)


@contextmanager
def _as_current(display: Display) -> Iterator[None]:
    token = _CURRENT.set(display)
    try:
        yield
    finally:
        _CURRENT.reset(token)


class BarDisplay:
    """A live bar for the stage at work; a line for each that is done."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._running: dict[str, TaskID] = {}

    def stage(self, name: str) -> Progress:
        """Add a bar."""
        self._running[name] = self._bars.add_task(name, total=None, note="", unit="")
        return _Bar(self._bars, self._running[name])

    def done(self, name: str, outcome: str) -> None:
        """Replace the stage's bar by a line that says what came of it."""
        self._remove(name)
        row = Table.grid(padding=(0, 1))
        row.add_column(width=11, no_wrap=True)
        row.add_row(Text.assemble(("✓", "green"), f" {name}"), Text(outcome))
        self._bars.console.print(row, highlight=False)

    def warn(self, name: str, problem: str) -> None:
        """Say it, for as long as the terminal scrolls."""
        row = Table.grid(padding=(0, 1))
        row.add_column(width=11, no_wrap=True)
        row.add_row(Text(f"! {name}", "yellow"), Text(problem))
        self._bars.console.print(row, highlight=False)

    def failed(self, name: str, problem: str) -> None:
        """Replace the stage's bar by what went wrong."""
        self._remove(name)
        self.warn(name, problem)

    def _remove(self, name: str) -> None:
        if name in self._running:
            self._bars.remove_task(self._running.pop(name))


class _Bar:
    def __init__(self, bars: Bars, task_id: TaskID) -> None:
        self._bars = bars
        self._task_id = task_id

    def start(self, total: int | None, unit: str) -> None:
        self._bars.reset(self._task_id, total=total)
        self._bars.update(self._task_id, unit=unit)

    def advance(self, count: int = 1, note: str = "") -> None:
        self._bars.advance(self._task_id, count)
        if note:
            self._bars.update(self._task_id, note=note)

    def report(self, figures: Mapping[str, float]) -> None:
        pass


class _CountColumn(ProgressColumn):
    """`812/1,200 pages`."""

    def render(self, task: Task) -> Text:
        unit = task.fields["unit"]
        if not unit:
            return Text("")
        total = f"/{task.total:,.0f}" if task.total is not None else ""
        return Text(f"{task.completed:,.0f}{total} {unit}")


class _RateColumn(ProgressColumn):
    """`95/s`."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f}/s" if speed and task.fields["unit"] else "", style="cyan")


class _LeftColumn(TimeRemainingColumn):
    """`0:00:04 left`, and nothing once the stage is done."""

    def render(self, task: Task) -> Text:
        if task.finished or task.total is None:
            return Text("")
        return super().render(task) + Text(" left")


class LineDisplay:
    """Log lines: the start, every ten seconds, the end."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def stage(self, name: str) -> Progress:
        """Nothing to say yet."""
        return _Lines(self._console, name)

    def done(self, name: str, outcome: str) -> None:
        """Say what came of it."""
        self._console.print(f"{name}: {outcome}", highlight=False, soft_wrap=True)

    def warn(self, name: str, problem: str) -> None:
        """Say it."""
        self._console.print(f"{name}: ! {problem}", highlight=False, soft_wrap=True, markup=False)

    def failed(self, name: str, problem: str) -> None:
        """Say it."""
        self.warn(name, problem)


class _Lines(PacedLines):
    def __init__(self, console: Console, name: str) -> None:
        super().__init__(name)
        self._console = console

    def _say(self, rate: float, note: str) -> None:
        left = ""
        if self._total is not None and rate > 0:
            left = f", {max(self._total - self._done, 0) / rate:.0f} s left"
        total = f"/{self._total:,}" if self._total is not None else ""
        self._console.print(
            f"{self._name}: {self._done:,}{total} {self._unit}, {rate:,.1f}/s{left}"
            + (f", {note}" if note else ""),
            highlight=False,
            soft_wrap=True,
        )
