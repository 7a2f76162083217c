"""What several commands share: options, arguments, and where they print."""

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

console = Console(stderr=False, highlight=False)

DATA = Path("data")
CORES = os.cpu_count() or 1

Data = Annotated[Path, typer.Option("--data", help="Folder for everything webtext makes.")]
Workers = Annotated[
    int,
    typer.Option(
        "--workers", min=1, show_default="one per core", help="Worker processes per stage."
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a field of the recipe; repeatable."),
]
Benchmarks = Annotated[
    Path | None,
    typer.Option("--benchmarks", help="Folder of benchmark files (docs/data-format.md)."),
]
RecipeName = Annotated[str, typer.Argument(help="A TOML file, or the name of one that we ship.")]
Corpus = Annotated[str, typer.Argument(help="A tokens folder, or the beginning of its hash.")]
RunName = Annotated[str, typer.Argument(help="A run folder, or the beginning of its id.")]
Every = Annotated[
    float | None,
    typer.Option(
        "--every", min=0.01, metavar="MINUTES", help="Go on, a round so often, until Ctrl-C."
    ),
]


def with_benchmarks(overrides: list[str] | None, benchmarks: Path | None) -> list[str]:
    """The overrides of a recipe, the folder of benchmark files among them."""
    named = [] if benchmarks is None else [f"benchmarks={str(benchmarks)!r}"]
    return [*(overrides or []), *named]
