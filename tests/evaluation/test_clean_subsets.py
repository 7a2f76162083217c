"""All, dirty and clean: the parts make the whole, and one formula scores them all."""

import math
from itertools import islice

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings, strategies as st
from torch.nn import functional as F

from corpus.benchmarks.language_modeling import lambada_passages
from corpus.benchmarks.questions import coqa_conversations
from corpus.errors import WebtextError
from corpus.runtime import Runtime
from corpus.settings import Section
from corpus.shards import shard_name
from corpus.stage import StageWriter
from dedup.matches.shards import COUNTS
from dedup.overlap.summary import OVERLAP
from dedup.overlap.text_sets import TEXT_SETS
from evaluation.all_tasks import TASKS
from evaluation.clean_subsets import RULES, clean_subsets, compare_subsets, overlap_percents
from evaluation.evaluate import run
from evaluation.examples import examples_schema
from evaluation.settings import EvaluateConfig
from evaluation.tasks.detokenizers import WIKITEXT
from evaluation.tasks.lambada import LAMBADA, split_last_word
from model.checkpoint import save_checkpoint
from model.settings import CHECKPOINT
from tests.evaluation.tables import row as example, table

ANY, OVER_15 = RULES


def overlap_row(text_set: str, example: int, num_ngrams: int, num_found: int, part="text") -> dict:
    values = (text_set, example, part, num_ngrams + 7, num_ngrams, num_found)
    return dict(zip(OVERLAP.names, values, strict=True))


def values_of(kind: pa.DataType) -> st.SearchStrategy:
    if pa.types.is_boolean(kind):
        return st.booleans()
    if pa.types.is_integer(kind):
        return st.integers(1, 100)
    return st.floats(0.1, 300) if pa.types.is_floating(kind) else st.sampled_from(["cnn", "race"])


@st.composite
def tasks_with_examples(draw) -> tuple[str, pa.Table]:
    name = draw(st.sampled_from(sorted(TASKS)))
    schema = examples_schema(TASKS[name])
    kinds = {field.name: values_of(field.type) for field in schema}
    rows = draw(st.lists(st.fixed_dictionaries(kinds), min_size=1, max_size=12))
    numbered = [{**row, "example": i, "overlap_example": i} for i, row in enumerate(rows)]
    return name, pa.Table.from_pylist(numbered, schema)


# Of these the whole is no mean of the parts.
NO_MEANS = {"bleu", "confident_accuracy_percent"}
some_percents = st.dictionaries(st.integers(0, 12), st.sampled_from([0, 0.5, 15, 15.1, 100]))


@settings(max_examples=80)
@given(tasks_with_examples(), some_percents)
def test_the_parts_make_the_whole(task_and_examples, percents):
    name, examples = task_and_examples
    metrics = {metric.name: metric for metric in TASKS[name].metrics}
    for row in compare_subsets(TASKS[name], examples, percents):
        parts = (row.dirty, row.clean, row.unknown)
        assert row.all_examples.num_examples == sum(part.num_examples for part in parts)
        assert row.all_examples.value == metrics[row.metric].value(examples)
        if row.metric in NO_MEANS or row.all_examples.value is None:
            continue
        assert row.all_examples.num_units == sum(part.num_units for part in parts)
        is_exponential = row.metric.endswith("perplexity")
        total = sum(
            part.num_units * (math.log(part.value) if is_exponential else part.value)
            for part in parts
            if part.value is not None
        )
        mean = total / row.all_examples.num_units
        whole = math.exp(mean) if is_exponential else mean
        assert row.all_examples.value == pytest.approx(whole, rel=1e-9, abs=1e-9)


@settings(max_examples=20)
@given(tasks_with_examples())
def test_if_all_are_clean_they_are_the_whole(task_and_examples):
    name, examples = task_and_examples
    percents = dict.fromkeys(range(len(examples)), 0.0)
    for row in compare_subsets(TASKS[name], examples, percents):
        assert row.clean == row.all_examples
        assert row.relative_difference in (0, None)
        assert not row.exceeds_noise
        assert row.dirty.value is None


def test_a_rule_is_more_than_so_many_percent():
    examples = table(*(example(i, 1.0, 1, is_correct=True) for i in range(5)))
    rows = compare_subsets(LAMBADA, examples, {0: 0, 1: 0.1, 2: 15, 3: 15.1})
    counts = {
        row.rule: [part.num_examples for part in (row.dirty, row.clean, row.unknown)]
        for row in rows
        if row.metric == "perplexity"
    }
    assert counts == {ANY.name: [3, 1, 1], OVER_15.name: [1, 3, 1]}


def test_parts_of_an_example_count_together_and_too_short_ones_not_at_all():
    rows = [
        overlap_row("coqa", 0, 90, 9, "passage"),
        overlap_row("coqa", 0, 10, 10, "question"),
        overlap_row("coqa", 0, 0, 0, "answer"),
        overlap_row("coqa", 1, 0, 0),
        overlap_row("lambada", 1, 4, 1),
    ]
    assert overlap_percents(rows) == {"coqa": {0: 19}, "lambada": {1: 25}}


def test_a_planted_gain_is_found_and_said_to_be_no_noise():
    # 40 of 400 examples are dirty, and half as hard; the others differ by chance only.
    examples = table(
        *(
            example(i, (1 if i < 40 else 2) + i % 7 / 10, 1, is_correct=i % 3 == 0)
            for i in range(400)
        )
    )
    row = compare_subsets(LAMBADA, examples, {i: 100.0 * (i < 40) for i in range(400)})[0]
    assert row.relative_difference == pytest.approx(math.exp(0.1) - 1, rel=0.02)
    assert row.exceeds_noise


@settings(max_examples=40)
@given(st.integers(0, 9), st.booleans(), st.integers(10, 60))
def test_so_few_examples_are_never_a_finding(num_few, few_are_dirty, num_others):
    examples = table(
        *(example(i, 1 + i % 3, 1, is_correct=i < num_few) for i in range(num_few + num_others))
    )
    percents = {i: 100.0 * ((i < num_few) == few_are_dirty) for i in range(len(examples))}
    rows = compare_subsets(LAMBADA, examples, percents)
    assert not any(row.exceeds_noise for row in rows)


def test_chance_alone_is_seldom_called_a_finding():
    rng = np.random.default_rng(1)
    num_findings = 0
    for _ in range(200):
        nats = rng.gamma(1.5, 2, 300).tolist()
        examples = table(*(example(i, x, 1, is_correct=x < 1) for i, x in enumerate(nats)))
        rows = compare_subsets(LAMBADA, examples, {i: 100.0 * (i < 20) for i in range(300)}, (ANY,))
        num_findings += sum(row.exceeds_noise for row in rows)
    assert num_findings / (200 * len(LAMBADA.metrics)) < 0.1  # two sigma: 0.05


@pytest.fixture
def scored_folder(make_tokens, model, tokenizer, benchmarks, tmp_path):
    """Two LAMBADA passages short of all, and the held-out split, really scored."""
    save_checkpoint(tmp_path / "run" / CHECKPOINT, model, tokenizer, step=1)
    inputs = {
        "run": tmp_path / "run",
        "tokens": make_tokens(["train text"] * 3, ["held-out text", "another"]),
        "benchmarks": benchmarks,
    }
    config = EvaluateConfig(tasks=("heldout", "lambada"), max_examples=30)
    run(config, inputs, tmp_path / "scores", Runtime())
    return inputs


@pytest.fixture
def make_overlap(tmp_path):
    def make(rows: list[dict], inputs=None, shard="overlap", schema=OVERLAP):
        writer = StageWriter("overlap", Section(), inputs or {}, tmp_path / "overlap")
        writer.write(shard_name(shard, 0), rows, schema)
        writer.finish(len(rows))
        return tmp_path / "overlap"

    return make


@torch.inference_mode()
def last_word_by_hand(model, tokenizer, passage: str) -> tuple[float, bool]:
    """Nats of the last word and whether it is the greedy one, from the model's own logits."""
    words = passage.split(" ")
    target = tokenizer.encode(" " + words[-1])
    token_ids = torch.tensor((tokenizer.encode(" ".join(words[:-1])) + target)[-33:])
    logprobs = F.log_softmax(model(token_ids[None, :-1])[0, -len(target) :], dim=-1)
    picked = logprobs.gather(1, token_ids[-len(target) :, None])
    return -picked.double().sum().item(), logprobs.argmax(-1).tolist() == target


@pytest.mark.parametrize(("shard", "schema"), [("overlap", OVERLAP), ("counts", COUNTS)])
def test_lambada_equals_an_independent_calculation(
    scored_folder, make_overlap, model, tokenizer, benchmarks, tmp_path, shard, schema
):
    # Every third passage is dirty, every seventh too short to tell, passage 29 has no row.
    rows = [overlap_row("lambada", i, 10 * bool(i % 7), 2 * (i % 3 == 0)) for i in range(29)]
    result = clean_subsets(tmp_path / "scores", make_overlap(rows, shard=shard, schema=schema))
    passages = list(lambada_passages(benchmarks))[:30]
    by_hand = [last_word_by_hand(model, tokenizer, passage) for passage in passages]
    known = [i for i in range(29) if i % 7]
    expected = {
        "all_examples": list(range(30)),
        "dirty": [i for i in known if i % 3 == 0],
        "clean": [i for i in known if i % 3],
        "unknown": [0, 7, 14, 21, 28, 29],
    }
    perplexity, accuracy = [row for row in result.rows if row.rule == OVER_15.name][:2]
    values: dict[str, float] = {}
    for part, numbers in expected.items():
        mean_nats, share = np.mean([by_hand[i] for i in numbers], axis=0)
        values[part] = math.exp(mean_nats)
        assert getattr(perplexity, part).num_examples == len(numbers)
        assert getattr(perplexity, part).value == pytest.approx(values[part], rel=1e-4)
        assert getattr(accuracy, part).value == pytest.approx(100 * share)
    difference = values["clean"] / values["all_examples"] - 1
    assert perplexity.relative_difference == pytest.approx(difference, abs=1e-3)
    assert result.missing == {"heldout": "its overlap was not measured"}
    assert result.problems == []


@pytest.mark.usefixtures("scored_folder")
def test_a_task_that_only_another_version_has_is_named(
    make_overlap, tmp_path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delitem(TASKS, "lambada")
    rows = [overlap_row("lambada", 0, 10, 2), overlap_row("heldout", 0, 10, 2)]
    result = clean_subsets(tmp_path / "scores", make_overlap(rows))
    assert {row.task for row in result.rows} <= {"heldout"}
    assert result.missing["lambada"] == "it was scored by another version, which had such a task"


def test_every_task_has_a_text_set_to_be_joined_with():
    wanted = {task.text_set or task.name for task in TASKS.values()}
    assert wanted <= {text_set.slug for text_set in TEXT_SETS}
    assert all(name == task.name for name, task in TASKS.items())


@pytest.mark.parametrize("name", ["lambada", "wikitext2", "wikitext103"])
def test_an_example_has_one_number_in_scores_and_overlap(
    name, benchmarks, measured, subject_of, tokenizer
):
    """Joined by number: example i is the same text on both sides."""
    subject = subject_of(benchmarks=benchmarks, max_examples=4)
    [text_set] = (each for each in TEXT_SETS if each.slug == name)
    assert text_set.items is not None
    texts = [item["text"] for item in islice(text_set.items(benchmarks), 4)]
    examples = measured(TASKS[name], subject)
    assert examples["example"].to_pylist() == list(range(4))
    if name == "lambada":
        sizes = [len(tokenizer.encode(split_last_word(text)[1])) for text in texts]
    else:
        sizes = [len(tokenizer.encode(WIKITEXT(text))) for text in texts]
    assert examples["num_tokens"].to_pylist() == sizes


def test_a_question_of_coqa_is_as_dirty_as_its_conversation(
    scored_folder, official, make_overlap, tmp_path
):
    tasks = ("lambada", "wsc273", "coqa")
    config = EvaluateConfig(tasks=tasks, max_examples=45)
    inputs = {**scored_folder, "benchmarks": official}
    run(config, inputs, tmp_path / "three", Runtime())
    sizes = [len(each.questions) for each in islice(coqa_conversations(official), 3)]
    rows = [overlap_row(name, i, 10, 2 * (i % 2)) for name in tasks for i in range(45)]
    result = clean_subsets(tmp_path / "three", make_overlap(rows))
    assert {row.task for row in result.rows} == set(tasks)
    found = {row.task: row for row in result.rows if row.rule == ANY.name}
    assert (found["wsc273"].dirty.num_examples, found["wsc273"].clean.num_examples) == (22, 23)
    # Conversation 1 is dirty, 0 and 2 are not.
    assert sizes[0] + sizes[1] < 45 <= sum(sizes)
    assert found["coqa"].dirty.num_examples == sizes[1]
    assert found["coqa"].clean.num_examples == 45 - sizes[1]


def test_what_was_measured_on_other_files_is_said(scored_folder, make_overlap, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    rows = [overlap_row(name, 0, 10, 2) for name in ("heldout", "lambada")]
    overlap = make_overlap(rows, {"tokens": other, "benchmarks": other})
    result = clean_subsets(tmp_path / "scores", overlap)
    assert list(result.missing) == ["heldout"]
    assert {row.task for row in result.rows} == {"lambada"}
    assert len(result.problems) == 2


def test_a_folder_of_another_stage_is_refused(scored_folder, make_overlap, tmp_path):
    with pytest.raises(WebtextError, match="no overlap report"):
        clean_subsets(tmp_path / "scores", tmp_path / "tokens")
    overlap = make_overlap([overlap_row("lambada", 0, 10, 2)])
    with pytest.raises(WebtextError, match="has no manifest"):
        clean_subsets(tmp_path / "run", overlap)


def test_scores_of_an_earlier_version_are_refused(make_overlap, tmp_path):
    overlap = make_overlap([overlap_row("lambada", 0, 10, 2)])
    writer = StageWriter("scores", Section(), {}, tmp_path / "scores")
    writer.write(shard_name("scores", 0), [{"task": "lambada"}], pa.schema([("task", pa.string())]))
    writer.finish(1)
    with pytest.raises(WebtextError, match="without their examples"):
        clean_subsets(tmp_path / "scores", overlap)
