"""Weights by name: a folder here, or a GPT-2 of the Hugging Face hub, fetched once and kept.

`HF_ENDPOINT` names a mirror of the hub, `HF_HOME` the folder that keeps what was fetched, and
`HF_HUB_OFFLINE=1` forbids to ask: huggingface_hub reads them from the environment.
"""

from pathlib import Path

import httpx2
from huggingface_hub import constants, snapshot_download
from huggingface_hub.errors import (
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
)

from corpus.errors import UsageError, WebtextError
from model.hugging_face.config import CONFIG
from model.settings import CHECKPOINT

"""`model.checkpoint.CHECKPOINT`, without importing torch for a name."""

# OpenAI named its sizes twice: as in the paper, and after counting the parameters again.
_SIZES = {
    "gpt2": ("117M", "124M"),
    "gpt2-medium": ("345M", "355M"),
    "gpt2-large": ("762M", "774M"),
    "gpt2-xl": ("1542M", "1558M", "1.5B"),
}
_REPOSITORIES = {
    name: f"openai-community/{model}" for model, sizes in _SIZES.items() for name in (model, *sizes)
}

# What we read, and no more: a model's page may hold the same weights in six formats, some of them
# pickled.
_FILES = [
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "model-*-of-*.safetensors",
    "model.safetensors.index.json",
    "encoder.json",
    "merges.txt",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.bpe",
    "vocab.json",
]


def resolve_weights(name: str) -> Path:
    """The checkpoint folder that `name` means, fetched from the hub if need be.

    Args:
        name: A checkpoint or Hugging Face folder, a run's folder, or a GPT-2 of the hub:
            `gpt2-xl`, OpenAI's size `1542M`, or any `owner/model`. A folder comes first.

    Raises:
        UsageError: it is neither.
        WebtextError: the hub does not answer, does not have it, or has no safetensors of it.
    """
    path = Path(name).expanduser()
    if path.is_dir():
        inside = path / CHECKPOINT
        return inside if (inside / CONFIG).is_file() else path
    repository = _REPOSITORIES.get(name, name)
    if path.exists() or repository.count("/") != 1 or name[0] in "./~":
        raise UsageError(
            f"there is no folder {name}, and it names no model of the Hugging Face hub",
            hint=f"Give a checkpoint folder, one of {', '.join(_REPOSITORIES)}, or OWNER/MODEL.",
        )
    folder = _fetch(repository)
    if not any(folder.glob("model*.safetensors")):
        raise WebtextError(
            f"{repository} has no safetensors, the only kind of weights that is read",
            hint="Choose another copy of the model, or convert it with transformers' "
            "save_pretrained and give the folder.",
        )
    return folder


def _fetch(repository: str) -> Path:
    try:
        return Path(snapshot_download(repository, allow_patterns=_FILES))
    except HFValidationError as exc:
        raise UsageError(
            f"{repository} is no name of a model on the Hugging Face hub: {exc}",
            hint="Write OWNER/MODEL, for example openai-community/gpt2.",
        ) from exc
    except RepositoryNotFoundError as exc:
        raise WebtextError(
            f"{constants.ENDPOINT} has no model {repository}, or shows it to members only",
            hint="See to the name; for a private model, set HF_TOKEN.",
        ) from exc
    except LocalEntryNotFoundError as exc:
        reason = "it cannot be reached" if exc.__cause__ is None else f"{exc.__cause__}"
        raise _unreachable(repository, reason) from exc
    except (httpx2.HTTPError, OSError) as exc:
        raise _unreachable(repository, f"{exc}") from exc


def _unreachable(repository: str, reason: str) -> WebtextError:
    return WebtextError(
        f"{repository} is not here, and could not be fetched from {constants.ENDPOINT}: {reason}",
        hint="See to the network, HF_HUB_OFFLINE and HF_ENDPOINT (a mirror) and try again: what "
        "was fetched is kept. Or fetch it elsewhere with `hf download "
        f"{repository} --local-dir FOLDER` and give that FOLDER.",
    )
