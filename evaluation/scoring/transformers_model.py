"""Any causal language model that `transformers` loads, as the scorer asks it.

B: requests of a batch, T: tokens of the longest, V: vocabulary.
"""

import inspect
from collections.abc import Iterator, Sequence
from itertools import takewhile
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from torch import Tensor

from corpus.errors import UsageError, WebtextError
from corpus.tokens.order import derive_seed
from evaluation.scoring.language_model import (
    LanguageModel,
    Precision,
    choose_by_windows,
    pad,
    scored_places,
    to_scores,
)
from evaluation.scoring.requests import Choices, Prompt, Window, WindowScore
from evaluation.scoring.transformers_tokenizer import TransformersTokenizer

try:
    import transformers
    from transformers import DynamicCache, GenerationConfig
except ImportError as exc:
    raise UsageError(
        "only a GPT-2 can be evaluated here: transformers is not installed",
        hint="Install it: pip install 'webtext[transformers]'.",
    ) from exc

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# 128 million floats are 512 MB: windows of which all is scored are read so many at a time.
_MAX_LOGITS: Final = 1 << 27

# Rows of logits whose softmax is computed at a time.
_ROWS: Final = 256

_BLOCK_SIZE_KEYS: Final = ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length")
_TOKENIZER_HINT: Final = "Put the tokenizer's files of this model there, as they are published."
_DTYPES: Final = {"fp32": torch.float32, "bf16": torch.bfloat16}


def load_transformers_model(
    folder: Path, device: torch.device, precision: Precision
) -> tuple[LanguageModel, TransformersTokenizer]:
    """Read a causal language model and its tokenizer from a folder in Hugging Face's layout.

    Neither code nor pickles in the folder are run, and nothing is downloaded.

    Args:
        folder: Where config.json, safetensors and the tokenizer's files lie.
        device: Where the model goes.
        precision: Of weights and products; bf16 takes half the memory.

    Raises:
        WebtextError: a file is missing or damaged, the model is of no kind that `transformers`
            knows, or it does not say how many tokens it reads or which one ends a text.
    """
    model = _load_model(folder, precision)
    tokenizer = _load_tokenizer(folder)
    num_rows = model.config.get_text_config().vocab_size
    if tokenizer.vocab_size > num_rows:
        reason = f"{tokenizer.vocab_size} tokens, but {num_rows} rows of embeddings"
        raise _unusable(folder, reason, _TOKENIZER_HINT)
    block_size = _block_size(folder, model)
    model.to(device)  # pyright: ignore[reportArgumentType]
    return TransformersLanguageModel(model, block_size, num_rows), tokenizer


class TransformersLanguageModel:
    """A LanguageModel of `transformers`.

    Args:
        model: On any device; it is put into evaluation mode, and forgets how it likes to generate.
        block_size: Tokens that it reads at most.
        vocab_size: Logits per token.
    """

    def __init__(self, model: "PreTrainedModel", block_size: int, vocab_size: int) -> None:
        self.model: Any = model.eval()
        # Published models come with temperatures, penalties and tokens to suppress.
        model.generation_config = GenerationConfig()
        self.block_size = block_size
        self.vocab_size = vocab_size
        self.width: int = model.config.get_text_config().hidden_size

    @torch.inference_mode()
    def score(self, windows: Sequence[Window]) -> list[WindowScore]:
        """As LanguageModel."""
        (_, columns), *_ = scored_places(windows)
        size = max(1, _MAX_LOGITS // (len(np.unique(columns)) * self.vocab_size))
        parts = (windows[start : start + size] for start in range(0, len(windows), size))
        return [score for part in parts for score in self._score(part)]

    @torch.inference_mode()
    def choose(self, questions: Sequence[Choices]) -> list[list[WindowScore]]:
        """As LanguageModel; each context is read once where the model's cache can be copied."""
        # A recurrent state is no list of tokens.
        if self.model._is_stateful:
            return choose_by_windows(self, questions)
        return [self._choose(question) for question in questions]

    @torch.inference_mode()
    def write(self, prompts: Sequence[Prompt]) -> list[list[int]]:
        """As LanguageModel; draws are made for a prompt at a time, from its own seed."""
        if prompts[0].top_k is None:
            return self._write(prompts)
        texts = []
        for prompt in prompts:
            with torch.random.fork_rng([self.model.device] if torch.cuda.is_available() else []):
                torch.manual_seed(derive_seed(prompt.seed, prompt.index))
                texts += self._write([prompt])
        return texts

    def _score(self, windows: Sequence[Window]) -> list[WindowScore]:
        (rows, columns), targets, lengths = scored_places(windows)
        # The output layer is computed for a column of the batch or not: windows of like length
        # that score their last tokens share most of their columns.
        kept, places = np.unique(columns, return_inverse=True)
        inputs = pad([window.token_ids[:-1] for window in windows])
        seen = pad([np.ones(window.num_inputs) for window in windows])
        output = self._read(inputs, torch.from_numpy(kept), attention_mask=self._put(seen))
        return self._pick(output.logits, rows, places, targets, lengths, windows[0].num_top)

    def _choose(self, question: Choices) -> list[WindowScore]:
        windows = question.windows()
        ends = question.continuations
        context = torch.from_numpy(question.context)[None]
        output = self._read(context, torch.tensor([len(question.context) - 1]), use_cache=True)
        cache = output.get("past_key_values")
        if not isinstance(cache, DynamicCache):
            return choose_by_windows(self, [question])[0]
        logits = output.logits.expand(len(ends), -1, -1)  # (B, 1, V)
        longest = max(map(len, ends)) - 1
        if longest:
            cache.batch_repeat_interleave(len(ends))
            inputs = pad([end[:-1] for end in ends])
            seen = pad([np.ones(window.num_inputs) for window in windows])
            output = self._read(
                inputs,
                torch.arange(longest),
                attention_mask=self._put(seen),
                past_key_values=cache,
                use_cache=True,
            )
            logits = torch.cat([logits, output.logits], dim=1)  # (B, T, V)
        (rows, columns), targets, lengths = scored_places(windows)
        places = columns - (len(question.context) - 1)
        return self._pick(logits, rows, places, targets, lengths)

    def _write(self, prompts: Sequence[Prompt]) -> list[list[int]]:
        first = prompts[0]
        num_read = max(len(prompt.token_ids) for prompt in prompts)
        inputs = np.zeros((len(prompts), num_read), dtype=np.int64)
        seen = np.zeros_like(inputs)
        for row, prompt in enumerate(prompts):  # on the left, as new tokens go to the right
            inputs[row, -len(prompt.token_ids) :] = prompt.token_ids
            seen[row, -len(prompt.token_ids) :] = 1
        output = self.model.generate(
            self._put(torch.from_numpy(inputs)),
            attention_mask=self._put(torch.from_numpy(seen)),
            generation_config=GenerationConfig(
                max_new_tokens=first.max_new_tokens,
                do_sample=first.top_k is not None,
                top_k=first.top_k,
                eos_token_id=sorted(first.stop) or None,
                pad_token_id=0,
            ),
        )
        return [list(_until(first.stop, row)) for row in output[:, num_read:].tolist()]

    def _read(self, inputs: Tensor, columns: Tensor, **more: object) -> Any:  # noqa: ANN401
        """The model's output for `inputs` (B, T), with logits in those columns only."""
        more = {"use_cache": False} | more
        return self.model(self._put(inputs), logits_to_keep=self._put(columns), **more)

    def _pick(
        self,
        logits: Tensor,
        rows: np.ndarray,
        columns: np.ndarray,
        targets: np.ndarray,
        lengths: list[int],
        num_top: int = 0,
    ) -> list[WindowScore]:
        """The scores of `targets` in those rows and columns of `logits` (B, T, V)."""
        places = (self._put(torch.from_numpy(each)).split(_ROWS) for each in (rows, columns))
        chunks = (logits[some].float() for some in zip(*places, strict=True))
        return to_scores(chunks, self._put(torch.from_numpy(targets)), lengths, num_top)

    def _put(self, tensor: Tensor) -> Tensor:
        return tensor.to(self.model.device)


def _load_model(folder: Path, precision: Precision) -> "PreTrainedModel":
    if not (folder / "config.json").is_file():
        raise _unusable(folder, "config.json is missing")
    # Its own bar, on a terminal that already has one of ours.
    transformers.utils.logging.disable_progress_bar()
    try:
        found: Any = transformers.AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=_DTYPES[precision],
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            output_loading_info=True,
        )
    # A folder can be wrong in many ways, and each package below has errors of its own for it.
    except Exception as exc:
        raise _unusable(folder, _said(exc)) from exc
    model, loaded = found
    # They would be random: a model of another kind, or without its output layer.
    missing = sorted([*loaded["missing_keys"], *(key for key, *_ in loaded["mismatched_keys"])])
    if missing:
        raise _unusable(folder, f"the weights lack {missing[0]} or have it in another shape")
    if "logits_to_keep" not in inspect.signature(model.forward).parameters:
        raise _unusable(folder, f"{type(model).__name__} is no language model of text alone")
    return model


def _load_tokenizer(folder: Path) -> TransformersTokenizer:
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
    except Exception as exc:  # as above
        raise _unusable(folder, _said(exc), _TOKENIZER_HINT) from exc
    if len(tokenizer.get_vocab()) == len(tokenizer.get_added_vocab()):  # made from no file
        raise _unusable(folder, "the tokenizer's files are missing", _TOKENIZER_HINT)
    ends = (tokenizer.eos_token_id, tokenizer.bos_token_id)
    end_of_text = next((token for token in ends if token is not None), None)
    if end_of_text is None:
        hint = 'Name the token: "eos_token" in tokenizer_config.json.'
        raise _unusable(folder, "the tokenizer has no token that ends or begins a text", hint)
    return TransformersTokenizer(tokenizer, end_of_text)


def _block_size(folder: Path, model: "PreTrainedModel") -> int:
    config = model.config.get_text_config()
    sizes = (getattr(config, key, None) for key in _BLOCK_SIZE_KEYS)
    block_size = next((size for size in sizes if isinstance(size, int) and size > 0), None)
    if block_size is None:
        reason = "config.json does not say how many tokens the model reads at most"
        raise _unusable(folder, reason, f'Say it: "{_BLOCK_SIZE_KEYS[0]}" in config.json.')
    return block_size


def _until(stop: frozenset[int], token_ids: list[int]) -> Iterator[int]:
    return takewhile(lambda token: token not in stop, token_ids)


def _said(exc: Exception) -> str:
    return shorten(f"{type(exc).__name__}: {exc}", 300)


def _unusable(
    folder: Path,
    reason: str,
    hint: str = "Give a folder with config.json, *.safetensors and the tokenizer's files.",
) -> WebtextError:
    return WebtextError(f"{folder} is no usable language model: {reason}", hint=hint)
