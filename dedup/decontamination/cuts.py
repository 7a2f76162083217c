"""GPT-3's rule: what of one document goes, and what is left of it (appendix C)."""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Literal, NamedTuple

from pydantic import Field

from corpus.settings import Section
from dedup.matches.shards import is_boilerplate
from dedup.overlap.text_sets import HELD_OUT

Mode = Literal["spans", "documents"]


class DecontaminationConfig(Section):
    """What goes with a match. The defaults are GPT-3's (appendix C)."""

    mode: Mode = "spans"
    """"spans": the matched words with their surroundings; "documents": all documents with one."""
    window_chars: int = Field(default=200, ge=0)
    """Characters on either side of a match that go with it."""
    min_piece_chars: int = Field(default=200, ge=1)
    """Pieces shorter than this go too."""
    max_pieces: int = Field(default=10, ge=1)
    """A document that its matches cut into more pieces than this goes as a whole. Pieces are
    counted, not n-grams: one long match cuts a document once."""


class Span(NamedTuple):
    """Characters `start` up to `end`."""

    start: int
    end: int

    @property
    def num_chars(self) -> int:
        """Its length."""
        return self.end - self.start


class Verdict(NamedTuple):
    """What becomes of one document that holds something of a benchmark."""

    pieces: list[Span]
    """What is left, in order; empty: the document is dropped."""
    cuts: list[Span]
    """What matched, with its surroundings; the whole document in mode "documents"."""

    @property
    def num_chars_left(self) -> int:
        """Characters of all pieces."""
        return sum(piece.num_chars for piece in self.pieces)


def counts_as_contamination(match: dict) -> bool:
    """Whether a match is of a benchmark, and more than n-grams that many documents have.

    The held-out split is no benchmark: what it shares with the training split is measured only.
    """
    return match["text_set"] != HELD_OUT.slug and not is_boilerplate(match)


def is_ignored(match: dict) -> bool:
    """Whether a match is of a benchmark and does not count."""
    return match["text_set"] != HELD_OUT.slug and is_boilerplate(match)


def judge(matches: Sequence[dict], config: DecontaminationConfig) -> Verdict:
    """Decide about one document.

    Args:
        matches: Its matches that count as contamination, at least one.
        config: The rule.
    """
    document = Span(0, matches[0]["document_chars"])
    if config.mode == "documents":
        return Verdict([], [document])
    cuts = merged(
        Span(
            max(0, match["start"] - config.window_chars),
            min(document.end, match["end"] + config.window_chars),
        )
        for match in matches
    )
    pieces = _between(cuts, document)
    if len(pieces) > config.max_pieces:
        return Verdict([], cuts)
    return Verdict([each for each in pieces if each.num_chars >= config.min_piece_chars], cuts)


def merged(spans: Iterable[Span]) -> list[Span]:
    """Spans that overlap or touch become one; ascending."""
    result: list[Span] = []
    for span in sorted(spans):
        if result and span.start <= result[-1].end:
            result[-1] = Span(result[-1].start, max(result[-1].end, span.end))
        else:
            result.append(span)
    return result


def _between(cuts: list[Span], document: Span) -> list[Span]:
    borders = [document.start, *chain.from_iterable(cuts), document.end]
    spans = (Span(*borders[i : i + 2]) for i in range(0, len(borders), 2))
    return [span for span in spans if span.num_chars]
