"""The command `webtext export`: a trained model as a folder of its own, for other software."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from corpus.errors import UsageError
from corpus.manifest import read_manifest
from corpus.storage.files import fetch_files
from flows.commands.options import DATA, Data, console
from flows.corpora.catalog import find_run
from flows.corpora.summary import corpus_hash, lineage

if TYPE_CHECKING:
    from model.hugging_face.model_card import CardFacts

# torch takes seconds to import, `--help` should not: the model's modules are imported at work.

_HOW_TO_LOAD = """\
from transformers import AutoModelForCausalLM, AutoTokenizer
model = AutoModelForCausalLM.from_pretrained({folder!r})
tokenizer = AutoTokenizer.from_pretrained({folder!r})"""


def export(
    run: Annotated[
        str,
        typer.Argument(help="A run folder, the beginning of its id, or a checkpoint folder."),
    ],
    folder: Annotated[Path, typer.Argument(help="Where to write; must be new or empty.")],
    data: Data = DATA,
) -> None:
    """Write a trained model as a Hugging Face folder.

    Weights (safetensors), config, tokenizer and a model card with what the run measured.
    """
    from model.checkpoint import load_checkpoint, save_weights

    _check_free(folder)
    checkpoint_folder, facts = _find(run, data)
    checkpoint = load_checkpoint(checkpoint_folder)
    model, target = checkpoint.model, folder.absolute()
    part = target.with_name(f".{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)  # of an export that was killed
    try:
        weights = model.state_dict()
        save_weights(part, weights, model.config, checkpoint.tokenizer, checkpoint.step, facts)
        part.replace(target)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    console.print(_HOW_TO_LOAD.format(folder=str(folder)))
    console.print(f"export: {folder}")


def _check_free(folder: Path) -> None:
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise UsageError(
            f"{folder} is there already and not empty: nothing is overwritten",
            hint="Name a new folder, or remove that one.",
        )


def _find(run: str, data: Path) -> "tuple[Path, CardFacts]":
    """The checkpoint folder that `run` means, and what a run's manifest adds to its card."""
    from model.hugging_face.config import CONFIG
    from model.hugging_face.model_card import NO_FACTS
    from model.settings import CHECKPOINT

    if (Path(run) / CONFIG).is_file():
        return Path(run), NO_FACTS
    folder = find_run(data, run)
    fetch_files(folder)
    return folder / CHECKPOINT, _facts(folder)


def _facts(run: Path) -> "CardFacts":
    from model.hugging_face.model_card import CardFacts

    figures = read_manifest(run).figures
    tokens = lineage(run).get("tokens")
    return CardFacts(
        tokens_seen=int(figures["num_tokens_seen"]),
        val_loss=float(figures["val_loss"]) if "val_loss" in figures else None,
        corpus=corpus_hash(tokens) if tokens else None,
    )
