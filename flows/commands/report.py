"""The command `webtext report`: a run or a corpus as a page."""

from typing import Annotated

import typer

from flows.commands.options import DATA, Data, console


def report(
    subject: Annotated[
        str,
        typer.Argument(
            metavar="RUN_OR_CORPUS",
            help="A run or a corpus: its folder, or the beginning of its id or hash.",
        ),
    ],
    data: Data = DATA,
) -> None:
    """Write the report of a run or a corpus, one HTML page.

    The funnel, the documents and what was dropped, the overlap, and of a run also the training, the
    scores and what it writes. What is not there yet is left out. The page loads nothing: send it as
    it is.
    """
    from flows.corpora.catalog import find_subject
    from flows.reports.render_report import render_report

    console.print(f"report: {render_report(find_subject(data, subject))}", soft_wrap=True)
