"""The command `webtext memorisation`: does a model repeat its training text?"""

from typing import Annotated

import typer

from flows.commands.flow_session import flow_session
from flows.commands.options import (
    CORES,
    DATA,
    Data,
    Overrides,
    RunName,
    RunnerName,
    Workers,
    console,
    with_runner,
)


def memorisation(
    run: RunName,
    recipe: Annotated[
        str,
        typer.Option(
            help="Recipe with the sections to use: memorisation, sample, ngrams, matches."
        ),
    ] = "webtext",
    data: Data = DATA,
    workers: Workers = CORES,
    runner: RunnerName = None,
    overrides: Overrides = None,
) -> None:
    """Does a trained model repeat its training text?

    Lets it write texts, looks for their 8-grams in the training split, and compares them with
    held-out documents: the paper's figure 5. The report marks the longest repeats, and names the
    training documents that have them.
    """
    from flows.corpora.catalog import find_run
    from flows.corpora.summary import lineage
    from flows.recipe import load_recipe

    loaded = load_recipe(recipe, with_runner(overrides, runner))
    folder = find_run(data, run)
    with flow_session(console, data):
        from flows.check_memorisation import check_memorisation

        found = check_memorisation(loaded, folder, lineage(folder)["tokens"], data, workers)
    from flows.corpora.tables import plain_table
    from flows.reports.render_memorisation import PAGE, read_memorisation

    result = read_memorisation(found)
    labels = ("texts>", "without any %>", "under 1 %>", "median %>", "mean %>")
    shares = ("without_any", "under_1", "median", "mean")
    table = plain_table("overlap with train", *labels)
    for name, row in result["overlap"].items():
        paper = result["paper"][name]
        table.add_row(name, f"{row['num_texts']:,}", *(f"{row[share]:.2f}" for share in shares))
        table.add_row("  in the paper", "", *(paper.get(share, "") for share in shares))
    console.print(table)
    console.print(f"longest repeat: {result['longest_words']:,} words")
    console.print(f"report: {found / PAGE}")
