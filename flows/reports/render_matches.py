"""Training text and benchmark text side by side: one self-contained page of an exact search."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import nlargest
from pathlib import Path
from typing import Final, NamedTuple

from corpus.atomic import write_bytes
from corpus.manifest import Manifest, read_manifest
from corpus.shards import open_shard, read_rows
from corpus.stage import data_shards
from dedup.matches.shards import is_boilerplate
from dedup.overlap.text_sets import TEXT_SETS
from flows.reports.page_template import page_template

PAGE: Final = "matches.html"

_NUM_EXAMPLES: Final = 10  # of each text set
_NUM_BOILERPLATE: Final = 3  # of each text set
_CONTEXT_CHARS: Final = 300  # on either side of a match
_MATCH_CHARS: Final = 1500


class Passage(NamedTuple):
    """A match where it stands in one text."""

    before: str
    match: str
    after: str


@dataclass(frozen=True)
class Shown:
    """One match, as the page shows it."""

    match: dict
    training: Passage
    benchmark: Passage
    is_boilerplate: bool


@dataclass
class TextSetMatches:
    """What was found of one text set."""

    slug: str
    name: str
    num_examples: int = 0
    num_ngrams: int = 0
    num_found: int = 0
    num_boilerplate: int = 0
    num_matches: int = 0
    matches: dict[int, dict] = field(default_factory=dict)
    """The longest match of each example that has more than boilerplate."""
    boilerplate: dict[int, dict] = field(default_factory=dict)
    """The longest match of each example that is nothing but boilerplate."""
    shown: list[Shown] = field(default_factory=list)

    @property
    def longest(self) -> list[dict]:
        """The matches to show: boilerplate comes last."""
        return [
            *nlargest(_NUM_EXAMPLES, self.matches.values(), key=_length),
            *nlargest(_NUM_BOILERPLATE, self.boilerplate.values(), key=_length),
        ]


def render_matches(matches: Path, documents: Path) -> Path:
    """Write `matches.html` into the folder of a finished exact search and return its path.

    Args:
        matches: What the stage "matches" wrote.
        documents: The documents that it searched.

    Raises:
        WebtextError: a shard is damaged or missing.
    """
    manifest = read_manifest(matches)
    text_sets = _count(matches)
    for shard in data_shards(matches, "matches-"):
        for match in read_rows(shard):
            _add(text_sets[match["text_set"]], match | {"shard": shard.name})
    _fill_in(text_sets, matches, documents)
    found = [each for each in text_sets.values() if each.num_ngrams]
    html = page_template("matches").render(
        **_header(manifest, matches),
        text_sets=found,
        bars=[(each.name, len(each.matches)) for each in found],
    )
    path = matches / PAGE
    write_bytes(path, html.encode())
    return path


def _header(manifest: Manifest, matches: Path) -> dict[str, object]:
    return {
        "corpus_hash": manifest.inputs["documents"].hash[:12],
        "matches_hash": manifest.hash[:12],
        "finished": f"{manifest.times.finished:%Y-%m-%d %H:%M} UTC",
        "figures": manifest.figures,
        "n": manifest.config["n"],
        "boilerplate_documents": manifest.config["boilerplate_documents"],
        "folder": f"{matches.parent.name}/{matches.name}",
    }


def _count(matches: Path) -> dict[str, TextSetMatches]:
    names = {text_set.slug: text_set.name for text_set in TEXT_SETS}
    text_sets: dict[str, TextSetMatches] = {}
    last: dict[str, int] = {}
    for row in read_rows(matches / "counts-00000.arrow"):
        slug = row["text_set"]
        one = text_sets.setdefault(slug, TextSetMatches(slug, names.get(slug) or slug))
        one.num_examples += last.get(slug) != row["example"]
        last[slug] = row["example"]
        one.num_ngrams += row["num_ngrams"]
        one.num_found += row["num_found"]
        one.num_boilerplate += row["num_boilerplate"]
    return text_sets


def _add(text_set: TextSetMatches, match: dict) -> None:
    text_set.num_matches += 1
    kind = text_set.boilerplate if is_boilerplate(match) else text_set.matches
    known = kind.setdefault(match["example"], match)
    if _length(match) > _length(known):
        kind[match["example"]] = match


def _length(match: dict) -> int:
    return match["num_words"]


def _fill_in(text_sets: dict[str, TextSetMatches], matches: Path, documents: Path) -> None:
    """Read the texts of what is shown, and of nothing else."""
    chosen = [match for each in text_sets.values() for match in each.longest]
    training = _document_texts(chosen, documents)
    wanted = {_example_key(match) for match in chosen}
    benchmark = {
        _example_key(row): row["text"]
        for row in read_rows(matches / "examples-00000.arrow")
        if _example_key(row) in wanted
    }
    for text_set in text_sets.values():
        text_set.shown = [
            Shown(
                match=match,
                training=_passage(training[match["document"]], match["start"], match["end"]),
                benchmark=_passage(
                    benchmark[_example_key(match)], match["example_start"], match["example_end"]
                ),
                is_boilerplate=is_boilerplate(match),
            )
            for match in text_set.longest
        ]


def _document_texts(chosen: list[dict], documents: Path) -> dict[str, str]:
    by_shard: dict[str, set[str]] = {}
    for match in chosen:
        name = match["shard"].replace("matches-", "documents-")
        by_shard.setdefault(name, set()).add(match["document"])
    return dict(pair for name, ids in by_shard.items() for pair in _texts(documents / name, ids))


def _texts(shard: Path, ids: set[str]) -> Iterator[tuple[str, str]]:
    reader = open_shard(shard)
    for index in range(reader.num_record_batches):
        batch = reader.get_batch(index)
        for row, document in enumerate(batch.column("id").to_pylist()):
            if document in ids:
                yield document, batch.column("text")[row].as_py()


def _example_key(row: dict) -> tuple[str, int, str]:
    return row["text_set"], row["example"], row["part"]


def _passage(text: str, start: int, end: int) -> Passage:
    match = text[start:end]
    if len(match) > _MATCH_CHARS:
        half = _MATCH_CHARS // 2
        match = f"{match[:half]} [… {len(match) - 2 * half:,} characters …] {match[-half:]}"
    before, after = text[max(0, start - _CONTEXT_CHARS) : start], text[end : end + _CONTEXT_CHARS]
    return Passage(
        ("…" if start > _CONTEXT_CHARS else "") + before,
        match,
        after + ("…" if len(text) > end + _CONTEXT_CHARS else ""),
    )
