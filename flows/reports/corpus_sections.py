"""A corpus as its report shows it: the funnel, how its documents spread, samples, clusters."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from corpus.manifest import is_finished, is_withdrawn, read_record
from flows.corpora.clusters import largest_clusters
from flows.corpora.document_facts import DocumentFacts, document_facts
from flows.corpora.remembered import Remembered, remembered
from flows.corpora.samples import Rejected, RejectedGroup, sample_documents, sample_rejects
from flows.corpora.summary import (
    CORPUS_STAGES,
    FunnelRow,
    ancestors,
    documents_of,
    funnel,
    lineage,
)
from flows.reports.charts import histogram, time_histogram

_NUM_DOCUMENTS: Final = 12
_NUM_REJECTED: Final = 5  # of each reason
_MAX_LANGUAGES: Final = 12
_MAX_BARS: Final = 40  # of days


@dataclass(frozen=True)
class Shape:
    """A stage of the funnel as a picture: percentages of the widest."""

    row: FunnelRow
    left: float
    """Half of what came in, measured from the middle."""
    right: float
    """Half of what went out."""
    percent_kept: float
    """To a tenth, rounded down: 100 says that all was kept."""


class _Rejects(Remembered):
    groups: tuple[dict, ...]


def funnel_shapes(tokens: Path) -> list[Shape]:
    """The stages from links to tokens, each as wide as what it took in and what it gave out."""
    rows = list(funnel(tokens))
    widest = max(1, *(row.incoming for row in rows), *(row.out for row in rows))
    return [
        Shape(
            row,
            50 * row.incoming / widest,
            50 * row.out / widest,
            1000 * row.out // row.incoming / 10 if row.incoming else 100.0,
        )
        for row in rows
    ]


def corpus_sections(tokens: Path) -> dict[str, object]:
    """What the report's template shows of a corpus; its documents only while they are there."""
    documents = documents_of(tokens)
    if is_withdrawn(tokens) or not is_finished(documents):
        return {"facts": None, "documents": [], "rejected": _rejected(tokens), "clusters": None}
    facts = document_facts(documents)
    unique = ancestors(tokens).get("unique", [])[:1]
    return {
        "facts": facts,
        **_histograms(facts),
        "languages": _top(facts.languages),
        "documents": sample_documents(tokens, _NUM_DOCUMENTS),
        "rejected": _rejected(tokens),
        "clusters": next((largest_clusters(each) for each in unique if is_finished(each)), None),
    }


def _rejected(tokens: Path) -> list[RejectedGroup]:
    """Samples of what each stage dropped, of an extended corpus those of its last round."""
    if is_withdrawn(tokens):
        return []
    folders = lineage(tokens)
    return [
        group
        for stage in CORPUS_STAGES
        if stage in folders and is_finished(folders[stage])
        for group in _sampled(folders[stage])
    ]


def _sampled(folder: Path) -> list[RejectedGroup]:
    if not read_record(folder).counts.rejects:
        return []

    def sample(of: str) -> _Rejects:
        return _Rejects(of=of, groups=tuple(map(asdict, sample_rejects(folder, _NUM_REJECTED))))

    return [
        RejectedGroup(**{**group, "sample": [Rejected(**each) for each in group["sample"]]})
        for group in remembered(folder, "rejects", _Rejects, sample).groups
    ]


def _histograms(facts: DocumentFacts) -> dict[str, str]:
    lengths, scores, days = facts.lengths, facts.scores, facts.days
    return {
        "lengths_svg": histogram(lengths.edges, lengths.counts, "characters")
        if lengths.counts
        else "",
        "scores_svg": histogram(scores.edges, scores.counts, "karma") if scores.counts else "",
        "days_svg": time_histogram(*_by_days(days), "first posted") if days else "",
    }


def _by_days(days: dict[str, int]) -> tuple[list[date], list[int]]:
    """So many days to a bar that there are not too many bars."""
    dated = {date.fromisoformat(day): count for day, count in days.items()}
    first, last = min(dated), max(dated)
    step = (last - first).days // _MAX_BARS + 1
    counts: Counter[int] = Counter()
    for day, count in dated.items():
        counts[(day - first).days // step] += count
    num_bars = max(counts) + 1
    edges = [first + timedelta(days=step * i) for i in range(num_bars + 1)]
    return edges, [counts[i] for i in range(num_bars)]


def _top(languages: dict[str, int]) -> Sequence[tuple[str, int]]:
    named = list(languages.items())
    others = sum(count for _, count in named[_MAX_LANGUAGES:])
    return [*named[:_MAX_LANGUAGES], *([("others", others)] if others else [])]
