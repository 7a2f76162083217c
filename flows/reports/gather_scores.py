"""One evaluation as people read it: the model, its scores beside the paper's, what is missing."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from corpus.manifest import Manifest, is_finished, is_withdrawn, read_manifest
from corpus.shards import read_rows, shard_name
from evaluation.evaluate import ScoreRow, score_table
from evaluation.paper import PAPER_MODELS, PaperModel
from flows.corpora.summary import corpus_hash, show_number, source_of
from model.hugging_face.config import CONFIG, is_gpt2, read_config
from model.settings import CHECKPOINT

PAPER_PARAMETERS: Final[dict[PaperModel, float]] = {
    "117M": 124.4e6,
    "345M": 354.8e6,
    "762M": 774.0e6,
    "1542M": 1557.6e6,
}
"""What the released weights have, positions included; the paper's names count fewer."""

_LOWER_IS_BETTER: Final = ("perplexity", "bits_per_byte", "bits_per_character")
_BASELINES: Final = ("unigram_loss", "most_common_percent")


@dataclass(frozen=True)
class Missing:
    """Figures that could not be measured, all for one reason."""

    keys: list[str]
    """`lambada.accuracy_percent`, `ptb.word_perplexity (raw)`."""
    detail: str
    """Why, and what to do: where to get the file."""

    @property
    def tasks(self) -> list[str]:
        """Their tasks, each once."""
        return list(dict.fromkeys(key.partition(".")[0] for key in self.keys))


@dataclass(frozen=True)
class Evaluation:
    """A finished scores folder."""

    folder: Path
    manifest: Manifest
    model: str
    """A run's id, a folder's name, or the hub's name."""
    num_parameters: int | None
    """None: the weights are not where they were, or not in a format that tells."""
    corpus: str | None
    """The hash of the corpus whose held-out split was scored; None: none was named."""
    rows: list[ScoreRow]
    missing: list[Missing]

    @property
    def nearest(self) -> PaperModel:
        """The paper's model to compare with."""
        return nearest_paper_model(self.num_parameters)

    @property
    def is_partial(self) -> bool:
        """Whether of some task only the first examples were scored."""
        return any(row.is_partial for row in self.rows)


def gather_scores(folder: Path) -> Evaluation:
    """Read a finished scores folder.

    Raises:
        WebtextError: it is not finished, or damaged.
    """
    manifest = read_manifest(folder)
    tokens = source_of(folder, "tokens") if "tokens" in manifest.inputs else None
    is_there = tokens is not None and (is_finished(tokens) or is_withdrawn(tokens))
    return Evaluation(
        folder=folder,
        manifest=manifest,
        model=_name(manifest),
        num_parameters=_count_parameters(_weights(folder, manifest)),
        corpus=corpus_hash(tokens) if is_there and tokens else None,
        rows=score_table(folder),
        missing=_missing(folder),
    )


def nearest_paper_model(num_parameters: int | None) -> PaperModel:
    """The paper's model that is nearest in size, by ratio; of an unknown size the smallest."""
    if not num_parameters:
        return PAPER_MODELS[0]
    return min(
        PAPER_MODELS, key=lambda name: abs(math.log(PAPER_PARAMETERS[name] / num_parameters))
    )


def paper_figure(row: ScoreRow, model: PaperModel) -> float | None:
    """What the paper reports of `model` for this row."""
    return getattr(row, f"paper_{model}")


def difference(row: ScoreRow, model: PaperModel) -> float | None:
    """Ours minus the paper's."""
    paper = paper_figure(row, model)
    return None if paper is None else row.value - paper


def show_signed(value: float | None) -> str:
    """`+1.20`, `-3.4e+08`; empty for None."""
    return "" if value is None else ("-" if value < 0 else "+") + show_number(abs(value))


def by_figure(rows: Sequence[ScoreRow]) -> list[list[ScoreRow]]:
    """The rows of each figure together, the nearest to the paper first, in the table's order."""
    groups: dict[tuple[str, str], list[ScoreRow]] = {}
    for row in sorted(rows, key=lambda row: not row.is_nearest):
        groups.setdefault((row.task, row.metric), []).append(row)
    tasks = list(dict.fromkeys(row.task for row in rows))
    return sorted(groups.values(), key=lambda group: tasks.index(group[0].task))


def is_lower_better(metric: str) -> bool | None:
    """Which way is better; None of a baseline, which does not depend on the model."""
    if metric in _BASELINES:
        return None
    return metric == "loss" or metric.endswith(_LOWER_IS_BETTER)


def _name(manifest: Manifest) -> str:
    if "run" in manifest.inputs:
        return Path(manifest.inputs["run"].path).name
    path = Path(manifest.inputs["model"].path)
    # The hub's cache: models--OWNER--NAME/snapshots/COMMIT.
    hub = next((part for part in path.parts if part.startswith("models--")), None)
    return path.name if hub is None else hub.removeprefix("models--").replace("--", "/")


def _weights(folder: Path, manifest: Manifest) -> Path:
    if "run" in manifest.inputs:
        return source_of(folder, "run") / CHECKPOINT
    return Path(manifest.inputs["model"].path)


def _count_parameters(weights: Path) -> int | None:
    if not (weights / CONFIG).is_file():
        return None
    if is_gpt2(weights):
        return read_config(weights)[0].num_parameters
    from safetensors import safe_open  # brings torch, which a report of our own runs does not need

    count = 0
    for path in sorted(weights.glob("*.safetensors")):
        with safe_open(path, "np") as tensors:
            names = tensors.keys()
            count += sum(math.prod(tensors.get_slice(name).get_shape()) for name in names)
    return count or None


def _missing(folder: Path) -> list[Missing]:
    found: dict[str, list[str]] = {}
    for row in read_rows(folder / shard_name("rejects", 0)):
        found.setdefault(row["detail"], []).append(row["key"])
    return [Missing(keys, detail) for detail, keys in found.items()]
