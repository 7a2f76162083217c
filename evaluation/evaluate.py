"""The stage checkpoint -> scores: each task's examples, and its figures beside the paper's."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa

from corpus.benchmarks.files import NotAvailableError
from corpus.errors import UsageError
from corpus.manifest import Manifest
from corpus.runtime import Runtime
from corpus.shards import num_rows, read_rows, shard_name
from corpus.stage import Inputs, StageWriter, reject
from evaluation.characters import ENWIK8, TEXT8
from evaluation.examples import EXAMPLES, PREFIX, example_rows, read_examples
from evaluation.heldout import HELDOUT
from evaluation.lambada import LAMBADA
from evaluation.lm1b import LM1B
from evaluation.paper import paper_value
from evaluation.ptb import PTB
from evaluation.scorer import Scorer
from evaluation.settings import EvaluateConfig, TaskName
from evaluation.task import NoExamplesError, Score, Subject, Task
from evaluation.wikitext import WIKITEXT2, WIKITEXT103
from evaluation.winograd import WINOGRAD
from model.checkpoint import Checkpoint, fastest_device, load_checkpoint
from model.settings import CHECKPOINT

STAGE: Final = "scores"
LIBRARIES: Final = ("webtext", "gigatoken", "torch")

TASKS: Final[dict[TaskName, Task]] = {
    "heldout": HELDOUT,
    "lambada": LAMBADA,
    "wikitext2": WIKITEXT2,
    "ptb": PTB,
    "enwik8": ENWIK8,
    "text8": TEXT8,
    "wikitext103": WIKITEXT103,
    "lm1b": LM1B,
    "wsc273": WINOGRAD,
}

SCORES: Final = pa.schema(
    [
        ("task", pa.string()),
        ("metric", pa.string()),
        ("value", pa.float64()),
        ("num_examples", pa.int64()),
        ("num_tokens", pa.int64()),
        ("protocol", pa.string()),
        ("paper_117M", pa.float64()),  # null where the paper has no such figure
        ("paper_1542M", pa.float64()),
    ]
)


@dataclass(frozen=True)
class ScoreRow:
    """One line of the score table."""

    task: str
    metric: str
    value: float
    num_examples: int
    num_tokens: int
    protocol: str
    paper_117M: float | None  # noqa: N815 (the paper's name of the model)
    paper_1542M: float | None  # noqa: N815


def run(config: EvaluateConfig, inputs: Inputs, output: Path, runtime: Runtime) -> Manifest:
    """Score a run's checkpoint on each task, zero-shot.

    What comes in are the metrics that the tasks promise; what comes out are their scores. The
    metrics of a task whose texts are not there are rejected as `not_available`, with where to
    get them.

    Args:
        config: Tasks, stride and how many examples.
        inputs: `run`, a run's folder; `tokens`, whose val split it has not seen; and, if given,
            `benchmarks`, a folder of published files.
        output: Receives `scores-00000.arrow`, a row per metric, and for each task whose texts
            are there `examples-NNNNN.arrow`, a row per example: a killed run goes on at the task.
        runtime: Progress only: torch uses all cores by itself.

    Raises:
        UsageError: the stride is longer than the model's block.
        WebtextError: the checkpoint or a benchmark file is damaged, or the model's vocabulary
            is not that of the tokens.
    """
    writer = StageWriter(STAGE, config, inputs, output)
    runtime.progress.start(len(config.tasks), "tasks")
    shard = shard_name("scores", 0)
    if not writer.is_done(shard):
        checkpoint = load_checkpoint(inputs["run"] / CHECKPOINT, fastest_device())
        rows: list[dict] = []
        rejects: list[dict] = []
        for index, name in enumerate(config.tasks):
            subject = _subject(checkpoint, name, config, inputs, runtime)
            try:
                examples = _examples(index, name, subject, writer)
                scores = TASKS[name].scores(examples, subject.scorer.stride)
                rows += [_row(name, score) for score in scores]
            except (NotAvailableError, NoExamplesError) as exc:
                detail = f"{exc.message}. {exc.hint}"
                rejects += [reject(f"{name}.{m}", "not_available", detail) for m in _metrics(name)]
            runtime.progress.advance(1, name)
        writer.write_rejects(0, rejects)
        writer.write(shard, rows, SCORES)
    num_metrics = sum(len(_metrics(name)) for name in config.tasks)
    return writer.finish(
        num_metrics,
        num_out=num_rows(output / shard),
        libraries=LIBRARIES,
        figures=_figures(output),
    )


def score_table(folder: Path) -> list[ScoreRow]:
    """The scores of one finished folder, in the order of its tasks.

    Raises:
        WebtextError: there is no such folder, or its shard is damaged.
    """
    return [ScoreRow(**row) for row in read_rows(folder / shard_name("scores", 0))]


def _examples(index: int, name: TaskName, subject: Subject, writer: StageWriter) -> pa.Table:
    """What the task measured of each example, from its shard, now or before a kill."""
    shard = shard_name(PREFIX, index)
    if not writer.is_done(shard):
        writer.write(shard, example_rows(name, TASKS[name].measure(subject)), EXAMPLES)
    return read_examples(writer.output / shard)


def _subject(
    checkpoint: Checkpoint, name: TaskName, config: EvaluateConfig, inputs: Inputs, runtime: Runtime
) -> Subject:
    def report(num_windows: int) -> None:
        runtime.progress.advance(0, f"{name}: {num_windows:,} windows")

    try:
        scorer = Scorer(checkpoint.model, checkpoint.tokenizer.end_of_text, config.stride, report)
    except ValueError as exc:
        raise UsageError(str(exc), hint="Lower evaluate.stride, or leave it out.") from exc
    return Subject(
        scorer,
        checkpoint.tokenizer,
        inputs["tokens"],
        inputs.get("benchmarks"),
        config.max_examples,
    )


def _metrics(name: TaskName) -> tuple[str, ...]:
    return tuple(metric.name for metric in TASKS[name].metrics)


def _row(task: TaskName, score: Score) -> dict:
    return {
        "task": task,
        "metric": score.metric,
        # The last digits depend on how many threads torch shares its sums among.
        "value": float(f"{score.value:.5g}"),
        "num_examples": score.num_examples,
        "num_tokens": score.num_tokens,
        "protocol": score.protocol,
        "paper_117M": paper_value(task, score.metric, "117M"),
        "paper_1542M": paper_value(task, score.metric, "1542M"),
    }


def _figures(folder: Path) -> dict[str, int | float | str]:
    """The scores by name: `lambada_perplexity`; the held-out split's as the report knows them."""
    names = {"heldout_unigram_loss": "unigram_loss", "heldout_gain": "gain"}
    scores = {f"{row.task}_{row.metric}": row.value for row in score_table(folder)}
    return {names.get(name, name): value for name, value in scores.items()}
