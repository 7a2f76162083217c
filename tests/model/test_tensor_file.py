"""Tensors come back bit for bit, to us and to the safetensors library; a full disk is said."""

import resource

import pytest
import torch
from hypothesis import given, settings, strategies as st
from safetensors.torch import load_file

from corpus.errors import WebtextError
from model.tensor_file import read_tensors, write_tensors

DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64]
NAMES = st.text(min_size=1, max_size=12).filter(lambda name: name != "__metadata__")
SHAPES = st.lists(st.integers(0, 4), max_size=3)


def bits(tensor):
    return tensor.contiguous().view(-1).view(torch.uint8)


@settings(max_examples=40)
@given(st.dictionaries(NAMES, st.tuples(SHAPES, st.sampled_from(DTYPES)), max_size=6))
def test_what_was_written_is_read_by_us_and_by_safetensors(tmp_path_factory, kinds):
    path = tmp_path_factory.mktemp("tensors") / "x.safetensors"
    tensors = {name: (torch.randn(shape) * 99).to(dtype) for name, (shape, dtype) in kinds.items()}
    write_tensors(path, tensors)
    for read in (read_tensors(path), load_file(path)):
        assert read.keys() == tensors.keys()
        for name, tensor in tensors.items():
            assert (read[name].shape, read[name].dtype) == (tensor.shape, tensor.dtype)
            assert torch.equal(bits(read[name]), bits(tensor))


def test_views_are_written_as_what_they_show_and_order_does_not_matter(tmp_path):
    a = torch.arange(6.0).view(2, 3)
    write_tensors(tmp_path / "one", {"a": a.t(), "b": a[1:]})
    write_tensors(tmp_path / "two", {"b": a[1:].clone(), "a": a.t().contiguous()})
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert torch.equal(load_file(tmp_path / "one")["a"], a.t())


def test_a_full_disk_is_named_and_leaves_the_old_file(tmp_path):
    path = tmp_path / "x.safetensors"
    write_tensors(path, {"a": torch.ones(3)})
    before, limits = path.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(WebtextError, match=r"no space left to write .*x\.safetensors"):
            write_tensors(path, {"a": torch.ones(100_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("length", [0, 7, 40, -1])
def test_a_file_that_is_cut_off_is_named(tmp_path, length):
    path = tmp_path / "x.safetensors"
    write_tensors(path, {"a": torch.ones(30)})
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(WebtextError, match=r"x\.safetensors is damaged"):
        read_tensors(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(WebtextError, match=r"x\.safetensors is missing"):
        read_tensors(tmp_path / "x.safetensors")
