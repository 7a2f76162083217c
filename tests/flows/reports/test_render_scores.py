"""The page, table and JSON of an evaluation say what was measured; the examples give it again."""

import re
from collections import defaultdict
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import orjson
import pyarrow as pa
import pytest
import torch

from corpus.runtime import Runtime
from evaluation.all_tasks import TASKS
from evaluation.evaluate import STAGE, run
from evaluation.examples import examples_schema
from evaluation.settings import EvaluateConfig, TaskName
from flows.reports.compare_scores import compare_scores
from flows.reports.gather_scores import gather_scores, is_lower_better, nearest_paper_model
from flows.reports.render_scores import render_scores
from model.settings import ModelConfig, RunConfig
from tests.flows.small_runs import write_run, write_word_tokens

SCORED: tuple[TaskName, ...] = ("heldout", "lambada", "wsc273", "nq_open")
ABSENT: tuple[TaskName, ...] = ("cbt_cn",)
LIMIT = 3


@pytest.fixture(scope="module")
def folders(benchmarks: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The scores of a model that guesses and of one that finds all words alike."""
    torch.set_num_threads(1)
    data = tmp_path_factory.mktemp("scored") / "data"
    tokens = write_word_tokens(data)
    config = EvaluateConfig(tasks=SCORED + ABSENT, max_examples=LIMIT)
    shape = RunConfig(model=ModelConfig(block_size=1024, n_layer=1, n_head=1, n_embd=8))
    for name, is_blank in (("guess", False), ("blank", True)):
        write_run(data / "runs" / name, tokens, shape, is_blank=is_blank)
        inputs = {"run": data / "runs" / name, "tokens": tokens, "benchmarks": benchmarks}
        run(config, inputs, data / STAGE / name, Runtime())
    return [data / STAGE / name for name in ("guess", "blank")]


@pytest.fixture(scope="module")
def scores(folders: list[Path]) -> Path:
    render_scores(folders[0])
    return folders[0]


@pytest.fixture(scope="module")
def page(scores: Path) -> str:
    return (scores / "report.html").read_text()


class Balance(HTMLParser):
    """Tags that are open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_whole_and_needs_no_other_file(page: str):
    balance = Balance()
    balance.feed(page)
    assert balance.open == []
    assert not re.search(r"<script|<img|<link|src=", page)


def test_each_figure_is_on_the_page_with_its_protocol_and_the_paper_s(scores, page: str):
    text = unescape(page)
    for row in gather_scores(scores).rows:
        assert row.metric in text
        assert row.protocol in text
    assert "45.99" in text  # LAMBADA's accuracy of the paper's 117M
    assert "52.66" in text  # and of its 1542M without the stop-word filter


def test_partial_figures_are_marked_everywhere(scores, page: str):
    assert "<b>Partial</b>" in page
    assert "only the first examples" in (scores / "scores.md").read_text()
    document = orjson.loads((scores / "scores.json").read_bytes())
    assert document["is_partial"]
    assert all(row["is_partial"] for row in document["scores"] if row["num_examples"] == LIMIT)


def test_a_missing_set_is_named_with_where_to_get_it(scores, page: str):
    [missing] = gather_scores(scores).missing
    assert missing.tasks == list(ABSENT)
    assert missing.detail in unescape(page)
    assert missing.detail in (scores / "scores.md").read_text()
    document = orjson.loads((scores / "scores.json").read_bytes())
    assert document["missing"] == [{"keys": missing.keys, "detail": missing.detail}]
    assert "http" in missing.detail


def test_the_figures_can_be_computed_again_from_the_examples(scores):
    rows = defaultdict(list)
    for line in (scores / "examples.jsonl").read_bytes().splitlines():
        row = orjson.loads(line)
        rows[row["task"], row["variant"]].append(row)
    found = {}
    for (name, variant), examples in rows.items():
        task = next(task for task in TASKS.values() if task.name == name)
        table = pa.Table.from_pylist(examples, examples_schema(task))
        for metric in task.metrics:
            found[name, variant, metric.name] = metric.value(table)
    document = orjson.loads((scores / "scores.json").read_bytes())
    told = {(row["task"], row["variant"], row["metric"]): row for row in document["scores"]}
    assert {task for task, _, _ in told} == set(SCORED)
    for key, row in told.items():
        assert row["value"] == pytest.approx(found[key], rel=1e-4)


def test_the_json_tells_model_settings_and_the_paper_s_figures_with_their_source(scores):
    document = orjson.loads((scores / "scores.json").read_bytes())
    assert document["model"]["name"] == "guess"
    assert document["model"]["nearest_of_the_paper"] == "117M"
    assert document["config"]["max_examples"] == LIMIT
    assert "Radford et al. 2019" in document["paper"]["source"]
    figures = {(each["task"], each["metric"]): each for each in document["paper"]["figures"]}
    assert figures["ptb", "word_perplexity"]["values"]["345M"] == 47.33
    assert figures["ptb", "word_perplexity"]["place"] == "table 3"


def test_rendering_again_writes_the_same_bytes(scores):
    names = ("report.html", "scores.md", "scores.json", "examples.jsonl")
    before = [(scores / name).read_bytes() for name in names]
    render_scores(scores)
    assert [(scores / name).read_bytes() for name in names] == before


def test_score_against_size_and_calibration_are_drawn(page: str):
    assert page.count("<svg") == 2
    text = unescape(page)
    assert "lambada, accuracy filtered" in text
    assert "confidence (%)" in text
    assert f"The {LIMIT} most confident answers" in text


def test_compared_models_have_the_best_marked_and_differences_with_intervals(folders):
    comparison = compare_scores(folders)
    rows = {(row.first.task, row.first.metric): row for row in comparison.rows}
    loss = rows["heldout", "loss"]
    ours, theirs = ([r.value for r in gather_scores(f).rows if r.metric == "loss"] for f in folders)
    assert [cell.is_best for cell in loss.cells] == [ours < theirs, theirs < ours]
    difference, interval = loss.cells[1].difference.split(" ± ")
    assert float(difference) == pytest.approx(theirs[0] - ours[0], abs=0.01)
    assert float(interval) > 0
    assert not any(cell.is_best for cell in rows["heldout", "unigram_loss"].cells)


def test_a_model_beside_itself_does_not_differ(folders):
    comparison = compare_scores([folders[0], folders[0]])
    assert {row.cells[1].difference for row in comparison.rows} == {"+0.00"}


@pytest.mark.parametrize(
    ("num_parameters", "name"),
    [(None, "117M"), (1_000, "117M"), (345_000_000, "345M"), (7_000_000_000, "1542M")],
)
def test_the_paper_s_model_is_the_nearest_in_size(num_parameters: int | None, name: str):
    assert nearest_paper_model(num_parameters) == name


def test_which_way_is_better_is_known_of_every_figure_but_baselines():
    unknown = {
        metric.name
        for task in TASKS.values()
        for metric in task.metrics
        if is_lower_better(metric.name) is None
    }
    assert unknown == {"unigram_loss", "most_common_percent"}
