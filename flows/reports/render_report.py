"""The report of a run or a corpus: one self-contained HTML page, made of what there is."""

from importlib.metadata import version
from pathlib import Path

from corpus.atomic import write_bytes
from corpus.manifest import Manifest, is_finished, is_withdrawn, read_record
from corpus.takedown.withdrawn import current_version
from evaluation.paper import PAPER_MODELS
from flows.corpora.facts import versions
from flows.corpora.history import history
from flows.corpora.summary import corpus_hash, lineage, show_short
from flows.reports.corpus_sections import corpus_sections, funnel_shapes
from flows.reports.gather_results import Results, gather_results
from flows.reports.page_template import page_template
from flows.reports.paper_figures import overlap_curves
from flows.reports.render_scores import size_figure
from flows.reports.repeat_commands import recipe_of, repeat_commands
from flows.reports.run_sections import score_rows, training_charts, written_texts

PAGE = "report.html"


def render_report(folder: Path) -> Path:
    """Write `report.html` into the folder of a finished run, or of a corpus, and return its path.

    What is not there is not shown: a corpus has no training, a run that was not evaluated no
    scores. Of a corpus that a takedown withdrew the counts are shown, and nothing that quotes it.

    Args:
        folder: A run, or a tokens folder.
    """
    folders = lineage(folder)
    tokens, run = folders["tokens"], folders.get("run")
    manifests = {stage: read_record(path) for stage, path in folders.items()}
    results = gather_results(folder)
    html = page_template("report").render(
        recipe=recipe_of(tokens),
        corpus_hash=corpus_hash(tokens),
        run_id=None if run is None else run.name,
        finished=f"{read_record(folder).times.finished:%Y-%m-%d %H:%M} UTC",
        version=version("webtext"),
        tiles=_tiles(manifests, results),
        funnel=funnel_shapes(tokens),
        withdrawn=_withdrawn(tokens),
        **corpus_sections(tokens),
        results=results,
        cdf_svg=overlap_curves(results.overlap_curves) if results.overlap_curves else "",
        training=training_charts(run, results.score("heldout", "unigram_loss")) if run else None,
        paper_models=PAPER_MODELS,
        scores=score_rows(results),
        sizes_svg=_sizes(manifests, results),
        texts=written_texts(results.samples, tokens),
        history=[str(step) for step in history(tokens)],
        stages=[_stage_row(path) for path in (*folders.values(), *results.folders)],
        versions=versions(folder),
        commands=repeat_commands(folder, results.folders),
    )
    path = folder / PAGE
    write_bytes(path, html.encode())
    return path


def _withdrawn(tokens: Path) -> str:
    if not is_withdrawn(tokens):
        return ""
    newer = current_version(tokens)
    now = f" Corpus {corpus_hash(newer)} took its place." if is_finished(newer) else ""
    return (
        "This corpus was withdrawn by a takedown: its documents are gone, and none is shown." + now
    )


def _tiles(manifests: dict[str, Manifest], results: Results) -> dict[str, str]:
    tokens = manifests["tokens"].figures
    counted = {"links": "links", "pages": "pages fetched", "unique": "unique documents"}
    tiles = {
        **{
            label: f"{manifests[stage].counts.out:,}"
            for stage, label in counted.items()
            if stage in manifests  # pages of another crawl's archive come without links
        },
        "training tokens": show_short(int(tokens.get("num_train_tokens", 0))),
    }
    if "run" in manifests:
        tiles["parameters"] = show_short(int(manifests["run"].figures.get("num_parameters", 0)))
    for metric, label in (
        ("loss", "held-out loss, nats per token"),
        ("unigram_loss", "unigram model's loss"),
    ):
        if (value := results.score("heldout", metric)) is not None:
            tiles[label] = f"{value:.2f}"
    return tiles


def _sizes(manifests: dict[str, Manifest], results: Results) -> str:
    run = manifests.get("run")
    size = run.figures.get("num_parameters") if run else None
    return size_figure(results.scores, int(size) if size else None)


def _stage_row(folder: Path) -> dict[str, object]:
    manifest = read_record(folder)
    return {
        "stage": manifest.stage,
        "folder": f"{folder.parent.name}/{folder.name}",
        "hash": manifest.hash[:16],
        "seconds": manifest.times.seconds,
        "settings": manifest.config,
        "inputs": {role: each.hash[:16] for role, each in manifest.inputs.items()},
        "problems": manifest.problems,
    }
