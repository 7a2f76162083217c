"""Short answers: what a model writes behind a prompt, up to the end of the line."""

from collections.abc import Iterable
from typing import Final

from evaluation.scoring.requests import Prompt
from evaluation.task import Subject, Tokenizer

LINE_END: Final = "\n"


def answer_prompts(
    subject: Subject, texts: Iterable[str], max_new_tokens: int, *, is_one_line: bool = True
) -> list[Prompt]:
    """Prompts that begin a document, to go on from greedily.

    Args:
        subject: The model; one with a small block writes half of it at most.
        texts: What stands before the answers, their first space excluded: a word begins with it.
        max_new_tokens: Of an answer.
        is_one_line: Whether the end of a line ends an answer, as the end of a document does.
    """
    encode, end_of_text = subject.tokenizer.encode, subject.tokenizer.end_of_text
    max_new_tokens = min(max_new_tokens, max(1, subject.scorer.block_size // 2))
    stop = frozenset([end_of_text]) | (line_ends(subject.tokenizer) if is_one_line else set())
    return [Prompt((end_of_text, *encode(text)), max_new_tokens, stop) for text in texts]


def line_ends(tokenizer: Tokenizer) -> frozenset[int]:
    """The tokens with the end of a line in them; three of GPT-2's 50,257, white space all."""
    pieces = enumerate(tokenizer.token_bytes)
    return frozenset(token for token, piece in pieces if LINE_END.encode() in piece)
