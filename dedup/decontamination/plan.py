"""The dry run: what decontamination would take away, told before anything is written."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import nlargest
from itertools import groupby
from pathlib import Path
from typing import Final, NamedTuple

from corpus.errors import UsageError
from corpus.manifest import read_manifest
from corpus.shards import read_rows
from corpus.stage import Inputs, data_shards, describe_input
from dedup.decontamination.cuts import (
    DecontaminationConfig,
    Span,
    Verdict,
    counts_as_contamination,
    is_ignored,
    judge,
    merged,
)

_NUM_EXAMPLES: Final = 10
_EXCERPT_CHARS: Final = 200


@dataclass
class TextSetPlan:
    """What one text set costs; two sets may take the same characters."""

    num_documents: int = 0
    num_matched_chars: int = 0
    """Characters of the matches themselves, without their surroundings."""


class PlanExample(NamedTuple):
    """One match, to be looked at by a person."""

    document: str
    url: str
    text_set: str
    example: int
    part: str
    num_words: int
    text: str
    """The words that match as the benchmark has them, or their beginning."""


@dataclass
class Plan:
    """What would go."""

    num_documents: int
    """Documents of the corpus."""
    num_touched: int = 0
    """Documents that hold something of a benchmark."""
    num_dropped: int = 0
    """Those of them of which nothing is left."""
    num_pieces: int = 0
    """New documents that the others become."""
    num_removed_chars: int = 0
    num_boilerplate: int = 0
    """Matches that do not count: many documents have all of their n-grams."""
    text_sets: dict[str, TextSetPlan] = field(default_factory=dict)
    """By slug, those with a match that counts."""
    examples: list[PlanExample] = field(default_factory=list)
    """The longest matches first."""
    not_available: str = ""
    """Names of the benchmarks whose files were not there: nothing was looked for in them."""

    def figures(self) -> dict[str, int | float | str]:
        """Its numbers as a manifest has them."""
        sets = self.text_sets.items()
        return {
            "num_touched": self.num_touched,
            "num_dropped": self.num_dropped,
            "num_pieces": self.num_pieces,
            "num_removed_chars": self.num_removed_chars,
            "num_boilerplate_matches": self.num_boilerplate,
            "not_available": self.not_available,
            **{f"{slug}_num_documents": each.num_documents for slug, each in sets},
            **{f"{slug}_num_matched_chars": each.num_matched_chars for slug, each in sets},
        }


def plan(config: DecontaminationConfig, inputs: Inputs) -> Plan:
    """What the stage would do with these inputs; reads the matches only, writes nothing.

    Raises:
        UsageError: the matches are of other documents.
    """
    check_inputs(inputs)
    matches = inputs["matches"]
    figures = read_manifest(matches).figures
    result = Plan(
        num_documents=read_manifest(inputs["documents"]).counts.out,
        not_available=str(figures.get("not_available", "")),
    )
    longest: list[dict] = []
    for shard in data_shards(matches, "matches-"):
        columns = ["text_set", "num_ngrams", "num_boilerplate"]
        result.num_boilerplate += sum(map(is_ignored, read_rows(shard, columns)))
        for contamination in contaminated_documents(shard):
            _add(result, contamination, judge(contamination, config))
            candidates = [*longest, max(contamination, key=_length)]
            longest = nlargest(_NUM_EXAMPLES, candidates, key=_length)
    result.text_sets = dict(sorted(result.text_sets.items()))
    result.examples = _examples(longest, matches)
    return result


def check_inputs(inputs: Inputs) -> None:
    """See that the matches were found in these documents.

    Raises:
        UsageError: they were not.
    """
    searched = read_manifest(inputs["matches"]).inputs["documents"].hash
    if describe_input(inputs["documents"]).hash != searched:
        raise UsageError(
            f"the matches {inputs['matches']} were not found in the documents "
            f"{inputs['documents']}",
            hint="Give the matches of these documents.",
        )


def contaminated_documents(shard: Path) -> Iterator[list[dict]]:
    """The matches of one shard that count, document by document, in the documents' order."""
    for _, matches in groupby(read_rows(shard), key=lambda match: match["document"]):
        if contamination := [match for match in matches if counts_as_contamination(match)]:
            yield contamination


def _add(result: Plan, contamination: list[dict], verdict: Verdict) -> None:
    result.num_touched += 1
    result.num_dropped += not verdict.pieces
    result.num_pieces += len(verdict.pieces)
    result.num_removed_chars += contamination[0]["document_chars"] - verdict.num_chars_left
    spans: dict[str, list[Span]] = defaultdict(list)
    for match in contamination:
        spans[match["text_set"]].append(Span(match["start"], match["end"]))
    for slug, matched in spans.items():
        text_set = result.text_sets.setdefault(slug, TextSetPlan())
        text_set.num_documents += 1
        text_set.num_matched_chars += sum(span.num_chars for span in merged(matched))


def _length(match: dict) -> int:
    return match["num_words"]


def _examples(longest: list[dict], matches: Path) -> list[PlanExample]:
    wanted = {_key(match) for match in longest}
    [shard] = data_shards(matches, "examples-")
    texts = {_key(row): row["text"] for row in read_rows(shard) if _key(row) in wanted}
    return [
        PlanExample(
            **{name: match[name] for name in PlanExample._fields[:-1]},
            text=texts[_key(match)][match["example_start"] : match["example_end"]][:_EXCERPT_CHARS],
        )
        for match in longest
    ]


def _key(row: dict) -> tuple[str, int, str]:
    return row["text_set"], row["example"], row["part"]
