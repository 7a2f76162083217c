"""The commands `webtext benchmarks ...`: list the benchmark files, fetch them, check them."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from corpus.benchmarks.catalog import BenchmarkFile, BenchmarkSet
from corpus.benchmarks.published_sets import PUBLISHED_SETS
from corpus.errors import UsageError, WebtextError
from flows.commands.display import current_display, open_display
from flows.commands.options import console
from flows.commands.terminal_text import printable

if TYPE_CHECKING:
    from corpus.benchmarks.check import Finding

benchmarks = typer.Typer(
    help="List, fetch and check the files of the paper's benchmarks.", no_args_is_help=True
)


@benchmarks.command("list")
def list_sets(
    folder: Annotated[
        Path | None,
        typer.Option("--benchmarks", metavar="DIR", help="Say too what of it is in this folder."),
    ] = None,
) -> None:
    """The files of every set: who reads them, terms, where to get them."""
    if folder is not None:
        _check_folder(folder)
    table = _table("file", "tasks", "examples>", *(["state"] if folder else []))
    for each in PUBLISHED_SETS:
        for file in each.files:
            state = [_presence(folder, file)] if folder else []
            table.add_row(file.path, _tasks(file), _count(file.num_examples), *state)
    console.print(table)
    _print_sources(PUBLISHED_SETS)


@benchmarks.command("check")
def check(
    folder: Annotated[
        Path, typer.Option("--benchmarks", metavar="DIR", help="Folder of benchmark files.")
    ],
) -> None:
    """Compare every file that is there with what was published.

    Its size, its sha256 where one was published, and the number of examples that its reader finds.
    """
    from corpus.benchmarks.check import check_file

    _check_folder(folder)
    findings: list[tuple[BenchmarkFile, Finding]] = []
    for file in (file for each in PUBLISHED_SETS for file in each.files):
        with console.status(file.path):
            findings.append((file, check_file(folder, file)))
    _print_findings(findings)
    damaged = [file for file, finding in findings if finding.state == "damaged"]
    if damaged:
        again = _fetch_command(sorted({_set_name(file) for file in damaged}), folder)
        raise WebtextError(
            f"damaged in {folder}: {', '.join(file.path for file in damaged)}",
            hint=f"Remove what is damaged, then run `{again}`.",
        )


@benchmarks.command("fetch")
def fetch(
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="Folder of benchmark files.")],
    sets: Annotated[
        list[str] | None,
        typer.Argument(metavar="SET", help="As `list` names them; all by default."),
    ] = None,
) -> None:
    """Download what is missing, 2.5 GB for all sets.

    Files that are there are left alone. A stopped download goes on where it was. It is for you to
    keep to the terms that `list` shows.
    """
    fetch_sets(_chosen(sets or []), to)


def fetch_sets(chosen: Sequence[BenchmarkSet], to: Path) -> None:
    """Fetch sets one after the other, and say in the end which could not be.

    Raises:
        WebtextError: some could not be fetched; the others were.
    """
    from corpus.benchmarks.fetch import fetch_set

    failed: list[str] = []
    with open_display(console):
        for each in chosen:
            display = current_display()
            try:
                fetched = fetch_set(each, to, display.stage(each.name))
            except WebtextError as exc:
                display.failed(each.name, printable(f"{exc.message}. {exc.hint}"))
                failed.append(each.name)
            else:
                names = ", ".join(file.path for file in fetched)
                display.done(each.name, f"fetched {names}" if names else "is there")
    if failed:
        raise WebtextError(
            f"not fetched: {', '.join(failed)}",
            hint=f"See above why. To try again: `{_fetch_command(failed, to)}`.",
        )


def _chosen(names: Sequence[str]) -> list[BenchmarkSet]:
    known = {each.name: each for each in PUBLISHED_SETS}
    if unknown := [name for name in names if name not in known]:
        raise UsageError(
            f"there is no benchmark set {', '.join(unknown)}", hint=f"Choose of {', '.join(known)}."
        )
    return [known[name] for name in names or known]


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise UsageError(
            f"there is no folder {folder}",
            hint=f"Make it with `{_fetch_command([], folder)}`, or give another.",
        )


def _fetch_command(names: Sequence[str], folder: Path) -> str:
    return " ".join(["webtext benchmarks fetch", *names, "--to", shlex.quote(str(folder))])


def _print_findings(findings: "Sequence[tuple[BenchmarkFile, Finding]]") -> None:
    table = _table("file", "state", "examples>", "sha256")
    for file, finding in findings:
        known = "as published" if file.sha256 else "no published sum"
        remark = finding.problem or ("" if finding.state == "missing" else known)
        table.add_row(file.path, finding.state, _count(finding.num_examples), remark)
    console.print(table)
    if unknown := [each for each in findings if not each[0].sha256 and each[1].sha256]:
        console.print("\nNo sum of these was published; computed:")
    for file, finding in unknown:  # as sha256sum writes them, and reads with --check
        console.print(f"{finding.sha256}  {file.path}")
    missing = {_set_name(file) for file, finding in findings if finding.state == "missing"}
    if missing:
        console.print("\nWhere to get what is missing:")
    _print_sources([each for each in PUBLISHED_SETS if each.name in missing])


def _print_sources(sets: Sequence[BenchmarkSet]) -> None:
    for each in sets:
        console.print(f"\n{each.name}: {each.terms}")
        for address in each.addresses:  # never wrapped: they are there to be copied
            console.print(f"  {address}")


def _presence(folder: Path, file: BenchmarkFile) -> str:
    return "there" if (folder / file.path).is_file() else "missing"


def _set_name(file: BenchmarkFile) -> str:
    return file.path.partition("/")[0]


def _tasks(file: BenchmarkFile) -> str:
    return ", ".join(file.tasks) or "(overlap)"


def _count(number: int | None) -> str:
    return "" if number is None else f"{number:,}"


def _table(*columns: str) -> Table:
    """As the other commands' tables, whose module takes two seconds to import; `x>`: numbers."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        is_last = column == columns[-1]
        table.add_column(
            column.rstrip(">"),
            justify="right" if column.endswith(">") else "left",
            no_wrap=not is_last,
            overflow="fold",
        )
    return table
