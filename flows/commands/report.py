"""The command `webtext report`: a run or a corpus as a page, or two of them side by side."""

from typing import Annotated

import typer

from corpus.errors import UsageError
from flows.commands.options import DATA, Data, Subjects, console


def report(
    subjects: Subjects,
    compare: Annotated[
        bool, typer.Option("--compare", help="Put two runs, or two corpora, side by side.")
    ] = False,
    data: Data = DATA,
) -> None:
    """Write the report of a run or a corpus, one HTML page.

    The funnel, the documents and what was dropped, the overlap, and of a run also the training, the
    scores and what it writes. What is not there yet is left out. The page loads nothing: send it as
    it is.
    """
    wanted = 2 if compare else 1
    if len(subjects) != wanted:
        raise UsageError(
            f"{'two names are' if compare else 'one name is'} needed, and {len(subjects)} given",
            hint="Two to compare: --compare A B. Else one run or corpus.",
        )
    from flows.corpora.catalog import find_subject

    folders = [find_subject(data, name) for name in subjects]
    if compare:
        from flows.reports.render_difference import render_difference

        page = render_difference(folders[0], folders[1], data)
    else:
        from flows.reports.render_report import render_report

        page = render_report(folders[0])
    console.print(f"report: {page}")
