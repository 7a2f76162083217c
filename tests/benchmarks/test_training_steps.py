"""What `benchmarks.train` compares computes the same."""

import pytest
import torch

from benchmarks.training_steps import make_trainee, random_tokens
from model.gpt2 import GPT2
from model.settings import GPT2Config, TrainConfig

TINY = GPT2Config(vocab_size=300, block_size=12, n_layer=2, n_head=2, n_embd=16)


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.mark.parametrize("name", ["plain", "transformers"])
def test_a_peer_has_the_loss_and_the_gradients_of_ours(name):
    torch.manual_seed(0)
    weights = {key: w + torch.randn_like(w) * 0.1 for key, w in GPT2(TINY).state_dict().items()}
    weights["wte.weight"][TINY.vocab_size :] = 0
    tokens = random_tokens(TINY, 2)
    ours, peer = (make_trainee(each, TINY, TrainConfig(), weights) for each in ("ours", name))
    losses = [trainee.loss(tokens[:, :-1], tokens[:, 1:]) for trainee in (ours, peer)]
    torch.testing.assert_close(losses[0], losses[1])
    norms = []
    for loss, trainee in zip(losses, (ours, peer), strict=True):
        loss.backward()
        gradients = [p.grad for p in trainee.model.parameters() if p.grad is not None]
        norms.append(sorted(float(g.norm()) for g in gradients))
    assert norms[0] == pytest.approx(norms[1], rel=1e-4, abs=1e-7)


@pytest.mark.parametrize("name", ["ours", "plain", "transformers"])
def test_every_contender_learns(name):
    torch.manual_seed(0)
    trainee = make_trainee(name, TINY, TrainConfig(lr=1e-3))
    tokens = random_tokens(TINY, 2)
    losses = [trainee.step(tokens) for _ in range(6)]
    assert losses[-1] < losses[0]
