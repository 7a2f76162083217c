"""The command `webtext train`."""

import shlex
import sys
from typing import Annotated, Literal

import typer

from flows.commands.complete import complete_corpus
from flows.commands.flow_session import flow_session
from flows.commands.options import DATA, Data, Overrides, RecipeName, console


def train(
    recipe: RecipeName,
    corpus: Annotated[
        str,
        typer.Option(
            help="A tokens folder, or the beginning of its hash.", autocompletion=complete_corpus
        ),
    ],
    runner: Annotated[
        Literal["process", "ray"],
        typer.Option(help="Who starts the train.processes: this machine, or Ray (RAY_ADDRESS)."),
    ] = "process",
    init_from: Annotated[
        str | None,
        typer.Option(
            metavar="WEIGHTS",
            help="Fine-tune: a run, a checkpoint or Hugging Face folder, or a GPT-2 of the hub.",
        ),
    ] = None,
    data: Data = DATA,
    overrides: Overrides = None,
) -> None:
    """Train a GPT-2 on a corpus.

    A stopped or killed training goes on at its last checkpoint, also with another number of
    processes. Ctrl-C ends the step at work and saves; a second one stops at once.
    """
    from flows.corpora.catalog import find_corpus
    from flows.recipe import load_recipe

    given = [f"train.runner={runner}"] if runner != "process" else []
    given += [] if init_from is None else [f"train.init_from={init_from!r}"]
    loaded = load_recipe(recipe, [*(overrides or []), *given])
    tokens = find_corpus(data, corpus)
    from model.stopped import TrainingStoppedError

    try:
        with flow_session(console, data, "flows.train_model"):
            from flows.train_model import train_model

            folder = train_model(loaded, tokens, data)
    except TrainingStoppedError as stopped:
        command = shlex.join(["webtext", *sys.argv[1:]])
        console.print(f"stopped after step {stopped.step:,}, which is saved: {stopped.folder}")
        console.print(f"resume with: {command}")
        return
    console.print(f"checkpoint: {folder / 'checkpoint'}")
