"""How busy a device is: against its vendor's rate, or unknown."""

import subprocess
import sys

import pytest
import torch

from model.gpt2 import GPT2
from model.settings import GPT2Config
from model.training.throughput import flops_per_token, memory_gb, mfu, peak_flops

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)
SMALLEST = GPT2Config()


@pytest.fixture
def gpu(monkeypatch):
    """Call it with the name of the GPU that this machine should seem to have."""

    def be(name):
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: name)

    return be


@pytest.fixture
def tf32():
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    yield
    torch.set_float32_matmul_precision(before)


@pytest.mark.parametrize(
    ("name", "rate"),
    [
        ("NVIDIA A100-SXM4-40GB", 312e12),
        ("NVIDIA A100 80GB PCIe", 312e12),
        ("A100-SXM4-40GB", 312e12),  # as older drivers say
        ("NVIDIA H100 80GB HBM3", 989.4e12),
        ("NVIDIA H100 PCIe", 756e12),
        ("NVIDIA H100 NVL", 835e12),
        ("NVIDIA B200", 2.25e15),
        ("NVIDIA A10", 125e12),
        ("NVIDIA A10G", 70e12),
        ("NVIDIA L4", 121e12),
        ("NVIDIA GeForce RTX 4090", 165.2e12),
    ],
)
def test_each_card_has_its_own_rate(gpu, name, rate):
    gpu(name)
    assert peak_flops(CUDA, "bf16") == rate


@pytest.mark.parametrize(
    "name",
    [
        "NVIDIA A100-SXM4-40GB MIG 1g.5gb",
        "GRID A100-10C",
        "NVIDIA GeForce RTX 4090 Laptop GPU",
        "NVIDIA GeForce RTX 4090 D",
        "NVIDIA H100",
        "NVIDIA L400",
        "AMD Instinct MI300X",
        "",
    ],
)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_name_that_only_looks_like_one_of_the_table_is_unknown(gpu, name, precision):
    gpu(name)
    assert peak_flops(CUDA, precision) is None
    assert mfu(1e5, SMALLEST, CUDA, precision) is None


def test_a_cpu_s_rate_is_unknown():
    assert peak_flops(CPU, "fp32") is None
    assert mfu(1e5, SMALLEST, CPU, "fp32") is None


@pytest.mark.parametrize("name", ["Tesla T4", "Tesla V100-SXM2-16GB"])
def test_a_card_without_bf16_has_no_rate_for_it(gpu, name):
    gpu(name)
    assert peak_flops(CUDA, "bf16") is None
    assert peak_flops(CUDA, "fp32") is not None


def test_fp32_is_measured_against_fp32(gpu):
    gpu("NVIDIA A100-SXM4-40GB")
    assert peak_flops(CUDA, "fp32") == 19.5e12


def test_fp32_products_in_tf32_are_measured_against_tf32(gpu, tf32):
    gpu("NVIDIA A100-SXM4-40GB")
    assert peak_flops(CUDA, "fp32") == 156e12
    assert peak_flops(CUDA, "bf16") == 312e12


def test_a_card_without_tf32_computes_in_fp32_instead(gpu, tf32):
    gpu("Tesla T4")
    assert peak_flops(CUDA, "fp32") == 8.1e12


def test_the_smallest_model_takes_854_million_operations_a_token():
    # By hand: 12 blocks of 12 x 768^2 = 84,934,656 parameters, 50,257 x 768 = 38,597,376 of the
    # output layer, six operations each; attention 12 x 12 x 768 x 1024 = 113,246,208.
    assert flops_per_token(SMALLEST) == 6 * (84_934_656 + 38_597_376) + 113_246_208
    # nanoGPT counts biases and norms too: 6 x 123,653,376 + 113,246,208.
    assert flops_per_token(SMALLEST) == pytest.approx(855_166_464, rel=1e-3)


def test_operations_follow_from_the_model_s_own_matrices():
    config = GPT2Config(block_size=16, n_layer=3, n_head=2, n_embd=32, vocab_size=128)
    model = GPT2(config)
    matrices = [p for n, p in model.named_parameters() if p.dim() == 2 and n != "wpe.weight"]
    num_parameters = sum(matrix.numel() for matrix in matrices)
    assert flops_per_token(config) == 6 * num_parameters + 12 * 3 * 32 * 16


def test_padding_the_vocabulary_is_no_use():
    # Both have 128 rows.
    assert flops_per_token(GPT2Config(vocab_size=100)) < flops_per_token(GPT2Config(vocab_size=128))


def test_utilisation_is_the_share_of_all_devices(gpu):
    gpu("NVIDIA A100-SXM4-40GB")
    at_full_rate = 312e12 / flops_per_token(SMALLEST)
    assert mfu(at_full_rate, SMALLEST, CUDA, "bf16") == pytest.approx(1.0)
    assert mfu(at_full_rate, SMALLEST, CUDA, "bf16", world_size=8) == pytest.approx(1 / 8)


def test_llm_c_s_published_rate_is_about_its_published_utilisation(gpu):
    # llm.c's GPT-2 124M on eight A100: 524,288 tokens in 300 ms, "about 60 %" of the peak.
    gpu("NVIDIA A100-SXM4-80GB")
    assert mfu(524_288 / 0.3, SMALLEST, CUDA, "bf16", world_size=8) == pytest.approx(0.6, abs=0.01)


def test_the_peak_memory_stays_after_the_memory_is_freed():
    block = bytearray(b"x") * 500_000_000
    with_block = memory_gb(CPU)
    del block
    assert memory_gb(CPU) == pytest.approx(with_block, rel=0.01)
    assert with_block > 0.5


@pytest.mark.skipif(sys.platform != "linux", reason="only there a child inherits the figure")
def test_the_peak_memory_is_not_that_of_the_process_which_started_this_one():
    child = (
        "import torch; from model.training.throughput import memory_gb;"
        "print(memory_gb(torch.device('cpu')))"
    )
    block = bytearray(b"x") * 500_000_000
    done = subprocess.run([sys.executable, "-c", child], capture_output=True, text=True, check=True)
    del block
    assert 0 < float(done.stdout) < memory_gb(CPU) - 0.1
