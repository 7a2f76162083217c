"""The command `webtext sample`: let a trained model write."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from corpus.errors import UsageError
from flows.commands.options import DATA, Data, Overrides, console
from flows.commands.terminal_text import printable

# torch takes seconds to import, `--help` should not: the model's modules are imported at work.


def sample(
    run: Annotated[
        str,
        typer.Argument(
            help="A run, also one that still trains: its folder, or the beginning of its id. Or a "
            "checkpoint or Hugging Face folder, or a GPT-2 of the hub."
        ),
    ],
    prompt: Annotated[
        str | None, typer.Option(help="Text to go on from; without: a new document.")
    ] = None,
    prompts: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Go on from each line of this file.")
    ] = None,
    num: Annotated[int, typer.Option(min=1, help="Texts per prompt.")] = 1,
    data: Data = DATA,
    overrides: Overrides = None,
) -> None:
    """Let a trained model write.

    A terminal shows the text as it is written. How long and how boldly: --set
    sample.max_new_tokens=200, sample.temperature=0.8 (0: always the likeliest token),
    sample.top_k=40 (or all), sample.top_p=0.9, sample.seed=1.
    """
    from flows.recipe import load_recipe

    config = load_recipe("webtext", overrides).sample
    texts = [text for text in _read_prompts(prompt, prompts) for _ in range(num)]

    from flows.corpora.find_weights import find_weights
    from model.checkpoint import fastest_device, load_checkpoint
    from model.generation.text import write_texts

    checkpoint = load_checkpoint(find_weights(data, run), fastest_device())
    written = write_texts(checkpoint, texts, config)
    for number, (text, pieces) in enumerate(zip(texts, written, strict=True), start=1):
        if len(texts) > 1:
            console.print(f"--- {number} of {len(texts)} ---")
        _show(text, pieces)


def _read_prompts(prompt: str | None, file: Path | None) -> list[str]:
    if file is None:
        return [prompt or ""]
    if prompt is not None:
        raise UsageError("--prompt and --prompts are both given", hint="Give one of them.")
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as exc:
        raise UsageError(
            f"the prompts {file} cannot be read: {exc}", hint="Give a UTF-8 text file."
        ) from exc
    if texts := [line for line in lines if line.strip()]:
        return texts
    raise UsageError(f"{file} holds no prompt", hint="Write one prompt per line.")


def _show(prompt: str, pieces: Iterable[str]) -> None:
    """Print a prompt and what follows it: as it comes on a terminal, else exactly as it is."""
    if not console.is_terminal:
        console.file.write(f"{prompt}{''.join(pieces)}\n")
        return
    console.out(printable(prompt), end="", highlight=False)
    for piece in pieces:
        console.out(printable(piece), end="", highlight=False)
    console.out("")
