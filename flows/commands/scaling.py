"""The command `webtext scaling`: a family of sizes on one corpus, the paper's figure 4."""

from typing import TYPE_CHECKING, Annotated

import typer

from flows.commands.complete import complete_corpus
from flows.commands.flow_session import flow_session
from flows.commands.options import DATA, Data, Overrides, RecipeName, console

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.table import Table

    from corpus.tokens.splits import Split
    from flows.scaling.stage import Scaling


def scaling(
    recipe: RecipeName,
    corpus: Annotated[
        str,
        typer.Option(
            help="A tokens folder, or the beginning of its hash.", autocompletion=complete_corpus
        ),
    ],
    data: Data = DATA,
    overrides: Overrides = None,
) -> None:
    """Train a family of sizes, and plot perplexity against size.

    Sizes that are trained are not trained again. The recipe `scaling` has four tiny ones: about
    ten minutes on two cores.
    """
    from flows.corpora.catalog import find_corpus
    from flows.recipe import load_recipe

    loaded = load_recipe(recipe, overrides)
    tokens = find_corpus(data, corpus)
    with flow_session(console, data):
        from flows.scale_models import scale_models

        folder = scale_models(loaded, tokens, data)
    from flows.reports.render_scaling import PAGE, SPLIT_NAMES
    from flows.scaling.stage import read_scaling

    found = read_scaling(folder)
    console.print(_table(found, SPLIT_NAMES))
    for split, name in SPLIT_NAMES.items():
        fit = found.fits[split]
        console.print(
            f"{name}: log(perplexity) = {fit.intercept:.3f} {fit.slope:+.4f} log(parameters), "
            f"R² {fit.r_squared:.3f}",
        )
    console.print(f"report: {folder / PAGE}")


def _table(scaling: "Scaling", split_names: "Mapping[Split, str]") -> "Table":
    from flows.corpora.summary import show_short
    from flows.corpora.tables import plain_table

    sizes = ("layers\nx width", "parameters>", "with\nembeddings>")
    perplexities = (f"{name} ppl>" for name in split_names.values())
    table = plain_table(*sizes, *perplexities, "run")
    for row in scaling.rows:
        table.add_row(
            f"{row.n_layer} x {row.n_embd}",
            show_short(row.num_parameters),
            show_short(row.num_parameters_with_embeddings),
            *(f"{row.perplexity[split]:.1f}" for split in split_names),
            row.run,
        )
    return table
