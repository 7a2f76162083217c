"""A training that leaves out further steps begins where it parts from the one that read them.

After a loss spike one trains again with `train.skipped_steps`. Up to the first of those steps the
two runs are one, bit for bit, so the second takes the other's newest checkpoint from before.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import orjson

from corpus.atomic import write_bytes
from corpus.errors import WebtextError
from corpus.metrics import METRICS, read_metrics
from corpus.storage.hard_links import link_file
from model.settings import SkippedSteps
from model.training.training_state import RUN_CHECKPOINTS, STATE, newest, read_state
from model.training.whole_folders import put_in_place

_ALL = 2**63


def adopt_steps(corpus: str, config: dict[str, object], output: Path) -> int:
    """Give a run folder without a checkpoint the newest that a run beside it can lend.

    That run is the same but for the steps that it leaves out.

    Args:
        corpus: Of the run that begins, as its `TrainingState` will say it.
        config: Likewise.
        output: Its folder; the others lie beside it.

    Returns:
        The steps that it need not take; 0 where there is nothing to take over.
    """
    if newest(output) is not None:
        return 0
    found = max(_candidates(corpus, config, output), default=None)
    if found is None:
        return 0
    step, folder = found
    metrics = [line for line in read_metrics(folder.parents[1]) if line["step"] <= step]
    write_bytes(output / METRICS, b"".join(orjson.dumps(line) + b"\n" for line in metrics))
    temporary = output / RUN_CHECKPOINTS / f".{folder.name}.adopted"
    shutil.rmtree(temporary, ignore_errors=True)  # of a killed run
    for path in folder.iterdir():
        if path.name != STATE:
            link_file(path, temporary / path.name)
    state = read_state(folder).model_copy(update={"config": config})
    write_bytes(temporary / STATE, state.to_json())
    put_in_place(temporary, output / RUN_CHECKPOINTS / folder.name)
    return step


def _candidates(corpus: str, config: dict[str, object], output: Path) -> Iterator[tuple[int, Path]]:
    """Checkpoints of runs that leave out other steps, with theirs, from before the runs part."""
    alike, skipped = _without_skips(config)
    for folder in output.parent.glob(f"*/{RUN_CHECKPOINTS}/step-*"):
        try:
            state = read_state(folder)
        except WebtextError:  # damaged, which is that run's affair
            continue
        theirs, their_skipped = _without_skips(state.config)
        is_alike = state.corpus == corpus and theirs == alike and their_skipped != skipped
        if is_alike and state.step <= steps_in_common(their_skipped, skipped):
            yield state.step, folder


def _without_skips(config: dict[str, object]) -> tuple[dict[str, object], SkippedSteps]:
    """A run's config but for the steps that it leaves out, and those."""
    sections: dict[str, dict] = orjson.loads(orjson.dumps(config))
    skipped = sections.get("train", {}).pop("skipped_steps", [])
    return dict(sections), tuple((first, last) for first, last in skipped)


def steps_in_common(one: SkippedSteps, other: SkippedSteps) -> int:
    """How many steps two runs take alike that leave out different ranges; all: a huge number."""
    num_skipped = 0
    for (first, last), (other_first, other_last) in zip(one, other, strict=False):
        if (first, last) != (other_first, other_last):
            return min(first, other_first) - 1 - num_skipped
        num_skipped += last - first
    rest = [*one[len(other) :], *other[len(one) :]]
    return rest[0][0] - 1 - num_skipped if rest else _ALL
