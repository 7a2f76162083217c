"""A family of sizes becomes the paper's figure 4; what is trained is not trained again."""

import re
from itertools import pairwise
from pathlib import Path

import orjson
import pytest
from pydantic import ValidationError

from corpus.errors import UsageError
from corpus.manifest import read_manifest
from flows.commands.options import console
from flows.commands.scaling import scaling
from flows.recipe import Recipe, load_recipe
from flows.settings import ModelSize, ScalingConfig
from model.settings import ModelConfig, RunConfig, TrainConfig
from tests.flows.small_runs import write_run, write_word_tokens

SIZES = tuple(ModelSize(n_layer=1, n_head=2, n_embd=8 * i, lr=0.01 / i) for i in range(1, 5))
RECIPE = Recipe(
    name="family",
    model=ModelConfig(block_size=16),
    train=TrainConfig(
        steps=20, batch_size=4, micro_batch_size=4, lr=0.1, min_lr=0.01, warmup_steps=2
    ),
    scaling=ScalingConfig(sizes=SIZES, eval_windows=32),
)


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    return write_word_tokens(tmp_path / "data")


def configs(recipe: Recipe) -> list[RunConfig]:
    return [
        RunConfig(model=size.model(recipe.model), train=size.train(recipe.train))
        for size in recipe.scaling.sizes
    ]


@pytest.mark.slow
@pytest.mark.usefixtures("prefect_server")
def test_runs_that_are_there_are_compared_and_not_trained(tokens: Path, tmp_path: Path, capsys):
    # Not above: Prefect reads its settings, the server's address too, when it is imported.
    from flows.run_stage import stage_folder
    from flows.scale_models import scale_models
    from flows.train_model import RUN

    data = tmp_path / "data"
    runs = [stage_folder(RUN, config, {"tokens": tokens}, data) for config in configs(RECIPE)]
    for run, config in zip(runs, configs(RECIPE), strict=True):
        write_run(run, tokens, config)
    folder = scale_models(RECIPE, tokens, data)
    assert capsys.readouterr().err.count("runs: done before") == len(SIZES)
    assert sorted(path for path in (data / "runs").iterdir()) == sorted(runs)

    result = orjson.loads((folder / "scaling.json").read_bytes())
    assert [row["run"] for row in result["rows"]] == [run.name for run in runs]
    inputs = read_manifest(folder).inputs
    assert set(inputs) == {"run-0", "run-1", "run-2", "run-3", "tokens"}
    page, figure = (folder / "report.html").read_text(), (folder / "figure.svg").read_text()
    assert figure in page
    for words in ("parameters, without embeddings", "perplexity per token", "train", "held out"):
        assert f">{words}<" in figure
    assert all(f"{row['num_parameters']:,}" in page for row in result["rows"])
    assert not re.search(r"(src=|@import|<link|<script|url\([^#])", page)

    assert scale_models(RECIPE, tokens, data) == folder
    assert "scaling: done before" in capsys.readouterr().err
    assert (folder / "figure.svg").read_text() == figure


@pytest.mark.usefixtures("prefect_server")
def test_two_sizes_are_too_few(tokens: Path, tmp_path: Path):
    from flows.scale_models import scale_models

    few = RECIPE.model_copy(update={"scaling": ScalingConfig(sizes=SIZES[:2])})
    with pytest.raises(UsageError, match="has 2 sizes, a line takes 3"):
        scale_models(few, tokens, tmp_path / "data")
    assert not (tmp_path / "data" / "runs").exists()


def test_sizes_differ_in_shape_and_rate_and_in_nothing_else():
    family = configs(RECIPE)
    assert [config.model.n_embd for config in family] == [8, 16, 24, 32]
    assert [config.train.lr for config in family] == [size.lr for size in SIZES]
    assert all(c.train.min_lr == pytest.approx(c.train.lr / 10) for c in family)
    alike = {
        config.train.model_copy(update={"lr": 1, "min_lr": 0}).model_dump_json()
        + config.model.model_copy(update={"n_embd": 8}).model_dump_json()
        for config in family
    }
    assert len(alike) == 1


def test_a_size_that_is_none_and_two_that_are_one_are_refused():
    with pytest.raises(ValidationError, match=r"n_embd \(10\) is not a multiple of n_head \(3\)"):
        ModelSize(n_layer=1, n_head=3, n_embd=10, lr=0.1)
    with pytest.raises(ValidationError, match="two sizes have the same n_layer and n_embd"):
        ScalingConfig(sizes=(SIZES[0], SIZES[0]))


def test_the_recipe_that_we_ship_has_four_sizes_each_twice_to_six_times_the_one_before():
    sizes = [config.model for config in configs(load_recipe("scaling"))]
    counts = [m.n_layer * (12 * m.n_embd**2 + 13 * m.n_embd) + 2 * m.n_embd for m in sizes]
    assert len(counts) == 4
    assert all(2 <= larger / smaller <= 6 for smaller, larger in pairwise(counts))
    assert (round(counts[0], -4), round(counts[-1], -4)) == (100_000, 3_030_000)


FAMILY = """
[model]
block_size = 16
[train]
steps = 150
batch_size = 4
micro_batch_size = 4
min_lr = 6e-4
warmup_steps = 5
""" + "".join(
    f"[[scaling.sizes]]\nn_layer = 1\nn_head = 2\nn_embd = {width}\nlr = 0.006\n"
    for width in (4, 8, 16, 32)
)


@pytest.mark.slow
@pytest.mark.usefixtures("prefect_server")
def test_larger_models_trained_alike_are_better(
    tokens: Path, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "family.toml").write_text(FAMILY)
    monkeypatch.setattr(console, "width", 80)
    scaling(str(tmp_path / "family.toml"), str(tokens), data=tmp_path / "data")
    printed = capsys.readouterr().out
    assert re.search(r"^1 x 32 .* [0-9a-f]{16}$", printed, re.MULTILINE)
    assert "held out: log(perplexity) = " in printed
    [result] = (tmp_path / "data").glob("scaling/*/scaling.json")
    fits = orjson.loads(result.read_bytes())["fits"]
    assert fits["train"]["slope"] < 0
    assert fits["val"]["slope"] < 0
    assert f"report: {result.with_name('report.html')}" in printed
