"""The whole service on servers of its own: a schedule fires, and what follows is found by hash."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.stack.asked_servers import corpora, flow_runs, mlflow_runs, prefect
from tests.stack.native_stack import BUCKET, NativeStack, wait
from tests.stack.small_recipe import link_to, write_recipe

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

DATA = f"s3://{BUCKET}/scheduled"
FOLLOWED = {"rebuild_corpus", "build_corpus", "train_on_corpus", "train_model", "evaluate_run"}


def webtext(stack: NativeStack, *arguments: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "flows", *arguments],
        env=stack.environment | {"COLUMNS": "200"} | environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def wait_for_scores(stack: NativeStack, known: set[str]) -> str:
    """The corpus that was not known, once its model is scored."""
    for _ in wait(f"a scored model of another corpus than {known}", 360):
        for corpus in corpora(stack, "small") - known:
            runs = flow_runs(stack, corpus)
            done = {run["name"] for run in runs if run["state_type"] == "COMPLETED"}
            if "evaluate_run small" in done:
                return corpus
    raise AssertionError


def test_rebuild_training_and_scores_follow_the_clock_and_are_found_by_hash(
    stack: NativeStack, tmp_path: Path
):
    recipe = write_recipe(tmp_path)
    link_to(tmp_path, 30)
    webtext(stack, "deploy", str(recipe), "--pool", "webtext", "--data", DATA, "--workers", "2")
    worker = stack.worker("webtext", WEBTEXT_CACHE=str(tmp_path / "cache"))
    worker.start()
    try:
        first = wait_for_scores(stack, set())
        link_to(tmp_path, 40)
        second = wait_for_scores(stack, {first})
    finally:
        worker.kill()
    for corpus in (first, second):
        names = {run["name"].removesuffix(" small") for run in flow_runs(stack, corpus)}
        assert names >= FOLLOWED
        kinds = {tags["kind"] for tags in mlflow_runs(stack, f"tags.corpus_hash = '{corpus}'")}
        assert kinds >= {"corpus", "train", "scores"}
    runs = prefect(stack, "flow_runs/filter", flow_runs={"tags": {"all_": ["recipe:small"]}})
    assert not [run["name"] for run in runs if run["state_type"] in ("FAILED", "CRASHED")]
    # Another machine, which has nothing yet, knows both.
    elsewhere = {"WEBTEXT_CACHE": str(tmp_path / "elsewhere")}
    shown = webtext(stack, "corpus", "list", "--data", DATA, **elsewhere)
    assert first in shown
    assert second in shown
