"""The weights of a GPT-2 folder: one safetensors file or several; pickles are never opened."""

from pathlib import Path

import orjson
from torch import Tensor

from model.hugging_face.config import unusable
from model.tensor_file import read_tensors

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
"""Where the weights are in several files: {"weight_map": {name: file}}."""

_PICKLES = ("*.bin", "*.ckpt", "*.pt", "*.pth", "*.pkl", "*.h5", "*.msgpack", "model.ckpt*")
"""Pickled weights, which can run code when they are read, and those of TensorFlow and Flax."""


def read_weight_files(folder: Path) -> dict[str, Tensor]:
    """All weights of a folder under the names they have there.

    Raises:
        WebtextError: they are missing, damaged, or not safetensors.
    """
    if (folder / WEIGHTS).is_file():
        return read_tensors(folder / WEIGHTS)
    if not (folder / INDEX).is_file():
        raise _missing(folder)
    weight_map = _read_index(folder)
    tensors: dict[str, Tensor] = {}
    for name in sorted(set(weight_map.values())):
        tensors |= read_tensors(folder / name)
    missing = sorted(weight_map.keys() - tensors.keys())
    if missing:
        raise unusable(folder, f"{INDEX} names {missing[0]}, which is in none of its files")
    return tensors


def _read_index(folder: Path) -> dict[str, str]:
    try:
        weight_map = dict(orjson.loads((folder / INDEX).read_bytes())["weight_map"])
    except (ValueError, KeyError, TypeError) as exc:
        raise unusable(folder, f"{INDEX} is damaged: {exc!r}") from exc
    for name in weight_map.values():
        # A file of this folder, not one that somebody's index points to elsewhere.
        if (
            not isinstance(name, str)
            or Path(name).name != name
            or Path(name).suffix != ".safetensors"
        ):
            raise unusable(folder, f"{INDEX} names {name!r}, which is no safetensors file here")
    return weight_map


def _missing(folder: Path) -> Exception:
    pickles = sorted({path.name for pattern in _PICKLES for path in folder.glob(pattern)})
    if not pickles:
        return unusable(folder, f"{WEIGHTS} is missing")
    return unusable(
        folder,
        f"its weights are in {pickles[0]}, and only safetensors files are read: a pickle can run "
        "code",
        hint="If you trust where it comes from, convert to safetensors: load it with transformers' "
        "GPT2LMHeadModel.from_pretrained and write it with save_pretrained.",
    )
