"""A corpus -> a new version of it without what benchmarks hold."""

from collections.abc import Sequence
from pathlib import Path

from corpus.settings import Section
from dedup.decontamination import stage
from dedup.decontamination.cuts import DecontaminationConfig
from dedup.decontamination.plan import Plan, plan
from flows.build_corpus import finish_corpus
from flows.corpora.summary import documents_of
from flows.product import product
from flows.recipe import Recipe
from flows.report_overlap import find_matches
from flows.run_stage import Stage, run_stage

DECONTAMINATED = Stage(stage.STAGE, stage.run, stage.LIBRARIES)


@product("plan_decontamination")
def plan_decontamination(
    recipe: Recipe,
    config: DecontaminationConfig,
    tokens: Path,
    data: Path,
    workers: int = 1,
    texts: Sequence[Path] = (),
) -> tuple[dict[str, Path], Plan]:
    """Look for the benchmarks, and say what would go; nothing of the corpus is written.

    Returns:
        The inputs for `decontaminate_corpus`, and the plan.
    """
    matches = find_matches(recipe, tokens, data, workers, texts)
    inputs = {"documents": documents_of(tokens), "matches": matches}
    return inputs, plan(config, inputs)


@product("decontaminate_corpus")
def decontaminate_corpus(
    recipe: Recipe, config: Section, inputs: dict[str, Path], data: Path, workers: int = 1
) -> Path:
    """Take out what the matches say, and make tokens and index of what is left.

    Returns:
        The new corpus: a tokens folder. The old one stays as it is.
    """
    documents = run_stage(DECONTAMINATED, config, inputs, data, workers)
    return finish_corpus(recipe, documents, data, workers)
