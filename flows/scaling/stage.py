"""Stage "scaling": train and held-out perplexity of each run of a family, and the lines through.

The paper's figure 4. Sizes are counted without embeddings: in tiny models the vocabulary is most of
all parameters, and only without it do sizes of different depth lie on one line (Kaplan et al. 2020,
figure 6). The count with embeddings, which the paper gives, stands beside it.
"""

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
import orjson

from corpus.atomic import write_bytes
from corpus.errors import WebtextError
from corpus.manifest import Manifest, read_manifest
from corpus.runtime import Runtime
from corpus.stage import Inputs, StageWriter
from corpus.tokens.splits import SPLITS, Split
from corpus.tokens.windows import TokenWindows
from evaluation.scoring.language_model import GPT2LanguageModel
from evaluation.scoring.scorer import Scorer, answer_here
from flows.scaling.fit import PowerLaw, fit_power_law
from flows.settings import ScalingConfig
from model.checkpoint import fastest_device, load_checkpoint
from model.gpt2 import GPT2
from model.settings import CHECKPOINT, RunConfig, TrainConfig

STAGE: Final = "scaling"
LIBRARIES: Final = ("webtext", "torch")
RESULT: Final = "scaling.json"

_Rows = dict[Split, np.ndarray]
"""The windows of each split that are scored, (num_windows, block_size + 1)."""


@dataclass(frozen=True)
class SizeRow:
    """One size: a point of each line."""

    run: str
    """The run's id."""
    n_layer: int
    n_head: int
    n_embd: int
    lr: float
    num_parameters: int
    """Without the embeddings of tokens and positions: the blocks and the last layer norm."""
    num_parameters_with_embeddings: int
    perplexity: dict[Split, float]
    """Per token: "train", of windows that the run was trained on, and "val", of held-out ones."""


@dataclass(frozen=True)
class Scaling:
    """What `scaling.json` holds."""

    rows: list[SizeRow]
    """Smallest first."""
    fits: dict[Split, PowerLaw]
    num_windows: dict[Split, int]
    """Windows that each perplexity is of."""
    block_size: int
    num_tokens_seen: int
    """Tokens that each size was trained on, repeats included."""
    num_train_tokens: int
    """Tokens of the training split."""


def run(config: ScalingConfig, inputs: Inputs, output: Path, runtime: Runtime) -> Manifest:
    """Measure each run on the same windows, and fit both lines.

    Args:
        config: The recipe's `[scaling]`.
        inputs: `run-0`, `run-1`, ...: runs of one block size and one `[train]`, but for its rates,
            on `tokens`.
        output: Receives `scaling.json`.
        runtime: Where to report.

    Raises:
        WebtextError: a checkpoint or a shard is damaged, or a split has no window.
    """
    writer = StageWriter(STAGE, config, inputs, output)
    runs = [path for role, path in sorted(inputs.items()) if role.startswith("run-")]
    runtime.progress.start(len(runs), "sizes")
    settings = RunConfig.model_validate(read_manifest(runs[0]).config)
    block_size, train = settings.model.block_size, settings.train
    windows: dict[Split, TokenWindows] = {
        split: TokenWindows(inputs["tokens"], split, block_size) for split in SPLITS
    }
    chosen = _choose(windows, train, config.eval_windows)
    rows = []
    for path in runs:
        rows.append(_measure(path, chosen))
        runtime.progress.advance(note=f"held-out perplexity {rows[-1].perplexity['val']:.1f}")
    rows.sort(key=lambda row: row.num_parameters)
    scaling = Scaling(
        rows=rows,
        fits={split: _fit(rows, split) for split in SPLITS},
        num_windows={split: len(each) for split, each in chosen.items()},
        block_size=block_size,
        num_tokens_seen=train.steps * train.batch_size * block_size,
        num_train_tokens=windows["train"].num_tokens,
    )
    write_bytes(output / RESULT, orjson.dumps(asdict(scaling), option=orjson.OPT_INDENT_2))
    return writer.finish(
        len(rows), num_out=len(rows), libraries=LIBRARIES, figures=_figures(scaling)
    )


def read_scaling(folder: Path) -> Scaling:
    """The result that lies in a finished folder."""
    content = orjson.loads((folder / RESULT).read_bytes())
    rows = [SizeRow(**row) for row in content.pop("rows")]
    fits = {split: PowerLaw(**fit) for split, fit in content.pop("fits").items()}
    return Scaling(rows=rows, fits=fits, **content)


def _choose(windows: dict[Split, TokenWindows], train: TrainConfig, wanted: int) -> _Rows:
    """The windows to score: evenly over what the runs saw first, and over the held-out split.

    Of the training split only what they were trained on: a small budget sees a part of it, and the
    rest is held-out text of familiar sites.
    """
    for split, each in windows.items():
        if not len(each):
            raise WebtextError(
                f"the {split} split has {each.num_tokens} tokens, too few for one window of "
                f"{each.block_size + 1}",
                hint="Give the corpus more documents, or lower model.block_size.",
            )
    num_windows = len(windows["train"])
    order, batch_size = train.order(num_windows), train.batch_size
    places = _spread(min(train.steps * batch_size, num_windows), wanted)
    seen = [order.batch(place // batch_size, batch_size)[place % batch_size] for place in places]
    held_out = _spread(len(windows["val"]), wanted)
    return {"train": windows["train"].read(seen), "val": windows["val"].read(held_out)}


def _spread(total: int, wanted: int) -> list[int]:
    """At most so many of range(total), evenly over it."""
    return [i * total // wanted for i in range(wanted)] if total > wanted else list(range(total))


def _measure(path: Path, chosen: _Rows) -> SizeRow:
    checkpoint = load_checkpoint(path / CHECKPOINT, fastest_device())
    model = checkpoint.model
    answering = answer_here(GPT2LanguageModel(model))
    scorer = Scorer(model.config.block_size, checkpoint.tokenizer.end_of_text, answering)
    shape = RunConfig.model_validate(read_manifest(path).config)
    return SizeRow(
        run=path.name,
        **shape.model.model_dump(include={"n_layer", "n_head", "n_embd"}),
        lr=shape.train.lr,
        num_parameters=num_parameters_without_embeddings(model),
        num_parameters_with_embeddings=model.config.num_parameters,
        perplexity={split: _perplexity(scorer, rows) for split, rows in chosen.items()},
    )


def num_parameters_without_embeddings(model: GPT2) -> int:
    """Trainable numbers but for the embeddings of tokens (the output layer too) and positions."""
    parts = (*model.h, model.ln_f)
    return sum(parameter.numel() for part in parts for parameter in part.parameters())


def _perplexity(scorer: Scorer, rows: np.ndarray) -> float:
    num_scored = rows.shape[1] - 1
    scores = scorer.loglikelihood((row[:1], row[1:]) for row in rows)
    nats = -math.fsum(score.logprob for score in scores)
    # The last digits depend on how many threads torch shares its sums among.
    return float(f"{math.exp(nats / (len(rows) * num_scored)):.5g}")


def _fit(rows: list[SizeRow], split: Split) -> PowerLaw:
    return fit_power_law(
        [row.num_parameters for row in rows], [row.perplexity[split] for row in rows]
    )


def _figures(scaling: Scaling) -> dict[str, int | float | str]:
    figures: dict[str, int | float | str] = {}
    for split, fit in scaling.fits.items():
        figures[f"{split}_slope"] = fit.slope
        figures[f"{split}_r_squared"] = fit.r_squared
    return figures
