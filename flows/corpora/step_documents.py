"""Which pages were in a step of a training: the documents of its batch, most tokens first."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import ValidationError
from rich.text import Text

from corpus.errors import UsageError, WebtextError
from corpus.manifest import Input, is_finished, is_withdrawn, read_manifest, stage_key
from corpus.shards import read_rows, shard_name
from corpus.tokens.windows import TokenWindows
from flows.commands.terminal_text import printable
from flows.corpora.summary import corpora, source_of
from model.launch import LIBRARIES
from model.settings import CONFIG_FILE, RunConfig

_SHOWN: Final = 50


@dataclass(frozen=True)
class StepDocument:
    """A document that had tokens in a step."""

    document_id: str
    url: str
    title: str
    num_tokens: int
    """Tokens of it that the step's batch predicted, end-of-text included."""


def step_documents(run: Path, step: int) -> list[StepDocument]:
    """The documents of a step's global batch, those with the most tokens first.

    Args:
        run: A run's folder, finished or in training; the corpus lies in the same data folder.
        step: Counted from 1, as in metrics.jsonl; a run in training need not have come to it.

    Raises:
        UsageError: `run` is no run's folder, or the run has no such step.
        WebtextError: the corpus is gone, was withdrawn, is not the one that the run read, or one
            of its shards is damaged.
    """
    config, tokens = _config_and_tokens(run)
    if not 1 <= step <= config.train.steps:
        raise UsageError(
            f"{run} has no step {step}", hint=f"Give a step from 1 to {config.train.steps}."
        )
    windows = TokenWindows(tokens, "train", config.model.block_size)
    documents = source_of(tokens, "documents")
    _check_same(documents, read_manifest(tokens).inputs["documents"])
    batch = config.train.order(len(windows)).batch(step - 1, config.train.batch_size)
    by_shard: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for index in batch.tolist():
        for part in windows.documents(index):
            by_shard[part.shard][part.document_id] += part.num_tokens
    found = [each for number in by_shard for each in _named(documents, number, by_shard[number])]
    return sorted(found, key=lambda document: (-document.num_tokens, document.document_id))


def step_table(run: Path, step: int) -> Text:
    """`step_documents` for a terminal: the first of them, and how many there are.

    Raises:
        WebtextError: as `step_documents`.
    """
    documents = step_documents(run, step)
    num_tokens = sum(document.num_tokens for document in documents)
    lines = [f"step {step:,}: {num_tokens:,} tokens of {len(documents):,} documents"]
    for document in documents[:_SHOWN]:
        share = f"{document.num_tokens:,} ({100 * document.num_tokens / num_tokens:.2f} %)"
        lines += ["", f"{share}  {printable(document.title)}", printable(document.url)]
    if rest := documents[_SHOWN:]:
        rest_tokens = sum(document.num_tokens for document in rest)
        lines += ["", f"and {len(rest):,} more documents, {rest_tokens:,} tokens"]
    return Text("\n".join(lines))


def _config_and_tokens(run: Path) -> tuple[RunConfig, Path]:
    if not is_finished(run):
        return _of_unfinished(run)
    manifest = read_manifest(run)
    if manifest.stage != "run":
        raise UsageError(
            f"{run} was made by the stage {manifest.stage}: no run", hint="Give a folder in runs/."
        )
    tokens = source_of(run, "tokens")
    _check_same(tokens, manifest.inputs["tokens"])
    try:
        return RunConfig.model_validate(manifest.config), tokens
    except ValidationError as exc:
        raise WebtextError(
            f"the settings of {run} are of another version: {exc.errors()[0]['msg']}",
            hint="Ask the version of webtext that trained it.",
        ) from exc


def _of_unfinished(run: Path) -> tuple[RunConfig, Path]:
    """The settings that a trainer was given, and the tokens that make the folder's name of them."""
    try:
        config = RunConfig.model_validate_json((run / CONFIG_FILE).read_bytes())
    except (FileNotFoundError, ValidationError) as exc:
        raise UsageError(f"{run} is no folder of a run", hint="Give a folder in runs/.") from exc
    data = run.absolute().parents[1]
    for tokens, manifest in corpora(data):
        hashes = {"tokens": manifest.hash}
        if run.name == stage_key(run.absolute().parent.name, config, hashes, LIBRARIES):
            _check_there(tokens)
            return config, tokens
    raise WebtextError(
        f"no corpus in {data} is the one that {run} is trained on",
        hint="Finish the training with the versions of webtext and torch that began it; ask then.",
    )


def _check_same(folder: Path, recorded: Input) -> None:
    _check_there(folder)
    if read_manifest(folder).hash != recorded.hash:
        raise WebtextError(
            f"{folder} was made anew since, with other content",
            hint="Train on what it holds now, and ask for a step of that run.",
        )


def _check_there(folder: Path) -> None:
    if is_withdrawn(folder):
        raise WebtextError(
            f"{folder} was withdrawn by a takedown: which pages were in a step is no longer known",
            hint="Train on the version that took its place, and ask for a step of that run.",
        )


def _named(documents: Path, number: int, sizes: Counter[str]) -> Iterator[StepDocument]:
    shard = documents / shard_name("documents", number)
    for row in read_rows(shard, ["id", "url", "title"]):
        if num_tokens := sizes.get(row["id"]):
            yield StepDocument(row["id"], row["url"], row["title"] or "", num_tokens)
