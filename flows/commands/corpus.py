"""The commands `webtext corpus ...`: which corpora there are, and what becomes of them."""

from pathlib import Path
from typing import Annotated

import typer

from flows.commands.flow_session import flow_session
from flows.commands.options import CORES, DATA, Corpus, Data, RunName, Workers, console

corpus_app = typer.Typer(
    help="List, show, verify, compare corpora; take pages out.", no_args_is_help=True
)


@corpus_app.command("list")
def list_corpora(data: Data = DATA) -> None:
    """The corpora in the data folder, oldest first."""
    from flows.corpora.tables import describe_corpora

    console.print(describe_corpora(data))


@corpus_app.command("show")
def show_corpus(
    corpus: Corpus,
    rejects: Annotated[str | None, typer.Option(help="Random things dropped as REASON.")] = None,
    domain: Annotated[str | None, typer.Option(help="Only what is of this domain.")] = None,
    sample: Annotated[int | None, typer.Option(min=1, help="How many to show, 5.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Another one shows others.")] = 0,
    data: Data = DATA,
) -> None:
    """What a corpus holds and how it came about; or random documents.

    Funnel, languages, licences, presets, sizes, history and folders.
    """
    from flows.corpora.history import find_recorded
    from flows.corpora.samples import show

    console.print(show(find_recorded(data, corpus), rejects, domain, sample, seed))


@corpus_app.command("verify")
def verify(corpus: Corpus, data: Data = DATA) -> None:
    """Check every byte against the manifests."""
    from flows.corpora.catalog import find_corpus, verify_lineage

    num_files, num_bytes = verify_lineage(find_corpus(data, corpus))
    console.print(f"{num_files} files, {num_bytes / 1e6:,.1f} MB: every byte as the manifests say")


@corpus_app.command("diff")
def diff(
    old: Corpus,
    new: Corpus,
    examples: Annotated[int, typer.Option(min=0, help="Addresses shown of each kind.")] = 3,
    data: Data = DATA,
) -> None:
    """What a rebuild added, changed and dropped, and why.

    Also which settings and library versions differ.
    """
    from flows.corpora.diff import diff_corpora
    from flows.corpora.diff_tables import describe_diff
    from flows.corpora.history import find_recorded

    corpora = find_recorded(data, old), find_recorded(data, new)
    console.print(describe_diff(diff_corpora(*corpora, examples)))


@corpus_app.command("pages")
def pages(
    run: RunName,
    step: Annotated[int, typer.Option(min=1, help="A step of the run, as metrics.jsonl counts.")],
    data: Data = DATA,
) -> None:
    """Which pages a training step read: what was in step 12,345?"""
    from flows.corpora.catalog import find_run
    from flows.corpora.step_documents import step_table

    training = next((path for path in (Path(run), data / "runs" / run) if path.is_dir()), None)
    console.print(step_table(training or find_run(data, run), step))


@corpus_app.command("takedown")
def takedown(
    entries: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="ENTRY",
            help="A domain, an address, or how addresses begin and a *.",
        ),
    ] = None,
    entry_list: Annotated[
        Path | None, typer.Option("--list", help="A file with an entry a line.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before doing it.")] = False,
    data: Data = DATA,
    workers: Workers = CORES,
) -> None:
    """Take pages out of every corpus, for good.

    Shows what would go, and asks. Makes a new version of each corpus that holds a page of the
    entries, from documents to tokens and n-gram index, takes the old version's data away, and puts
    the entries on takedown.txt, which every later build obeys. Without an entry it applies the list
    as it stands. What it does not reach: docs/takedown.md.
    """
    from crawler.links.takedown import read_list

    wanted = [*(entries or []), *(read_list(entry_list).splitlines() if entry_list else [])]
    with flow_session(console, data):
        from flows.take_down import take_down
        from flows.takedown.lines import closing_lines, plan_lines
        from flows.takedown.plan import plan_takedown

        plan = plan_takedown(data, wanted, workers)
        console.print(plan_lines(plan))
        if not (yes or plan.is_empty or typer.confirm("Take it down?")):
            console.print("Nothing was changed.")
            return
        console.print(closing_lines(take_down(wanted, data, workers)))
