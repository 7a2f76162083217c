"""Models of other architectures answer as their own plain forward pass says, in any batch."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given, settings, strategies as st
from torch.nn import functional as F

from corpus.errors import UsageError, WebtextError
from corpus.tokenizer import Tokenizer
from evaluation.scoring.language_model import GPT2LanguageModel
from evaluation.scoring.requests import Prompt
from evaluation.scoring.scorer import BatchTokens, Scorer, answer_here
from evaluation.scoring.transformers_model import load_transformers_model
from model.checkpoint import save_checkpoint

CPU = torch.device("cpu")
VOCAB, BLOCK, EOT = 257, 32, 256
ENDS = {"vocab_size": VOCAB, "bos_token_id": EOT, "eos_token_id": EOT}
WIDE = {"hidden_size": 16, "intermediate_size": 32, "max_position_embeddings": BLOCK}
LAYERS = {"num_hidden_layers": 2, "num_attention_heads": 2}
SHAPES = {
    # GPT-2 with an activation that our own GPT-2 does not have.
    "gpt2": {"n_positions": BLOCK, "n_embd": 16, "n_layer": 2, "n_head": 2}
    | {"activation_function": "relu"},
    "gpt_neox": WIDE | LAYERS,
    # Two heads that share their keys, which are forgotten after 8 tokens.
    "mistral": WIDE | LAYERS | {"num_key_value_heads": 1, "sliding_window": 8},
    "bloom": {"hidden_size": 16, "n_layer": 2, "n_head": 2, "seq_length": BLOCK},
    # No keys and values to share: a recurrent state.
    "mamba": {"hidden_size": 16, "num_hidden_layers": 2, "max_position_embeddings": BLOCK},
}


def write_tokenizer(folder: Path, **names: str) -> None:
    Tokenizer.from_merges([]).save(folder)
    file = str(folder / "tokenizer.json")
    transformers.PreTrainedTokenizerFast(tokenizer_file=file, **names).save_pretrained(folder)


def random_network(kind: str):
    torch.manual_seed(1)
    config = transformers.AutoConfig.for_model(kind, **ENDS, **SHAPES[kind])
    network = transformers.AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():  # larger weights: predictions that differ from token to token
        for parameter in network.parameters():
            parameter.mul_(4)
    return network


@pytest.fixture(scope="module", params=SHAPES)
def kind(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def folder(kind, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp(kind)
    random_network(kind).save_pretrained(folder)
    write_tokenizer(folder, eos_token="<|endoftext|>")
    # What a publisher likes its model to do, and no examination.
    likes = {"repetition_penalty": 5.0, "temperature": 0.1, "eos_token_id": list(range(200))}
    (folder / "generation_config.json").write_text(json.dumps(likes))
    return folder


@pytest.fixture(scope="module")
def loaded(folder):
    return load_transformers_model(folder, CPU, "fp32")[0]


@pytest.fixture(scope="module")
def network(kind):
    return random_network(kind)


def scorer(loaded, batch_tokens=4096) -> Scorer:
    sizes = BatchTokens(batch_tokens, batch_tokens)
    return Scorer(loaded.block_size, EOT, answer_here(loaded), batch_tokens=sizes)


@torch.inference_mode()
def plain(network, context: list[int], end: list[int]) -> tuple[list[float], list[bool]]:
    """The end's log-probabilities by one forward pass of it alone, and which are greedy."""
    ids = torch.tensor([[*context, *end]])
    logits = network(ids[:, :-1], use_cache=False).logits[0, -len(end) :]
    logprobs = F.log_softmax(logits, dim=-1).gather(1, ids[0, -len(end) :, None])
    return logprobs[:, 0].tolist(), (logits.argmax(-1) == ids[0, -len(end) :]).tolist()


TOKENS = st.integers(0, VOCAB - 1)
QUESTIONS = st.lists(
    st.tuples(
        st.lists(TOKENS, min_size=1, max_size=20),
        st.lists(st.lists(TOKENS, min_size=1, max_size=8), min_size=1, max_size=3),
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=5)
@given(QUESTIONS, st.sampled_from([1, 40, 4096]))
def test_choices_and_pairs_score_as_each_alone(loaded, network, questions, batch_tokens):
    ours = scorer(loaded, batch_tokens)
    by_question = [score for scores in ours.choices(questions) for score in scores]
    pairs = [(context, end) for context, ends in questions for end in ends]
    for scores in (by_question, ours.loglikelihood(pairs)):
        for score, (context, end) in zip(scores, pairs, strict=True):
            logprobs, greedy = plain(network, context, end)
            assert score.logprobs == pytest.approx(np.array(logprobs), rel=1e-4, abs=1e-4)
            assert score.greedy.tolist() == greedy


def test_the_likeliest_first_tokens_are_named(loaded, network):
    with torch.inference_mode():
        expected = network(torch.tensor([[1, 2, 3]])).logits[0, -1].topk(4).indices.tolist()
    [score] = scorer(loaded).loglikelihood([([1, 2, 3], [7, 8])], num_top=4)
    assert list(score.top) == expected


def test_a_long_text_is_scored_in_as_few_windows_at_a_time_as_memory_wants(loaded, monkeypatch):
    text = np.random.default_rng(0).integers(0, VOCAB, 100)
    [whole] = scorer(loaded).loglikelihood_rolling([text])
    monkeypatch.setattr("evaluation.scoring.transformers_model._MAX_LOGITS", 1)
    monkeypatch.setattr("evaluation.scoring.transformers_model._ROWS", 7)
    [chunked] = scorer(loaded).loglikelihood_rolling([text])
    assert chunked == pytest.approx(whole, rel=1e-4, abs=1e-4)


@torch.inference_mode()
def greedy_text(network, prompt: list[int], num_new: int) -> list[int]:
    ids = list(prompt)
    for _ in range(num_new):
        ids.append(int(network(torch.tensor([ids]), use_cache=False).logits[0, -1].argmax()))
    return ids[len(prompt) :]


def test_greedy_texts_are_what_the_logits_say_whatever_the_publisher_likes(loaded, network):
    prompts = [[5], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], [9, 8, 7]]
    expected = [greedy_text(network, prompt, 6) for prompt in prompts]
    asked = [Prompt(tuple(prompt), 6) for prompt in prompts]
    assert scorer(loaded).generate(asked) == expected
    stop = frozenset([expected[1][2]])
    stopped = [Prompt(tuple(prompt), 6, stop) for prompt in prompts]
    cut = [[*text, *stop][: [*text, *stop].index(*stop)] for text in expected]
    assert scorer(loaded).generate(stopped) == cut


def test_draws_depend_on_seed_and_place_alone_and_are_of_the_top_k(loaded, network):
    def draws(seed: int, batch_tokens: int) -> list[list[int]]:
        prompts = [Prompt((5, 6), 12, top_k=2, seed=seed)] * 3
        return scorer(loaded, batch_tokens).generate(prompts)

    before = torch.random.get_rng_state()
    texts = draws(1, 4096)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert draws(1, 1) == texts
    assert draws(2, 4096) != texts
    assert texts[0] != texts[1]
    with torch.inference_mode():
        likeliest = network(torch.tensor([[5, 6]])).logits[0, -1].topk(2).indices.tolist()
    assert {text[0] for text in texts} <= set(likeliest)


def test_text_goes_in_and_out_as_bytes_and_control_tokens_in_it_are_text(folder):
    _, tokenizer = load_transformers_model(folder, CPU, "fp32")
    ours = Tokenizer.load(folder)
    text = " déjà vu\n\n<|endoftext|> 🙂"
    assert tokenizer.encode(text) == ours.encode(text)
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert (tokenizer.end_of_text, tokenizer.vocab_size) == (EOT, VOCAB)
    assert tokenizer.token_bytes == ours.token_bytes


def test_bf16_is_near_fp32(folder, loaded):
    half, _ = load_transformers_model(folder, CPU, "bf16")
    pair = ([1, 2, 3], [4])
    scores = [scorer(each).loglikelihood([pair])[0].logprob for each in (half, loaded)]
    assert scores[0] != scores[1]
    assert scores[0] == pytest.approx(scores[1], abs=0.5)


@pytest.fixture(scope="module")
def both_doors(tmp_path_factory, model, tokenizer):
    folder = tmp_path_factory.mktemp("both_doors")
    save_checkpoint(folder, model, tokenizer, step=0)
    return GPT2LanguageModel(model), load_transformers_model(folder, CPU, "fp32")[0]


def test_our_gpt2_says_the_same_through_both_doors(both_doors):
    rng = np.random.default_rng(0)
    texts = [rng.integers(0, 256, length) for length in (5, 32, 90)]
    ours, theirs = (scorer(each).loglikelihood_rolling(texts) for each in both_doors)
    for one, other in zip(ours, theirs, strict=True):
        assert one == pytest.approx(other, abs=1e-4)
    questions = [(texts[0], [[1, 2, 3], [4]]), (texts[1], [[5]])]
    ours, theirs = (scorer(each).choices(questions) for each in both_doors)
    for scores in zip(ours, theirs, strict=True):
        one, other = ([score.logprob for score in each] for each in scores)
        assert one == pytest.approx(other, abs=1e-4)
    prompts = [Prompt(tuple(text[:9].tolist()), 8, frozenset([EOT])) for text in texts]
    ours, theirs = (scorer(each).generate(prompts) for each in both_doors)
    assert ours == theirs


@pytest.fixture
def whole(tmp_path) -> Path:
    random_network("gpt_neox").save_pretrained(tmp_path)
    write_tokenizer(tmp_path, eos_token="<|endoftext|>")
    return tmp_path


def edit_json(path: Path, **changes) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def lose_config(folder):
    (folder / "config.json").unlink()


def lose_weights(folder):
    (folder / "model.safetensors").unlink()


def damage_weights(folder):
    (folder / "model.safetensors").write_bytes(b"no tensors")


def pickle_weights(folder):
    (folder / "model.safetensors").unlink()
    torch.save(random_network("gpt_neox").state_dict(), folder / "pytorch_model.bin")


def add_a_layer(folder):
    edit_json(folder / "config.json", num_hidden_layers=3)


def widen(folder):
    edit_json(folder / "config.json", intermediate_size=48)


def ask_for_code(folder):
    edit_json(folder / "config.json", model_type="mine", auto_map={"AutoConfig": "mine.Config"})
    (folder / "mine.py").write_text("raise SystemExit('was run')")


def forget_the_block(folder):
    sizes: dict[str, Any] = {**ENDS, "hidden_size": 16, "num_hidden_layers": 1}
    config = transformers.MambaConfig(**sizes)
    transformers.MambaForCausalLM(config).save_pretrained(folder)


def forget_the_end(folder):
    write_tokenizer(folder)


def lose_the_tokenizer(folder):
    for name in ("tokenizer.json", "tokenizer_config.json", "encoder.json", "vocab.bpe"):
        (folder / name).unlink()


def enlarge_the_vocabulary(folder):
    merges = Tokenizer.from_merges([("a", "b")])
    merges.save(folder)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lose_config, "config.json is missing"),
        (lose_weights, "safetensors"),
        (damage_weights, "header|Header"),
        (pickle_weights, "safetensors"),
        (add_a_layer, "lack gpt_neox.layers.2"),
        (widen, "size|shape"),
        (ask_for_code, "code|mine"),
        (forget_the_block, "how many tokens"),
        (forget_the_end, "ends or begins"),
        (lose_the_tokenizer, "tokenizer's files are missing"),
        (enlarge_the_vocabulary, "258 tokens, but 257 rows"),
    ],
)
def test_a_folder_that_cannot_be_used_is_refused_with_its_reason(whole, change, said):
    load_transformers_model(whole, CPU, "fp32")
    change(whole)
    with pytest.raises(WebtextError, match=said) as failure:
        load_transformers_model(whole, CPU, "fp32")
    assert str(whole) in failure.value.message
    assert "\n" not in failure.value.message


def test_without_transformers_one_is_told_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    monkeypatch.delitem(sys.modules, "evaluation.scoring.transformers_model")
    with pytest.raises(UsageError, match=r"pip install 'webtext\[transformers\]'"):
        __import__("evaluation.scoring.transformers_model")
