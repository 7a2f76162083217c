"""What MLflow is told: one run per corpus, training and evaluation, tied by the corpus hash."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from corpus.atomic import write_bytes
from corpus.manifest import MANIFEST, Manifest, read_manifest
from corpus.runtime import Runtime
from corpus.shards import read_rows
from corpus.stage import Inputs, data_shards
from crawler.pages import stage as crawl
from crawler.pages.settings import CrawlConfig
from flows.corpora.summary import CORPUS_STAGES, corpus_hash, lineage
from flows.limit_use import gpu_limits, occupied, partition_limits
from flows.recipe import Recipe
from flows.recorded_flow import current_flow, current_parent, tracker_for
from model import launch
from model.settings import RunConfig
from model.tracking.run_record import Dataset, Details
from model.tracking.tracker import Tracker

# Present once a finished folder is recorded, so that a run killed in between records it later.
_RECORDED = ".recorded"


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


def track_scores(
    recipe: Recipe,
    scores: Path,
    tokens: Path | None,
    data: Path,
    samples: Path | None = None,
    pages: Sequence[Path] = (),
) -> None:
    """Record an evaluation: the scores, the model that they are of, what it wrote, the pages.

    Args:
        recipe: Its name is kept.
        scores: What the stage "scores" made.
        tokens: The corpus whose held-out split was scored, if there was one.
        data: The data folder.
        samples: What the stage "samples" made, of a run.
        pages: The scores as people read them.
    """
    manifest = read_manifest(scores)
    role = "run" if "run" in manifest.inputs else "model"
    params = {role: manifest.inputs[role].path, **manifest.config}
    tags, metrics = {"recipe": recipe.name}, _metrics(manifest)
    texts = {} if samples is None else {"samples.md": _samples_page(samples)}
    _record_once(scores, "scores", tags, tokens, data, params, metrics, pages, texts)


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
    data, tokens = output.parents[1], inputs["tokens"]
    tracker, flow = tracker_for(data), current_flow()
    tracker.send_unsent(data)
    adopt_flow(tracker, output)
    tags = _tags("train", tokens, output)
    dataset = Dataset(name="webtext", digest=corpus_hash(tokens), source=str(tokens.resolve()))
    details = Details(dataset=dataset, parent=current_parent())
    if flow is not None:
        tags["recipe"] = flow.recipe.name
        texts = {"recipe.json": flow.recipe.model_dump_json(indent=2)}
        details = details.model_copy(
            update={"texts": texts, "model": f"webtext-{flow.recipe.name}"}
        )
    params = {**config.model.model_dump(), **config.train.model_dump()}
    name = f"train {output.name}"
    gpus = gpu_limits(config.train.processes) if config.train.runner == "process" else []
    with (
        occupied(gpus),
        tracker.follow("train", output, name, tags, params, runtime.progress, details),
    ):
        return launch.run(config, inputs, output, runtime)


def adopt_flow(tracker: Tracker, folder: Path) -> None:
    """Nest what comes now where the training in `folder` is nested, if an earlier flow began it."""
    flow, begun_in = current_flow(), tracker.parent_of(folder)
    if flow is not None and begun_in is not None:
        flow.parent = begun_in


def tracked_crawl(config: CrawlConfig, inputs: Inputs, output: Path, runtime: Runtime) -> Manifest:
    """The crawl, followed live by MLflow; a restart goes on in the same MLflow run."""
    data = output.parents[1]
    tags = {"kind": "crawl", "folder": str(output)}
    details = Details(parent=current_parent())
    name = f"crawl {output.name}"
    tracker = tracker_for(data)
    tracker.send_unsent(data)
    params = config.model_dump()
    # A replay asks nobody.
    partitions = [] if "replay" in inputs else partition_limits(len(data_shards(inputs["links"])))
    with (
        occupied(partitions),
        tracker.follow("crawl", output, name, tags, params, runtime.progress, details),
    ):
        return crawl.run(config, inputs, output, runtime)


def _record_once(
    folder: Path,
    kind: str,
    tags: Mapping[str, str],
    tokens: Path | None,
    data: Path,
    params: dict[str, object],
    metrics: dict[str, float],
    files: Sequence[Path] = (),
    texts: Mapping[str, str] | None = None,
) -> None:
    tracker = tracker_for(data)
    tracker.send_unsent(data)
    if (folder / _RECORDED).exists():
        return
    tags = {**tags, **_tags(kind, tokens, folder)}
    name = f"{kind} {folder.name}"
    details = Details(parent=current_parent(), texts=dict(texts or {}))
    if tracker.record_run(name, tags, params, metrics, [folder / MANIFEST, *files], details):
        write_bytes(folder / _RECORDED, b"")


def _samples_page(samples: Path) -> str:
    rows = (row for path in data_shards(samples) for row in read_rows(path))
    return "\n\n---\n\n".join(f"**{row['prompt']}**{row['text']}" for row in rows)


def _tags(kind: str, tokens: Path | None, folder: Path) -> dict[str, str]:
    corpus = {} if tokens is None else {"corpus_hash": corpus_hash(tokens)}
    return {"kind": kind, **corpus, "folder": str(folder)}


def _metrics(manifest: Manifest) -> dict[str, float]:
    metrics: dict[str, float] = {
        f"{manifest.stage}.in": manifest.counts.incoming,
        f"{manifest.stage}.out": manifest.counts.out,
        f"{manifest.stage}.seconds": manifest.times.seconds,
    }
    metrics |= {f"{manifest.stage}.rejected.{k}": v for k, v in manifest.counts.rejects.items()}
    numbers = {k: v for k, v in manifest.figures.items() if not isinstance(v, str)}
    return metrics | {f"{manifest.stage}.{name}": value for name, value in numbers.items()}
