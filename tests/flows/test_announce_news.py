"""What is new is announced until somebody follows it, and then no more."""

from pathlib import Path

import pytest

from flows.announce_news import (
    BENCHMARKS,
    CHECKPOINT,
    CORPUS,
    announce_news,
    find_news,
    is_announced,
    note_announced,
)
from flows.corpora.summary import corpus_hash
from flows.recipe import Recipe
from flows.train_model import run_folder
from model.settings import ModelConfig, RunConfig, TrainConfig
from tests.flows.small_corpora import document, write_corpus
from tests.flows.small_runs import write_run, write_word_tokens

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

MODEL = ModelConfig(block_size=8, n_layer=1, n_head=1, n_embd=8)
ROWS = [document("https://a.example/"), document("https://b.example/")]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    (tmp_path / "benchmarks").mkdir()
    train = TrainConfig(steps=1)
    return Recipe(name="mine", benchmarks=tmp_path / "benchmarks", model=MODEL, train=train)


def events(recipe: Recipe, data: Path) -> list[str]:
    return [news.event for news in find_news(recipe, data)]


def test_an_empty_data_folder_has_no_news(recipe: Recipe, data: Path):
    assert find_news(recipe, data) == []


def test_what_is_noted_is_no_news_and_the_next_corpus_is(recipe: Recipe, data: Path):
    first = write_corpus(data, "a", ROWS)
    [news] = find_news(recipe, data)
    assert (news.event, news.name) == (CORPUS, corpus_hash(first))
    note_announced(data, [news])
    note_announced(data, [news])
    assert find_news(recipe, data) == []
    assert is_announced(recipe, first, data)
    assert events(recipe.model_copy(update={"name": "other"}), data) == [CORPUS]
    second = write_corpus(data, "b", [*ROWS, document("https://c.example/")])
    assert [news.corpus for news in find_news(recipe, data)] == [corpus_hash(second)]
    lines = (data / "announced.txt").read_text().splitlines()
    assert lines == [f"{CORPUS} {corpus_hash(first)} mine"]


def test_the_model_that_the_recipe_makes_of_it_is_news(recipe: Recipe, data: Path):
    tokens = write_word_tokens(data)
    folder = run_folder(recipe, tokens, data)
    write_run(folder, tokens, RunConfig(model=recipe.model, train=recipe.train))
    checkpoint = find_news(recipe, data)[1]
    assert (checkpoint.event, checkpoint.run) == (CHECKPOINT, folder.name)
    assert checkpoint.corpus == corpus_hash(tokens)


def test_a_benchmark_folder_is_news_when_its_files_change(
    recipe: Recipe, data: Path, tmp_path: Path
):
    write_corpus(data, "a", ROWS)
    (tmp_path / "benchmarks" / "lambada").mkdir()
    note_announced(data, find_news(recipe, data))
    assert find_news(recipe, data) == []
    (tmp_path / "benchmarks" / "lambada" / "test.jsonl").write_text("{}")
    assert events(recipe, data) == [BENCHMARKS]


def test_where_nothing_follows_nothing_is_announced(recipe: Recipe, data: Path, prefect_server):
    write_corpus(data, "a", ROWS)
    assert announce_news(recipe, data) == []
    assert events(recipe, data) == [CORPUS]
