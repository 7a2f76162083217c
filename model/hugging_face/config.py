"""config.json of a GPT-2 folder: what ours says, and which of others' we can follow."""

import json
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator, model_validator

from corpus.atomic import write_bytes
from corpus.errors import WebtextError
from corpus.tokenizer import END_OF_TEXT, Tokenizer
from model.settings import GPT2Config

CONFIG = "config.json"

_LAYER_NORM_EPSILON = 1e-5
"""Of OpenAI's code and of `torch.nn.LayerNorm`."""


class _OwnFacts(BaseModel):
    """What webtext keeps beside Hugging Face's keys, under "webtext"."""

    step: int = 0


class PublishedConfig(BaseModel):
    """The keys of config.json that decide what a model computes, with transformers' defaults.

    Other keys, such as those of summaries and of generation, change nothing here.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    model_type: Literal["gpt2"]
    vocab_size: int = 50_257
    n_positions: int = 1024
    n_embd: int = 768
    n_layer: int = 12
    n_head: int = 12
    n_inner: int | None = None
    # Two names of the tanh approximation.
    activation_function: Literal["gelu_new", "gelu_pytorch_tanh"] = "gelu_new"
    layer_norm_epsilon: float = _LAYER_NORM_EPSILON
    resid_pdrop: float = 0.1
    scale_attn_weights: Literal[True] = True
    scale_attn_by_inverse_layer_idx: Literal[False] = False
    add_cross_attention: Literal[False] = False
    webtext: _OwnFacts = _OwnFacts()

    @field_validator("layer_norm_epsilon")
    @classmethod
    def _epsilon_is_ours(cls, epsilon: float) -> float:
        if epsilon != _LAYER_NORM_EPSILON:
            raise ValueError(f"must be {_LAYER_NORM_EPSILON}")
        return epsilon

    @model_validator(mode="after")
    def _mlp_is_four_times_as_wide(self) -> Self:
        if self.n_inner not in (None, 4 * self.n_embd):
            raise ValueError(f"n_inner must be null or 4 * n_embd, got {self.n_inner}")
        return self

    def shape(self) -> GPT2Config:
        """The model that it describes."""
        return GPT2Config(
            vocab_size=self.vocab_size,
            block_size=self.n_positions,
            n_layer=self.n_layer,
            n_head=self.n_head,
            n_embd=self.n_embd,
            # Published configs give three rates of dropout, all the same. They act in training
            # only, and there the recipe says.
            dropout=self.resid_pdrop,
        )


def read_config(folder: Path) -> tuple[GPT2Config, int]:
    """The shape of the model in a GPT-2 folder, and the steps it was trained; 0 if it is not said.

    Raises:
        WebtextError: config.json is missing or damaged, or is of a model that is no GPT-2.
    """
    try:
        published = PublishedConfig.model_validate_json((folder / CONFIG).read_bytes())
        return published.shape(), published.webtext.step
    except FileNotFoundError as exc:
        raise unusable(folder, f"{CONFIG} is missing") from exc
    except ValidationError as exc:
        first = exc.errors()[0]
        key = ".".join(map(str, first["loc"])) or CONFIG
        got = "" if first["type"] in ("missing", "json_invalid") else f", got {first['input']!r}"
        if isinstance(first["input"], dict):  # the whole file
            got = ""
        raise unusable(
            folder,
            f"{CONFIG}: {key}: {first['msg']}{got}",
            hint="Only GPT-2 as OpenAI published it loads: model_type gpt2, gelu_new, "
            f"layer_norm_epsilon {_LAYER_NORM_EPSILON}, scaled attention.",
        ) from exc


def is_gpt2(folder: Path) -> bool:
    """Whether config.json is a GPT-2's, or nothing that says something else."""
    try:
        content = json.loads((folder / CONFIG).read_bytes())
        return content.get("model_type", "gpt2") == "gpt2"
    except (OSError, ValueError, AttributeError):
        return True  # reading it as one says what is wrong


def write_config(folder: Path, config: GPT2Config, tokenizer: Tokenizer, step: int) -> None:
    """Write config.json, from which `transformers` makes the same model."""
    end_of_text = tokenizer.end_of_text
    content = {
        "activation_function": "gelu_new",
        "architectures": ["GPT2LMHeadModel"],
        "attn_pdrop": config.dropout,
        "bos_token_id": end_of_text,
        "embd_pdrop": config.dropout,
        "eos_token_id": end_of_text,
        "initializer_range": 0.02,
        "layer_norm_epsilon": _LAYER_NORM_EPSILON,
        "model_type": "gpt2",
        "n_ctx": config.block_size,
        "n_embd": config.n_embd,
        "n_head": config.n_head,
        "n_inner": None,
        "n_layer": config.n_layer,
        "n_positions": config.block_size,
        "resid_pdrop": config.dropout,
        "scale_attn_weights": True,
        "tie_word_embeddings": True,
        "torch_dtype": "float32",
        "use_cache": True,
        "vocab_size": config.vocab_size,
        "webtext": {"step": step},
    }
    write_bytes(folder / CONFIG, _to_json(content))


def write_companions(folder: Path, config: GPT2Config, tokenizer: Tokenizer) -> None:
    """Write what `transformers` wants to know to generate text and to read the tokenizer."""
    end_of_text = tokenizer.end_of_text
    # Padding with end-of-text is what every user of GPT-2 sets by hand: it has no token for it.
    ids = dict.fromkeys(("bos_token_id", "eos_token_id", "pad_token_id"), end_of_text)
    write_bytes(folder / "generation_config.json", _to_json(ids))
    tokens = dict.fromkeys(("bos_token", "eos_token", "unk_token"), END_OF_TEXT)
    write_bytes(folder / "special_tokens_map.json", _to_json(tokens))
    settings = {
        "add_prefix_space": False,
        "clean_up_tokenization_spaces": False,
        "model_max_length": config.block_size,
        "tokenizer_class": "GPT2Tokenizer",
    }
    write_bytes(folder / "tokenizer_config.json", _to_json(settings | tokens))


def unusable(
    folder: Path,
    reason: str,
    hint: str = "Give the checkpoint folder of a finished run, or a Hugging Face GPT-2 folder.",
) -> WebtextError:
    """The refusal of a folder."""
    return WebtextError(f"{folder} is no usable checkpoint: {reason}", hint=hint)


def _to_json(content: dict) -> bytes:
    return json.dumps(content, indent=2).encode() + b"\n"
