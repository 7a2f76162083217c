"""The command `webtext doctor`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from flows.commands.complete import complete_recipe
from flows.commands.options import CORES, Benchmarks, Overrides, Workers, console

if TYPE_CHECKING:
    from flows.doctor.check import Check

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


def doctor(
    recipe: Annotated[
        str | None,
        typer.Argument(help="Look also at what this recipe needs.", autocompletion=complete_recipe),
    ] = None,
    data: Annotated[
        str, typer.Option("--data", metavar="DIR", help="The data folder; or s3://BUCKET/PATH.")
    ] = "data",
    workers: Workers = CORES,
    benchmarks: Benchmarks = None,
    overrides: Overrides = None,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON object per line.")] = False,
) -> None:
    """Is everything as webtext needs it?

    A line per thing: ok, or what to do. Versions, disk, memory, open files, GPUs, Reddit's
    credentials, servers, locks, benchmark files. Changes nothing; exits 1 if something that is
    needed fails.
    """
    import dataclasses

    from flows.doctor.examine import examine
    from flows.recipe import load_recipe

    loaded = None if recipe is None else load_recipe(recipe, overrides)
    with console.status("Looking"):
        checks = list(examine(data, workers, loaded, benchmarks))
    if as_json:
        for each in checks:
            console.print_json(data=dataclasses.asdict(each), indent=None, highlight=False)
    else:
        _print_lines(checks)
    if any(each.status == "fail" for each in checks):
        raise typer.Exit(1)


def _print_lines(checks: "Sequence[Check]") -> None:
    for each in checks:  # never wrapped: commands are there to be copied
        status = Text(f"{each.status:<5}", _COLOURS[each.status])
        console.print(status, f"{each.name:<12}", Text(each.seen), sep="")
        if each.remedy:
            console.print(" " * 17 + each.remedy, style="dim")
