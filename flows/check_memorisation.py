"""A trained GPT-2 -> what of its texts is in its training split, and where: figure 5."""

from pathlib import Path

import orjson
from prefect.artifacts import create_table_artifact

from corpus.atomic import write_bytes
from corpus.settings import Section
from corpus.shards import read_rows
from corpus.stage import data_shards
from dedup.overlap import stage as overlap
from flows.build_corpus import index_ngrams
from flows.corpora.summary import documents_of
from flows.product import product
from flows.recipe import Recipe
from flows.report_overlap import MATCHES
from flows.reports.render_memorisation import read_memorisation, render_memorisation
from flows.run_stage import Stage, run_stage
from model.generation import sample

# Folders of their own: "samples" and "overlap" are what a run's report shows of it.
GENERATED = Stage("generated", sample.run, sample.LIBRARIES)
MEMORISATION = Stage("memorisation", overlap.run, overlap.LIBRARIES)

TEXTS = "samples.jsonl"
"""In the folder of the generated texts: the same in the form in which texts are looked for."""


@product("check_memorisation")
def check_memorisation(
    recipe: Recipe, run: Path, tokens: Path, data: Path, workers: int = 1
) -> Path:
    """Let a run write, and look for the n-grams of what it wrote in what it was trained on.

    The paper's section 4: does the model repeat its training text, and more so than held-out text
    does? The index tells how much; the training documents tell where.

    Args:
        recipe: `[memorisation]` says how many texts, `[sample]` how they are drawn.
        run: The folder of a finished training.
        tokens: The corpus that it was trained on.
        data: The data folder.
        workers: Worker processes.

    Returns:
        The memorisation folder, with `memorisation.json` and `report.html`.

    Raises:
        WebtextError: the checkpoint, the index or a shard is damaged.
    """
    ngrams = index_ngrams(recipe, tokens, data, workers)  # first: the corpus may be withdrawn
    generated = run_stage(GENERATED, _sampling(recipe), {"run": run}, data, workers)
    texts = _write_texts(generated)
    sources = {"ngrams": ngrams, "tokens": tokens, "texts-000": texts}
    folder = run_stage(MEMORISATION, overlap.OverlapConfig(), sources, data, workers)
    # The held-out documents' places are for `webtext overlap --exact` to tell.
    config = recipe.matches.model_copy(update={"held_out_documents": 0, "n": recipe.ngrams.n})
    sources = {"documents": documents_of(tokens), "tokens": tokens, "texts-000": texts}
    matches = run_stage(MATCHES, config, sources, data, workers)
    page = render_memorisation(folder, run, generated, matches)
    create_table_artifact(
        key="memorisation",
        table=[{"texts": n, **row} for n, row in read_memorisation(folder)["overlap"].items()],
        description=f"Overlap of what the model writes with the training split: {page}",
    )
    return folder


def _sampling(recipe: Recipe) -> Section:
    """The recipe's `[sample]`, unprompted, as many and as long as `[memorisation]` says."""
    return recipe.sample.model_copy(update={"prompts": (), **recipe.memorisation.model_dump()})


def _write_texts(generated: Path) -> Path:
    rows = (row for shard in data_shards(generated) for row in read_rows(shard, ["text"]))
    path = generated / TEXTS
    write_bytes(path, b"".join(orjson.dumps(row) + b"\n" for row in rows))
    return path
