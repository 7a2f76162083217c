"""How well a training uses its device: model FLOPs utilisation (MFU) and peak memory."""

import re
import resource
import sys
from pathlib import Path
from typing import Literal, NamedTuple

import torch

from model.settings import GPT2Config

Precision = Literal["fp32", "bf16"]
"""Of matrix products."""


class _Rates(NamedTuple):
    """10^12 operations per second, summed in fp32, dense.

    Datasheets often name twice that, with a footnote: if half of the numbers are zeros.
    """

    bf16: float | None
    tf32: float | None
    fp32: float | None


_A100 = _Rates(312, 156, 19.5)
# Before the A100 there was neither: torch emulates bf16, and with TF32 allowed computes in fp32.
_V100 = _Rates(None, 15.7, 15.7)
_V100_PCIE = _Rates(None, 14, 14)

# By the whole name, without its "NVIDIA ": parts of names deceive. An "H100 PCIe" is slower than
# an "H100 80GB HBM3", an "L4" is no "L40", a "GeForce RTX 4090 Laptop GPU" or "... 4090 D" no
# "GeForce RTX 4090", and an "A100-SXM4-40GB MIG 1g.5gb" a seventh of one.
_RATES = {
    "A100-PCIE-40GB": _A100,  # NVIDIA A100 datasheet
    "A100 80GB PCIe": _A100,
    "A100-SXM4-40GB": _A100,
    "A100-SXM4-80GB": _A100,
    "H100 80GB HBM3": _Rates(989.4, 494.7, 66.9),  # SXM5; NVIDIA H100 architecture whitepaper
    "H100 PCIe": _Rates(756, 378, 51.2),
    "H100 NVL": _Rates(835, None, None),  # NVIDIA H100 datasheet
    "H200": _Rates(989.4, 494.7, 66.9),  # the chip of the H100 SXM5 with more memory
    "B200": _Rates(2250, 1100, 75),  # NVIDIA HGX B200 datasheet
    "A10": _Rates(125, 62.5, 31.2),  # NVIDIA A10 datasheet
    "A10G": _Rates(70, 35, 35),  # NVIDIA A10G datasheet, a card made for AWS
    "A40": _Rates(149.7, 74.8, 37.4),  # NVIDIA A40 datasheet
    "L4": _Rates(121, 60, 30.3),  # NVIDIA L4 datasheet
    "L40": _Rates(181.05, 90.5, 90.5),  # NVIDIA L40 datasheet
    "L40S": _Rates(362.05, 183, 91.6),  # NVIDIA L40S datasheet
    "GeForce RTX 3090": _Rates(71, 35.6, 35.6),  # NVIDIA GA102 architecture whitepaper
    "GeForce RTX 4090": _Rates(165.2, 82.6, 82.6),  # NVIDIA Ada architecture whitepaper
    "Tesla T4": _Rates(None, 8.1, 8.1),  # NVIDIA T4 datasheet
    "Tesla V100-PCIE-16GB": _V100_PCIE,  # NVIDIA V100 datasheet
    "Tesla V100-PCIE-32GB": _V100_PCIE,
    "Tesla V100-SXM2-16GB": _V100,
    "Tesla V100-SXM2-32GB": _V100,
}


def peak_flops(device: torch.device, precision: Precision) -> float | None:
    """The highest rate of dense matrix products that the vendor names for this device.

    Returns:
        Floating-point operations per second; None for a CPU, for a device that is not in the
        table, and for a precision that it only emulates: a wrong rate would be worse than none.
    """
    if device.type != "cuda":
        return None
    rates = _RATES.get(torch.cuda.get_device_name(device).removeprefix("NVIDIA "))
    if rates is None:
        return None
    uses_tf32 = precision == "fp32" and torch.backends.cuda.matmul.fp32_precision == "tf32"
    rate = rates.tf32 if uses_tf32 else getattr(rates, precision)
    return None if rate is None else rate * 1e12


def vendor_flops(gpu: str, precision: Precision) -> float | None:
    """The rate of a GPU by its name, with or without "NVIDIA "; None: it is not in the table."""
    rates = _RATES.get(gpu.removeprefix("NVIDIA "))
    rate = None if rates is None else getattr(rates, precision)
    return None if rate is None else rate * 1e12


def known_gpus() -> list[str]:
    """The names in the table."""
    return list(_RATES)


def flops_per_token(config: GPT2Config) -> float:
    """Operations that training needs per token, forward and backward: 6 N + 12 L C T.

    N counts the parameters that matrix products use: those of the blocks, and the tied output layer
    once; looking up embeddings costs nothing. 12 L C T is attention over the whole context, as is
    usual, though half of it is masked. (PaLM, Chowdhery et al. 2022, appendix B; the 6 N is from
    Kaplan et al. 2020, section 2.1.) What a program computes beyond that, such as for padding or
    again for the backward pass, is no use and does not count.
    """
    L, C, T = config.n_layer, config.n_embd, config.block_size
    num_parameters = 12 * L * C**2 + config.vocab_size * C
    return 6.0 * num_parameters + 12.0 * L * C * T


def mfu(
    tokens_per_s: float,
    config: GPT2Config,
    device: torch.device,
    precision: Precision,
    world_size: int = 1,
) -> float | None:
    """The share of the devices' peak rate that goes into the model (MFU), 0 to 1.

    Args:
        tokens_per_s: Of all processes together.
        config: Shape of the model.
        device: One of `world_size` like ones.
        precision: Of the matrix products.
        world_size: Processes, one device each.

    Returns:
        None where the peak rate of the device is unknown.
    """
    peak = peak_flops(device, precision)
    return None if peak is None else tokens_per_s * flops_per_token(config) / (peak * world_size)


def memory_gb(device: torch.device) -> float:
    """The most memory so far, 10^9 bytes: tensors on a GPU, on a CPU all of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e9
    return _peak_resident_bytes() / 1e9


def _peak_resident_bytes() -> int:
    usage = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if sys.platform == "darwin":
        return usage  # bytes there, and 1024 of them elsewhere
    # On Linux that begins with the peak of the process that started this one. VmHWM does not; a
    # few sandboxes lack it.
    own = re.search(r"^VmHWM:\s*(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(own[1] if own else usage) * 1024
