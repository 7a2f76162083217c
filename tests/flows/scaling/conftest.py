"""A tokens folder, and one thread for tiny models."""

from pathlib import Path

import pytest
import torch

from tests.flows.small_runs import write_word_tokens


@pytest.fixture(scope="package", autouse=True)
def one_thread():
    # Tiny tensors on several threads only wait for each other.
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="package")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_word_tokens(tmp_path_factory.mktemp("scaling"))
