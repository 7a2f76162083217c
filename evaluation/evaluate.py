"""The stage checkpoint -> scores: each task's examples, and its figures beside the paper's."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

import pyarrow as pa

from corpus.benchmarks.files import NotAvailableError
from corpus.manifest import Manifest
from corpus.runtime import Progress, Runtime
from corpus.shards import num_rows, read_rows, shard_name
from corpus.stage import Inputs, StageWriter, reject
from evaluation.all_tasks import TASKS
from evaluation.examples import PREFIX, example_rows, examples_schema, read_examples
from evaluation.paper import PAPER_MODELS, paper_value
from evaluation.scoring.answer_log import AnswerLog
from evaluation.scoring.model_source import ModelSource, batch_tokens, open_answering
from evaluation.scoring.scorer import Scorer
from evaluation.settings import EvaluateConfig
from evaluation.task import NoExamplesError, Score, Subject, Task, Variant
from model.checkpoint import fastest_device
from model.settings import CHECKPOINT

STAGE: Final = "scores"
LIBRARIES: Final = ("webtext", "gigatoken", "torch")

SCORES: Final = pa.schema(
    [
        ("task", pa.string()),
        ("task_version", pa.int64()),  # raised by a change that makes other figures
        ("variant", pa.string()),
        ("is_nearest", pa.bool_()),  # to the paper's protocol, of the task's variants
        ("metric", pa.string()),
        ("value", pa.float64()),
        ("low", pa.float64()),  # of the 95 % bootstrap interval; null: too few examples to tell
        ("high", pa.float64()),
        ("num_examples", pa.int64()),
        ("num_tokens", pa.int64()),
        ("is_partial", pa.bool_()),  # only the first examples of the set were scored
        ("protocol", pa.string()),
        # null where the paper has no such figure
        *((f"paper_{model}", pa.float64()) for model in PAPER_MODELS),
    ]
)


@dataclass(frozen=True)
class ScoreRow:
    """One line of the score table, in the columns of SCORES."""

    task: str
    task_version: int
    variant: str
    is_nearest: bool
    metric: str
    value: float
    low: float | None
    high: float | None
    num_examples: int
    num_tokens: int
    is_partial: bool
    protocol: str
    paper_117M: float | None = None  # noqa: N815 (the paper's name of the model)
    paper_345M: float | None = None  # noqa: N815
    paper_762M: float | None = None  # noqa: N815
    paper_1542M: float | None = None  # noqa: N815


@dataclass(frozen=True)
class Measurement:
    """A task put to the model in one way."""

    task: Task
    variant: Variant
    stride: int | None
    """Tokens that a window of a long text scores; None where there is no long text."""
    is_nearest: bool

    @property
    def name(self) -> str:
        """The variant, with its stride if it has one."""
        return self.variant.name + ("" if self.stride is None else f", stride {self.stride}")

    @property
    def protocol(self) -> str:
        """The same in words."""
        return self.variant.description + self.name.removeprefix(self.variant.name)


def run(config: EvaluateConfig, inputs: Inputs, output: Path, runtime: Runtime) -> Manifest:
    """Score a model on each task, zero-shot.

    What comes in are the metrics that the tasks promise; what comes out are their scores. The
    metrics of a task whose texts are not there are rejected as `not_available`, with where to
    get them.

    Args:
        config: Tasks, protocols and how many examples.
        inputs: `run`, a run's folder, or `model`, a Hugging Face folder; `tokens`, whose val
            split it has not seen, and `benchmarks`, a folder of published files, if given.
        output: Receives `scores-00000.arrow`, a row per metric, and for each task whose texts
            are there `examples-NNNNN.arrow`, a row per example: a killed run goes on at the batch.
        runtime: Progress, and a cluster if there is one: here torch uses all cores by itself.

    Raises:
        WebtextError: the checkpoint or a benchmark file is damaged, or the model's vocabulary
            is not that of the tokens.
    """
    writer = StageWriter(STAGE, config, inputs, output)
    shard = shard_name("scores", 0)
    if not writer.is_done(shard):
        source = ModelSource(_model_folder(inputs), config.precision)
        model, tokenizer = source.load(fastest_device())
        rows: list[dict] = []
        rejects: list[dict] = []
        with open_answering(model, source, config.processes, runtime.runner) as answering:
            for index, measured in enumerate(plan(config, model.block_size)):
                log = AnswerLog(output / f".answers-{index:05}.jsonl")
                scorer = Scorer(
                    model.block_size,
                    tokenizer.end_of_text,
                    answering,
                    measured.stride,
                    batch_tokens(model, config.batch_tokens),
                    log,
                    _NamedProgress(runtime.progress, measured),
                )
                folders = inputs.get("tokens"), inputs.get("benchmarks")
                subject = Subject(scorer, tokenizer, *folders, config.max_examples)
                try:
                    examples = _examples(index, subject, measured, writer)
                    scores = measured.task.scores(examples, measured.protocol)
                    rows += [_row(measured, score, config) for score in scores]
                    rejects += _without_figure(measured, scores)
                except (NotAvailableError, NoExamplesError) as exc:
                    detail = f"{exc.message}. {exc.hint}"
                    for metric in measured.task.metrics:
                        key = _key(measured, metric.name)
                        rejects.append(reject(key, "not_available", detail))
                log.close()
        writer.write_rejects(0, rejects)
        writer.write(shard, rows, SCORES)
    return writer.finish(
        num_rows(output / shard) + num_rows(output / shard_name("rejects", 0)),
        num_out=num_rows(output / shard),
        libraries=LIBRARIES,
        figures=_figures(output),
    )


def plan(config: EvaluateConfig, block_size: int) -> Iterator[Measurement]:
    """What is measured, task by task, the nearest to the paper first."""
    strides = list(dict.fromkeys(min(stride, block_size) for stride in config.strides))
    for name in config.tasks:
        task = TASKS[name]
        for variant in task.variants if config.grid else task.variants[:1]:
            for stride in strides if task.is_rolling else [None]:
                is_nearest = variant is task.variants[0] and stride in (None, strides[0])
                yield Measurement(task, variant, stride, is_nearest)


def score_table(folder: Path) -> list[ScoreRow]:
    """The scores of one finished folder, in the order of its tasks.

    Raises:
        WebtextError: there is no such folder, or its shard is damaged.
    """
    known = {field.name for field in fields(ScoreRow)}
    rows = read_rows(folder / shard_name("scores", 0))
    return [ScoreRow(**{name: row[name] for name in row.keys() & known}) for row in rows]


def _model_folder(inputs: Inputs) -> Path:
    return inputs["run"] / CHECKPOINT if "run" in inputs else inputs["model"]


def _examples(index: int, subject: Subject, measured: Measurement, writer: StageWriter) -> pa.Table:
    """What was measured of each example, from its shard, now or before a kill."""
    shard = shard_name(PREFIX, index)
    if not writer.is_done(shard):
        rows = example_rows(measured.task, measured.name, measured.variant.measure(subject))
        writer.write(shard, rows, examples_schema(measured.task))
    return read_examples(writer.output / shard, measured.task)


def _without_figure(measured: Measurement, scores: list[Score]) -> Iterator[dict[str, str]]:
    """The metrics that none of the examples has a part in."""
    found = {score.metric for score in scores}
    for metric in measured.task.metrics:
        if metric.name not in found:
            detail = "none of the examples scored is of its kind"
            yield reject(_key(measured, metric.name), "no_examples", detail)


def _key(measured: Measurement, metric: str) -> str:
    variant = "" if measured.is_nearest else f" ({measured.name})"
    return f"{measured.task.name}.{metric}{variant}"


def _row(measured: Measurement, score: Score, config: EvaluateConfig) -> dict:
    task, metric = measured.task.name, score.metric
    return {
        "task": task,
        "task_version": measured.task.version,
        "variant": measured.name,
        "is_nearest": measured.is_nearest,
        "metric": metric,
        "value": _rounded(score.value),
        "low": None if score.low is None else _rounded(score.low),
        "high": None if score.high is None else _rounded(score.high),
        "num_examples": score.num_examples,
        "num_tokens": score.num_tokens,
        # It may be the whole of a small set: nobody looked.
        "is_partial": score.num_examples == config.max_examples,
        "protocol": score.description,
        **{
            f"paper_{model}": paper_value(task, metric, model, measured.variant.name)
            for model in PAPER_MODELS
        },
    }


def _rounded(value: float) -> float:
    """The last digits depend on how many threads torch shares its sums among."""
    return float(f"{value:.5g}")


def _figures(folder: Path) -> dict[str, int | float | str]:
    """The scores by name: `lambada_perplexity`; the held-out split's as the report knows them."""
    names = {"heldout_unigram_loss": "unigram_loss", "heldout_gain": "gain"}
    rows = (row for row in score_table(folder) if row.is_nearest)
    scores = {f"{row.task}_{row.metric}": row.value for row in rows}
    return {names.get(name, name): value for name, value in scores.items()}


class _NamedProgress:
    """Progress whose unit says what is measured."""

    def __init__(self, progress: Progress, measured: Measurement) -> None:
        self._progress = progress
        self._name = f"{measured.task.name}, {measured.name}"

    def start(self, total: int | None, unit: str) -> None:
        self._progress.start(total, f"{unit} of {self._name}")

    def advance(self, count: int = 1, note: str = "") -> None:
        self._progress.advance(count, note)

    def report(self, figures: Mapping[str, float]) -> None:
        self._progress.report(figures)
