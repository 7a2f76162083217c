"""What a model has answered so far, in a file: an evaluation that is killed asks nothing twice."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import orjson

from evaluation.scoring.requests import Answer, WindowScore


class AnswerLog:
    """Answers by the number of their request, appended a batch at a time.

    Requests are counted in the order in which a task makes them, which never changes. A line that
    a kill cut short, which can only be the last one, is asked for again.

    Args:
        path: The file; its folder is there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._answers = _read(path)

    def known(self, first: int, count: int) -> dict[int, Answer]:
        """The answers that were given to `count` requests from number `first` on."""
        numbers = range(first, first + count)
        return {number: self._answers[number] for number in numbers if number in self._answers}

    def add(self, answers: Mapping[int, Answer]) -> None:
        """Keep the answers of a batch: all of them or, after a kill, none."""
        line = [[number, _to_json(answer)] for number, answer in answers.items()]
        with self._path.open("ab") as file:
            # After a line that was cut short this one would be lost with it.
            file.write(b"\n" + orjson.dumps(line, option=orjson.OPT_SERIALIZE_NUMPY))

    def close(self) -> None:
        """All is measured and kept elsewhere."""
        self._path.unlink(missing_ok=True)


def _read(path: Path) -> dict[int, Answer]:
    answers: dict[int, Answer] = {}
    lines = path.read_bytes().split(b"\n") if path.exists() else []
    for line in lines:
        try:
            batch = orjson.loads(line)
        except orjson.JSONDecodeError:
            continue
        answers.update((number, _from_json(value)) for number, value in batch)
    return answers


def _to_json(answer: Answer) -> dict | list:
    if isinstance(answer, WindowScore):
        return vars(answer)
    return [_to_json(each) if isinstance(each, WindowScore) else each for each in answer]


def _from_json(value: dict | list) -> Answer:
    if isinstance(value, dict):
        return _score(value)
    if value and isinstance(value[0], dict):
        return [_score(each) for each in value]
    return value


def _score(value: Mapping[str, list]) -> WindowScore:
    logprobs, greedy = np.array(value["logprobs"], float), np.array(value["greedy"], bool)
    return WindowScore(logprobs, greedy, tuple(value["top"]))
