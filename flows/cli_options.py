"""The options and arguments that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

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
