"""Tensors in a safetensors file: written one by one, so that a whole model is never copied.

The library's own writer needs every tensor contiguous at once, writes to a file of its own that
`kill -9` leaves behind, and hides a full disk among its other errors. The format is a length
(8 bytes, little-endian), a JSON header, and the bytes of the tensors.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from corpus.atomic import atomic_path
from corpus.errors import WebtextError

_DTYPES = {
    torch.float64: "F64",
    torch.int64: "I64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
}

# The bytes begin at a multiple of this, as the format asks; spaces fill the header.
_ALIGNMENT = 8


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write `tensors` atomically; the same tensors are the same bytes.

    Args:
        path: The file.
        tensors: On the CPU; views, such as transposes, are written as what they show.

    Raises:
        WebtextError: no space left.
    """
    # The widest first: then each lies aligned. Within a width by name.
    ordered = sorted(tensors.items(), key=lambda item: (-item[1].element_size(), item[0]))
    # transformers 4 refuses files without a format.
    header: dict[str, dict[str, object]] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, tensor in ordered:
        start, end = end, end + tensor.numel() * tensor.element_size()
        shape, dtype = list(tensor.shape), _DTYPES[tensor.dtype]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}
    encoded = json.dumps(header, separators=(",", ":")).encode()
    encoded += b" " * (-len(encoded) % _ALIGNMENT)
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        file.write(len(encoded).to_bytes(8, "little") + encoded)
        for _, tensor in ordered:
            file.write(tensor.detach().contiguous().view(-1).view(torch.uint8).numpy().data)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, on the CPU.

    Raises:
        WebtextError: the file is missing, cut off, or of another kind.
    """
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 no dict
    except FileNotFoundError as exc:
        raise WebtextError(
            f"{path} is missing", hint="Give a folder that has it, or get the folder once more."
        ) from exc
    except (SafetensorError, OSError) as exc:
        raise WebtextError(
            f"{path} is damaged: {exc}",
            hint="Get the file once more, or go on from another checkpoint.",
        ) from exc
