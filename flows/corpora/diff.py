"""What a rebuild added, dropped and changed, why, and which settings differ."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from corpus.manifest import Manifest, is_withdrawn, read_record
from flows.corpora.compare_documents import compare_documents
from flows.corpora.explain_changes import Explained, urls_of
from flows.corpora.facts import corpus_bytes
from flows.corpora.summary import CORPUS_STAGES, ancestors, corpus_hash, documents_of, lineage


@dataclass(frozen=True)
class CorpusSize:
    """One of the two corpora."""

    hash: str
    num_documents: int
    num_train_tokens: int
    num_val_tokens: int
    bytes: int
    """Of its documents and tokens on disk."""
    is_withdrawn: bool
    """Its documents are gone: it can be counted, but not be compared with."""


@dataclass(frozen=True)
class Changes:
    """What became of the documents. One that was cut into pieces counts as one.

    Old documents are kept, changed or dropped; new ones are kept, changed or added.
    """

    num_kept: int
    num_changed: int
    """Same URL, another text."""
    dropped: dict[str, int]
    """By the reason that the new corpus's stages recorded."""
    added: dict[str, int]
    """By the reason why the old corpus lacked them."""
    examples: dict[str, dict[str, list[str]]]
    """URLs by "dropped", "added" and "changed", and then by reason."""


@dataclass(frozen=True)
class Difference:
    """A setting, a library or a count that differs; None: that corpus has none."""

    name: str
    old: object
    new: object


@dataclass(frozen=True)
class CorpusDiff:
    """All that differs between two corpora."""

    old: CorpusSize
    new: CorpusSize
    changes: Changes | None
    """None: one of them is withdrawn."""
    rejects: list[Difference]
    """How many things the stages dropped, by stage and reason."""
    settings: list[Difference]


def diff_corpora(old: Path, new: Path, num_examples: int = 3) -> CorpusDiff:
    """Compare two corpora: their documents, what was dropped on the way, and their settings.

    Memory: about 100 bytes a document. Reasons are looked for in what the stages of both corpora
    recorded; of a withdrawn corpus only the counts are left.

    Args:
        old: A finished or withdrawn tokens folder.
        new: Another one.
        num_examples: URLs to show of each reason.

    Raises:
        WebtextError: a shard is missing or damaged.
    """
    sizes = _size(old), _size(new)
    can_compare = not any(size.is_withdrawn for size in sizes)
    records = _records(old), _records(new)
    rejects = _rejects(old), _rejects(new)
    return CorpusDiff(
        *sizes,
        changes=_changes(old, new, num_examples) if can_compare else None,
        rejects=[
            Difference(name, rejects[0][name], rejects[1][name])
            for name in dict.fromkeys([*rejects[0], *rejects[1]])
            if rejects[0][name] != rejects[1][name]
        ],
        settings=[*_stages(*records), *differing_settings(*records)],
    )


def _size(tokens: Path) -> CorpusSize:
    documents = documents_of(tokens)
    record = read_record(tokens)
    return CorpusSize(
        hash=corpus_hash(tokens),
        num_documents=record.counts.out,
        num_train_tokens=int(record.figures.get("num_train_tokens", 0)),
        num_val_tokens=int(record.figures.get("num_val_tokens", 0)),
        bytes=corpus_bytes(tokens),
        is_withdrawn=is_withdrawn(documents),
    )


def _changes(old: Path, new: Path, num_examples: int) -> Changes:
    old_documents, new_documents = documents_of(old), documents_of(new)
    compared = compare_documents(old_documents, new_documents)
    dropped = Explained(compared.dropped, old_documents)
    added = Explained(compared.added, new_documents)
    dropped.by_rejects(ancestors(new))
    added.by_rejects(ancestors(old))
    dropped.by_final_urls(added)
    added.by_final_urls(dropped)
    dropped.by_links(ancestors(new), "dropped")
    added.by_links(ancestors(old), "added")
    some = compared.changed[:num_examples]
    found = urls_of(some, new_documents)
    return Changes(
        num_kept=len(compared.kept),
        num_changed=len(compared.changed),
        dropped=dropped.counts(),
        added=added.counts(),
        examples={
            "dropped": dropped.examples(num_examples),
            "added": added.examples(num_examples),
            "changed": {"other_text": [found[each] for each in some.tolist()]},
        },
    )


def _records(tokens: Path) -> dict[str, Manifest]:
    folders = lineage(tokens)
    return {stage: read_record(folders[stage]) for stage in CORPUS_STAGES if stage in folders}


def _rejects(tokens: Path) -> Counter[str]:
    """Counts by stage and reason; of an extended corpus those of all its rounds."""
    counts: Counter[str] = Counter()
    for stage, folders in [*ancestors(tokens).items(), ("tokens", [tokens])]:
        for record in map(read_record, folders):
            counts.update({f"{stage}: {name}": n for name, n in record.counts.rejects.items()})
    return counts


def _stages(old: Mapping[str, Manifest], new: Mapping[str, Manifest]) -> list[Difference]:
    """The stages that only one of them has."""
    return [
        Difference(f"stage {stage}", stage in old, stage in new)
        for stage in CORPUS_STAGES
        if (stage in old) != (stage in new)
    ]


def differing_settings(
    old: Mapping[str, Manifest], new: Mapping[str, Manifest]
) -> Iterator[Difference]:
    """What differs in the configs and libraries of the stages that both have.

    Args:
        old: Records by stage.
        new: The same of the other.
    """
    both = [stage for stage in old if stage in new]
    before, after = (_values(records[stage] for stage in both) for records in (old, new))
    for name in dict.fromkeys([*before, *after]):
        if before.get(name) != after.get(name):
            yield Difference(name, before.get(name), after.get(name))


def _values(records: Iterable[Manifest]) -> dict[str, object]:
    configs, versions = {}, {}
    for record in records:
        configs |= _named(record.stage, record.config)
        versions |= {f"version of {name}": value for name, value in record.versions.items()}
    return configs | versions


def _named(prefix: str, config: Mapping[str, object]) -> dict[str, object]:
    """The settings by their whole names: a run's lie in two sections."""
    named: dict[str, object] = {}
    for key, value in config.items():
        name = f"{prefix}.{key}"
        named |= _named(name, value) if isinstance(value, dict) else {name: value}
    return named
