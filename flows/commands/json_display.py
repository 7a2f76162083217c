"""The stages of a command as JSON lines on stderr: for who collects logs, not for people."""

from corpus.json_log import write_json
from corpus.runtime import Progress
from flows.commands.paced_lines import PacedLines


class JsonDisplay:
    """A line when a stage begins, every ten seconds, and when it ends."""

    def stage(self, name: str) -> Progress:
        """Say that it begins."""
        write_json("info", "begins", stage=name, event="started")
        return _JsonProgress(name)

    def done(self, name: str, outcome: str) -> None:
        """Say what came of it."""
        write_json("info", outcome, stage=name, event="done")

    def warn(self, name: str, problem: str) -> None:
        """Say it."""
        write_json("warning", problem, stage=name)

    def failed(self, name: str, problem: str) -> None:
        """Say it."""
        write_json("error", problem, stage=name, event="failed")


class _JsonProgress(PacedLines):
    def _say(self, rate: float, note: str) -> None:
        write_json(
            "info",
            note or "at work",
            stage=self._name,
            event="progress",
            done=self._done,
            total=self._total,
            unit=self._unit,
            rate_per_s=round(rate, 3),
        )
