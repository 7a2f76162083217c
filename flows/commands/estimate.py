"""The command `webtext estimate`."""

import dataclasses
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.table import Table

from flows.commands.options import (
    CORES,
    DATA,
    Benchmarks,
    Data,
    Overrides,
    RecipeName,
    Workers,
    console,
    with_benchmarks,
)

if TYPE_CHECKING:
    from flows.estimate.corpus_stages import StageEstimate


def estimate(
    recipe: RecipeName,
    until: Annotated[
        Literal["tokens"] | None, typer.Option(help="`tokens`: as `webtext build`, no training.")
    ] = None,
    links: Annotated[
        int | None, typer.Option(min=1, help="Links to crawl, if you know better than the dumps.")
    ] = None,
    mbit: Annotated[float, typer.Option(min=0.01, help="The network, in Mbit/s.")] = 100.0,
    gpu: Annotated[
        str | None,
        typer.Option(metavar="NAME", help='As of another machine: "H100 80GB HBM3".'),
    ] = None,
    price_per_hour: Annotated[
        float | None, typer.Option(min=0, help="What the machine costs, in any currency.")
    ] = None,
    data: Data = DATA,
    workers: Workers = CORES,
    benchmarks: Benchmarks = None,
    overrides: Overrides = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """What a recipe is going to take, before anything runs.

    Time, disk, memory, network and cost per stage: by the runs in the data folder if there are any,
    or by shipped rates and this machine's speed. Says what it assumes.
    """
    from flows.estimate.plan import plan
    from flows.recipe import load_recipe

    loaded = load_recipe(recipe, with_benchmarks(overrides, benchmarks))
    with console.status("Measuring this machine"):
        found = plan(loaded, data, workers, until=until, links=links, mbit_per_s=mbit, gpu=gpu)
    rows = [*found.stages, found.total]
    if as_json:
        stages = [{**dataclasses.asdict(row), **_cost(row, price_per_hour)} for row in rows]
        answer = {"recipe": loaded.name, "stages": stages, "notes": found.notes}
        console.print_json(data=answer, indent=None, highlight=False)
        return
    console.print(_table(rows, price_per_hour))
    for note in found.notes:
        console.print(f"- {note}")


def _cost(row: "StageEstimate", price_per_hour: float | None) -> dict[str, float]:
    return {} if price_per_hour is None else {"cost": row.seconds / 3600 * price_per_hour}


def _table(rows: "list[StageEstimate]", price_per_hour: float | None) -> Table:
    from flows.corpora.summary import show_bytes, show_short

    columns = ["stage", "in", "time", "range", "disk", "memory", "network"]
    columns += [] if price_per_hour is None else ["cost"]
    table = Table(box=None, pad_edge=False, padding=(0, 1), header_style="bold")
    for column in columns:
        table.add_column(column, justify="left" if column == "stage" else "right", no_wrap=True)
    for row in rows:
        cost = [f"{each:,.2f}" for each in _cost(row, price_per_hour).values()]
        table.add_row(
            row.name,
            show_short(round(row.units)) if row.units else "",
            _time(row.seconds),
            _range(row.low_s, row.high_s),
            *(show_bytes(size) if size else "" for size in (row.disk_bytes, row.memory_bytes)),
            show_bytes(row.network_bytes) if row.network_bytes else "",
            *cost,
        )
    return table


def _range(low_s: float, high_s: float) -> str:
    """`23 to 48 min`, `21 h to 53 d`."""
    low, high = _time(low_s), _time(high_s)
    same_unit = low.split()[1] == high.split()[1]
    return f"{low.split()[0] if same_unit else low} to {high}"


def _time(seconds: float) -> str:
    """`12 s`, `4.2 min`, `16 h`, `18 d`: one unit, two figures."""
    for unit_s, least_s, unit in ((86_400, 172_800, "d"), (3_600, 7_200, "h"), (60, 120, "min")):
        if seconds >= least_s:
            return f"{_two_figures(seconds / unit_s)} {unit}"
    return f"{_two_figures(seconds)} s"


def _two_figures(value: float) -> str:
    return f"{value:,.0f}" if round(value, 1) >= 10 else f"{value:.1f}"
