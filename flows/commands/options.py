"""What several commands share: options, arguments, and where they print."""

import os
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from corpus.errors import UsageError
from flows.commands.complete import (
    complete_corpus,
    complete_recipe,
    complete_run,
    complete_subject,
    is_completing,
)

# Neither breaks a line nor reads markup: what is printed are paths, addresses and commands to copy,
# and names that somebody else chose.
console = Console(stderr=False, highlight=False, markup=False, soft_wrap=True)

DATA = Path("data")
CORES = os.cpu_count() or 1


def _open_data(location: str | Path) -> Path:
    """A data folder as it is; of an `s3://` URL the local mirror."""
    if is_completing() or ("s3:" not in str(location) and "://" not in str(location)):
        path = Path(location)
        if path.exists() and not path.is_dir():
            raise UsageError(f"{path} is a file", hint="Give --data a folder; it may be a new one.")
        return path
    from corpus.storage.mirror import open_data  # pyarrow and S3 take a while, and few need them

    return open_data(str(location))


Data = Annotated[
    Path,
    typer.Option(
        "--data",
        metavar="DIR",
        parser=_open_data,
        help="Folder for everything webtext makes; or s3://BUCKET/PATH (docs/storage.md).",
    ),
]
Workers = Annotated[
    int,
    typer.Option(
        "--workers", min=1, show_default="one per core", help="Worker processes per stage."
    ),
]
RunnerName = Annotated[
    Literal["process", "ray"] | None,
    typer.Option(
        "--runner",
        help="Who does the work: processes of this machine, or Ray (runner.address, RAY_ADDRESS).",
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
RecipeName = Annotated[
    str,
    typer.Argument(
        help="A TOML file, or the name of one that we ship.", autocompletion=complete_recipe
    ),
]
Corpus = Annotated[
    str,
    typer.Argument(
        help="A tokens folder, or the beginning of its hash.", autocompletion=complete_corpus
    ),
]
RunName = Annotated[
    str,
    typer.Argument(help="A run folder, or the beginning of its id.", autocompletion=complete_run),
]
Subjects = Annotated[
    list[str],
    typer.Argument(
        metavar="RUN_OR_CORPUS",
        help="A run or a corpus: its folder, or the beginning of its id or hash.",
        autocompletion=complete_subject,
    ),
]
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


def with_extends(overrides: list[str] | None, extends: str | None) -> list[str]:
    """The overrides of a recipe, the corpus that it extends among them."""
    return [*(overrides or []), *([] if extends is None else [f"extends={extends!r}"])]


def with_runner(overrides: list[str] | None, runner: str | None) -> list[str]:
    """The overrides of a recipe, who does the work among them."""
    return [*(overrides or []), *([] if runner is None else [f"runner.kind={runner!r}"])]
