"""What a training goes on from: the folders `checkpoints/step-00000250/` of its run, read.

A folder is that of a Hugging Face model, with the optimizer's state and `training.json` beside it.
It gets its name last, so one with its name is complete.
"""

import re
import shutil
from pathlib import Path

import orjson
from pydantic import ConfigDict, ValidationError
from torch import Tensor

from corpus.errors import WebtextError
from corpus.settings import Section
from corpus.stage import describe_input
from corpus.storage.hard_links import link_file
from model.checkpoint import load_weights
from model.settings import CHECKPOINT, RunConfig
from model.tensor_file import read_tensors
from model.training.whole_folders import put_in_place

RUN_CHECKPOINTS = "checkpoints"
"""The folder below a run's that holds one folder per checkpoint."""

STATE = "training.json"

_STEP_FOLDER = re.compile(r"step-(\d{8,})")
_OPTIMIZER_FILE = re.compile(r"optimizer-(\d{5})-of-(\d{5})\.safetensors")


class TrainingState(Section):
    """A training between two steps, but for its tensors.

    There is no generator's state and no place in an order: dropout is seeded by (seed, step, rank)
    and the windows of a step follow from (seed, step), whatever the number of processes
    (`corpus.tokens.order`). So `step` and `seed` are all that randomness and order need.
    """

    # JSON has no infinity; the guard's memory may.
    model_config = ConfigDict(ser_json_inf_nan="strings")

    step: int
    """Optimizer steps done."""

    seed: int
    """`train.seed`."""

    world_size: int
    """Processes that trained up to here; any number may go on."""

    corpus: str
    """Hash of the tokens stage."""

    config: dict[str, object]
    """`run_identity()`: what decides the weights beside the corpus."""

    guard: dict[str, list[float]]
    """What the spike guard remembers of the last steps."""

    versions: dict[str, str]
    """Of the libraries that shape the weights' last bits."""

    def to_json(self) -> bytes:
        """The content of `training.json`: the same bytes for the same state."""
        plain = orjson.loads(self.model_dump_json())
        return orjson.dumps(plain, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2)


def run_identity(config: RunConfig, weights: Path | None) -> dict[str, object]:
    """What decides a run's weights beside its corpus, as its checkpoints say it."""
    start = None if weights is None else describe_input(weights).hash
    return orjson.loads(orjson.dumps({**config.identity(), "weights": start}))


def step_folder(checkpoints: Path, step: int) -> Path:
    """Where the checkpoint after `step` lies."""
    return checkpoints / f"step-{step:08d}"


def optimizer_file(rank: int, world_size: int) -> str:
    """The name of the file with one rank's share of the optimizer's state."""
    return f"optimizer-{rank:05d}-of-{world_size:05d}.safetensors"


def complete_steps(checkpoints: Path) -> list[int]:
    """The steps whose checkpoints are complete, in order."""
    if not checkpoints.is_dir():
        return []
    matches = [_STEP_FOLDER.fullmatch(path.name) for path in checkpoints.iterdir()]
    return sorted(int(match[1]) for match in matches if match)


def newest(output: Path) -> Path | None:
    """The complete checkpoint of the run `output` with the highest step; None before the first."""
    checkpoints = output / RUN_CHECKPOINTS
    steps = complete_steps(checkpoints)
    return step_folder(checkpoints, steps[-1]) if steps else None


def read_state(folder: Path) -> TrainingState:
    """The state in a checkpoint.

    Raises:
        WebtextError: `training.json` is missing or damaged.
    """
    try:
        return TrainingState.model_validate_json((folder / STATE).read_bytes())
    except OSError as exc:
        raise _damaged(folder, f"{STATE}: {exc.strerror}") from exc
    except ValidationError as exc:
        raise _damaged(folder, f"{STATE}: {exc.errors()[0]['msg']}") from exc


def read_weights(folder: Path) -> dict[str, Tensor]:
    """The weights in a checkpoint, named and shaped as in our model's state dict.

    Raises:
        WebtextError: a file is missing or damaged.
    """
    try:
        return load_weights(folder)
    except WebtextError as exc:
        raise _damaged(folder, exc.message) from exc


def read_optimizer(folder: Path) -> dict[str, Tensor]:
    """The optimizer's whole state: the shares of all ranks that wrote it, however many.

    Raises:
        WebtextError: a file is missing or damaged.
    """
    names = sorted(path.name for path in folder.glob("optimizer-*"))
    matches = [match for match in map(_OPTIMIZER_FILE.fullmatch, names) if match]
    world_size = int(matches[0][2]) if matches else 1
    tensors: dict[str, Tensor] = {}
    for rank in range(world_size):
        name = optimizer_file(rank, world_size)
        try:
            tensors |= read_tensors(folder / name)
        except WebtextError as exc:
            raise _damaged(folder, exc.message) from exc
    return tensors


def link_final(output: Path) -> None:
    """Make `checkpoint/` of the run `output`: the newest checkpoint's model, without a second copy.

    An earlier `checkpoint/` gives way to it as a whole. Between the two renames there is none for
    a moment: where a kill falls into it, the next call makes it again.

    Raises:
        WebtextError: there is no checkpoint, or no room for a copy where links are unknown.
    """
    source = newest(output)
    if source is None:
        raise WebtextError(
            f"{output / RUN_CHECKPOINTS} holds no complete checkpoint",
            hint="Run the training again; it goes on where it stopped.",
        )
    temporary = output / f".{CHECKPOINT}.tmp"
    shutil.rmtree(temporary, ignore_errors=True)  # of a killed run
    for path in sorted(source.iterdir()):
        if path.name != STATE and not _OPTIMIZER_FILE.fullmatch(path.name):
            link_file(path, temporary / path.name)
    put_in_place(temporary, output / CHECKPOINT)


def _damaged(folder: Path, reason: str) -> WebtextError:
    return WebtextError(
        f"the checkpoint {folder} is damaged: {reason}",
        hint="Remove that folder and run the same command again: the training goes on from the "
        "checkpoint before it, or from the beginning.",
    )
