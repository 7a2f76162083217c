"""How a command ends, told on stderr: to a person, or as JSON lines."""

from rich.console import Console

from corpus.json_log import write_json
from flows.commands import options

STOPPED = 130  # what typer exits with after Ctrl-C
_STOPPED = "Stopped. Run the same command again: it goes on where it was."


class TextOutcome:
    """For a person: what was printed is on the screen already."""

    def __init__(self) -> None:
        self._errors = Console(stderr=True, highlight=False, soft_wrap=True)

    def ended(self, exit_code: int) -> None:
        """The command came to its end, or was stopped."""
        if exit_code == STOPPED:
            self._errors.print(_STOPPED)

    def failed(self, problem: str, remedy: str, exit_code: int) -> None:
        """The command failed."""
        self._errors.print(f"Error: {problem}", style="red", markup=False)
        self._errors.print(f"  {remedy}", markup=False)


class JsonOutcome:
    """For a program: one line, in which is also what the command printed on stdout."""

    def __init__(self) -> None:
        options.console.record = True

    def ended(self, exit_code: int) -> None:
        """The command came to its end, or was stopped."""
        printed = options.console.export_text().strip()
        message = _STOPPED if exit_code == STOPPED else printed
        level = "info" if exit_code == 0 else "error"
        write_json(level, message, event="result", exit_code=exit_code)

    def failed(self, problem: str, remedy: str, exit_code: int) -> None:
        """The command failed."""
        write_json("error", problem, hint=remedy, event="result", exit_code=exit_code)
