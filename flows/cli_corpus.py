"""The commands `webtext corpus ...`: which corpora there are, and what becomes of them."""

from typing import Annotated

import typer

from flows.cli_options import DATA, Corpus, Data, console

corpus_app = typer.Typer(help="List, show and verify corpora.", no_args_is_help=True)


@corpus_app.command("list")
def list_corpora(data: Data = DATA) -> None:
    """The corpora in the data folder, oldest first."""
    from flows.tables import corpora_table

    console.print(corpora_table(data))


@corpus_app.command("show")
def show_corpus(
    corpus: Corpus,
    rejects: Annotated[str | None, typer.Option(help="Random things dropped as REASON.")] = None,
    domain: Annotated[str | None, typer.Option(help="Only what is of this domain.")] = None,
    sample: Annotated[int | None, typer.Option(min=1, help="How many to show, 5.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Another one shows others.")] = 0,
    data: Data = DATA,
) -> None:
    """A corpus's funnel, sizes and folders; or random documents."""
    from flows.catalog import find_corpus
    from flows.corpus_samples import show

    console.print(show(find_corpus(data, corpus), rejects, domain, sample, seed))


@corpus_app.command("verify")
def verify(corpus: Corpus, data: Data = DATA) -> None:
    """Check every byte against the manifests."""
    from flows.catalog import find_corpus, verify_lineage

    num_files, num_bytes = verify_lineage(find_corpus(data, corpus))
    console.print(f"{num_files} files, {num_bytes / 1e6:,.1f} MB: every byte as the manifests say")
