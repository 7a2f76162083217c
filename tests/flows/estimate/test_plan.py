"""What a recipe is said to take: the shape of it; how good it is only runs can tell."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from corpus.errors import UsageError
from corpus.manifest import Counts, Manifest, Times, write_manifest
from flows.estimate.corpus_stages import Surroundings, estimate_corpus
from flows.estimate.machine_speed import MachineSpeed
from flows.estimate.model_stages import estimate_model
from flows.recipe import Recipe, load_recipe

SPEED = MachineSpeed(words_per_s=7.3e6, flops=203e9)
H100 = "H100 80GB HBM3"


def here(data: Path, speed: MachineSpeed = SPEED, links: int | None = None) -> Surroundings:
    return Surroundings(data, workers=2, speed=speed, mbit_per_s=100.0, links=links)


def test_ten_times_the_pages_take_more_of_everything(tmp_path: Path):
    small, large = (
        list(estimate_corpus(load_recipe("demo", [f"web.num_pages={number}"]), here(tmp_path)))
        for number in (100, 1000)
    )
    assert [stage.name for stage in small][:3] == ["web", "links", "pages"]
    for one, ten in zip(small, large, strict=True):
        assert one.seconds < ten.seconds <= 10 * one.seconds
        assert one.low_s <= one.seconds <= one.high_s
        assert ten.disk_bytes == pytest.approx(10 * one.disk_bytes)


def test_a_machine_of_half_the_speed_takes_twice_the_time(tmp_path: Path):
    slow = MachineSpeed(SPEED.words_per_s / 2, SPEED.flops / 2)
    recipe = from_archive(tmp_path)
    ours, theirs = (
        sum(stage.seconds for stage in estimate_corpus(recipe, here(tmp_path, speed)))
        for speed in (SPEED, slow)
    )
    assert theirs == pytest.approx(2 * ours)


def test_a_run_in_the_data_folder_counts_more_than_shipped_rates(tmp_path: Path):
    write_web_manifest(tmp_path / "web" / "0123456789abcdef", seconds=120)
    web, links, *_ = estimate_corpus(load_recipe("demo"), here(tmp_path))
    assert web.seconds == pytest.approx(120)
    assert "1,200" in web.measured
    assert not links.measured


def test_manners_bound_the_crawl_of_the_real_web(tmp_path: Path):
    recipe = load_recipe("webtext")
    pages = {s.name: s for s in estimate_corpus(recipe, here(tmp_path, links=1_000_000))}["pages"]
    assert pages.units == 1_000_000
    assert any("manners" in each for each in pages.assumed)
    assert pages.network_bytes > 0
    slower = load_recipe("webtext", ["crawl.per_host_delay_s=2"])
    again = {s.name: s for s in estimate_corpus(slower, here(tmp_path, links=1_000_000))}["pages"]
    assert again.seconds == pytest.approx(2 * pages.seconds)


def test_pages_from_archives_need_no_crawl(tmp_path: Path):
    stages = list(estimate_corpus(from_archive(tmp_path), here(tmp_path)))
    assert stages[0].name == "documents"
    assert stages[0].units == pytest.approx(10)


def test_training_of_gpt2_small_on_an_h100_is_as_measured(tmp_path: Path):
    recipe = load_recipe("gpt2-small")
    run, *_ = estimate_model(recipe, val_tokens=1e6, here=here(tmp_path), gpu=H100)
    assert run.units / run.seconds == pytest.approx(518_000, rel=0.05)


def test_an_unknown_gpu_is_named_with_those_that_are_known(tmp_path: Path):
    with pytest.raises(UsageError, match="Abacus") as error:
        list(estimate_model(load_recipe("demo"), 1e6, here(tmp_path), gpu="Abacus"))
    assert H100 in error.value.hint


def test_the_command_says_it_as_json_and_as_a_table(webtext, tmp_path: Path):
    arguments = ("demo", "--data", str(tmp_path), "--price-per-hour", "3")
    done = webtext("estimate", *arguments, "--json")
    assert done.exit_code == 0, done.err
    stages = json.loads(done.out)["stages"]
    assert {"web", "run", "scores", "flow", "total"} <= {stage["name"] for stage in stages}
    total = stages[-1]
    assert total["seconds"] == pytest.approx(sum(stage["seconds"] for stage in stages[:-1]))
    assert total["cost"] == pytest.approx(total["seconds"] / 1200)
    assert not list(tmp_path.iterdir()), "it changed something"


def from_archive(folder: Path) -> Recipe:
    archive = folder / "a.warc.gz"
    archive.write_bytes(bytes(340_000))
    return load_recipe("webtext", [f'archives.files=["{archive}"]'])


def write_web_manifest(folder: Path, seconds: float) -> None:
    now = datetime.now(UTC)
    folder.mkdir(parents=True)
    manifest = Manifest(
        stage="web",
        config={"num_pages": 1200},
        inputs={},
        shards=[],
        counts=Counts(incoming=2111, out=1089, rejects={"not_chosen": 911, "unreadable": 111}),
        figures={"num_submissions": 1338},
        versions={},
        times=Times(started=now - timedelta(seconds=seconds), finished=now),
        hash="0",
    )
    write_manifest(folder, manifest)
