"""What MLflow is told: one run per corpus, training and evaluation, tied by the corpus hash."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from corpus.atomic import write_bytes
from corpus.manifest import MANIFEST, Manifest, read_manifest
from corpus.runtime import Runtime
from corpus.stage import Inputs
from crawler.pages import stage as crawl
from crawler.pages.settings import CrawlConfig
from flows.corpora.summary import CORPUS_STAGES, corpus_hash, lineage
from flows.recipe import Recipe
from model import launch
from model.settings import RunConfig
from model.tracking import Tracker, local_uri, open_tracker

# Present once a finished folder is recorded, so that a run killed in between records it later.
_RECORDED = ".recorded"


def tracker_for(data: Path) -> Tracker:
    """MLflow where MLFLOW_TRACKING_URI says, or else on SQLite in the data folder."""
    return open_tracker(os.environ.get("MLFLOW_TRACKING_URI") or local_uri(data))


def track_corpus(recipe: Recipe, tokens: Path, data: Path) -> None:
    """Record a corpus: its recipe sections, and the counts and figures of each stage."""
    _record_corpus({"recipe": recipe.name}, tokens, data)


def track_takedown(tokens: Path, replaces: str, data: Path) -> None:
    """Record the new version of a corpus from which something was taken down.

    Args:
        tokens: Its tokens folder.
        replaces: The hash of the version before it.
        data: The data folder.
    """
    _record_corpus({"replaces": replaces}, tokens, data)


def forget_pages(corpus: str, data: Path) -> list[str]:
    """Delete from MLflow the pages of a corpus that quote it.

    Args:
        corpus: The hash of the corpus.
        data: The data folder.

    Returns:
        Those that could not be deleted, or not be looked for.
    """
    return tracker_for(data).delete_artifacts({"corpus_hash": corpus}, (".html",))


def _record_corpus(tags: Mapping[str, str], tokens: Path, data: Path) -> None:
    folders = lineage(tokens)
    manifests = [read_manifest(folders[stage]) for stage in CORPUS_STAGES if stage in folders]
    metrics = {key: value for manifest in manifests for key, value in _metrics(manifest).items()}
    params = {
        f"{manifest.stage}.{key}": value
        for manifest in manifests
        for key, value in manifest.config.items()
    }
    _record_once(tokens, "corpus", tags, tokens, data, params, metrics)


def track_scores(recipe: Recipe, scores: Path, tokens: Path, data: Path) -> None:
    """Record an evaluation: the scores, and the run that they are of."""
    manifest = read_manifest(scores)
    params = {"run": manifest.inputs["run"].path, **manifest.config}
    _record_once(
        scores, "scores", {"recipe": recipe.name}, tokens, data, params, _metrics(manifest)
    )


def track_overlap(
    recipe: Recipe, overlap: Path, tokens: Path, data: Path, pages: Sequence[Path]
) -> None:
    """Record an overlap report, or the matches that were found, with their pages."""
    manifest = read_manifest(overlap)
    metrics = _metrics(manifest)
    tags = {"recipe": recipe.name}
    _record_once(overlap, manifest.stage, tags, tokens, data, manifest.config, metrics, pages)


def tracked_training(config: RunConfig, inputs: Inputs, output: Path, runtime: Runtime) -> Manifest:
    """The training stage, followed live by MLflow; a restart goes on in the same MLflow run."""
    data = output.parents[1]
    with tracker_for(data).follow(
        "train",
        output,
        f"train {output.name}",
        _tags("train", inputs["tokens"], output),
        {**config.model.model_dump(), **config.train.model_dump()},
        runtime.progress,
    ) as progress:
        return launch.run(config, inputs, output, replace(runtime, progress=progress))


def tracked_crawl(config: CrawlConfig, inputs: Inputs, output: Path, runtime: Runtime) -> Manifest:
    """The crawl, followed live by MLflow; a restart goes on in the same MLflow run."""
    tags = {"kind": "crawl", "folder": str(output)}
    with tracker_for(output.parents[1]).follow(
        "crawl", output, f"crawl {output.name}", tags, config.model_dump(), runtime.progress
    ) as progress:
        return crawl.run(config, inputs, output, replace(runtime, progress=progress))


def _record_once(
    folder: Path,
    kind: str,
    tags: Mapping[str, str],
    tokens: Path,
    data: Path,
    params: dict[str, object],
    metrics: dict[str, float],
    files: Sequence[Path] = (),
) -> None:
    if (folder / _RECORDED).exists():
        return
    tags = {**tags, **_tags(kind, tokens, folder)}
    name = f"{kind} {folder.name}"
    if tracker_for(data).record_run(name, tags, params, metrics, [folder / MANIFEST, *files]):
        write_bytes(folder / _RECORDED, b"")


def _tags(kind: str, tokens: Path, folder: Path) -> dict[str, str]:
    return {"kind": kind, "corpus_hash": corpus_hash(tokens), "folder": str(folder)}


def _metrics(manifest: Manifest) -> dict[str, float]:
    metrics: dict[str, float] = {
        f"{manifest.stage}.in": manifest.counts.incoming,
        f"{manifest.stage}.out": manifest.counts.out,
        f"{manifest.stage}.seconds": manifest.times.seconds,
    }
    metrics |= {f"{manifest.stage}.rejected.{k}": v for k, v in manifest.counts.rejects.items()}
    numbers = {k: v for k, v in manifest.figures.items() if not isinstance(v, str)}
    return metrics | {f"{manifest.stage}.{name}": value for name, value in numbers.items()}
