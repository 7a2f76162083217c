"""What the shell offers behind a command: recipes, corpora, runs, tasks.

A person waits for it at every press of Tab, so nothing here imports Prefect or torch.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import typer

from corpus.errors import WebtextError
from corpus.manifest import is_finished, is_withdrawn
from flows.recipe_files import recipe_names


def is_completing() -> bool:
    """Whether the shell asks, and not a person: then no server is."""
    return "_WEBTEXT_COMPLETE" in os.environ


def complete_recipe(incomplete: str) -> list[str]:
    """Recipes that we ship, and TOML files."""
    folder = Path(incomplete).parent
    files = sorted(map(str, folder.glob("*.toml")))
    return [name for name in (*recipe_names(), *files) if name.startswith(incomplete)]


def complete_corpus(ctx: typer.Context, incomplete: str) -> list[str]:
    """The hashes of the corpora in the data folder, the newest first."""
    from flows.corpora.summary import corpora, corpus_hash

    try:
        known = [f for f, _ in corpora(_data(ctx)) if not is_withdrawn(f)]
        names = [corpus_hash(folder) for folder in reversed(known)]
    except WebtextError:  # a damaged manifest is for commands to tell of
        return []
    return [name for name in names if name.startswith(incomplete)]


def complete_run(ctx: typer.Context, incomplete: str) -> list[str]:
    """The ids of the finished runs in the data folder."""
    return sorted(name for name in _finished(_data(ctx) / "runs") if name.startswith(incomplete))


def complete_subject(ctx: typer.Context, incomplete: str) -> list[str]:
    """What a report can be of: runs, then corpora."""
    return [*complete_run(ctx, incomplete), *complete_corpus(ctx, incomplete)]


def complete_tasks(incomplete: str) -> list[str]:
    """Evaluation tasks, behind those that are named already: `lambada,wiki` -> `...,wikitext2`."""
    from evaluation.settings import EvaluateConfig

    named, comma, begun = incomplete.rpartition(",")
    tasks = EvaluateConfig().tasks
    fitting = [t for t in tasks if t.startswith(begun) and t not in named.split(",")]
    return [f"{named}{comma}{task}" for task in fitting]


def _data(ctx: typer.Context) -> Path:
    given = ctx.params.get("data")
    return Path(str(given)) if given else Path("data")


def _finished(folder: Path) -> Iterator[str]:
    return (path.name for path in folder.glob("*") if is_finished(path))
