"""What a takedown would do to a data folder: read, and nothing written."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Final

import orjson
import pyarrow as pa

from corpus.manifest import Manifest, is_finished, is_withdrawn, read_record
from corpus.takedown.items import items_in, read_columns
from corpus.takedown.versions import MARKER, RejectKey, Version
from corpus.takedown.withdrawn import current_version, left_behind
from crawler.archive.withdraw import Span
from crawler.links.takedown import Takedown, extend_list, read_list
from flows.corpora.catalog import finished
from flows.corpora.summary import corpus_hash
from flows.link_sources import TAKEDOWN
from flows.takedown.find import Concerned, find_taken_down
from flows.takedown.keep_out import WITHDRAWING

REJECT_KEYS: Final[Mapping[str, RejectKey]] = {
    "pages": "url",
    "documents": "url",
    "unique": "id",
    "trimmed": "id",
    "extended": "id",
    "decontaminated": "id",
    "tokens": "id",
}
"""The stages that hold text, and what their rejects are called by."""

DERIVED: Final = ("ngrams", "overlap", "matches", "memorisation")
"""Stages that are withdrawn with a corpus: they measure it, hold its n-grams, or quote it."""

Pending = list[tuple[str, str | None]]
"""`STAGE/KEY` of folders to withdraw, and the name of what takes each one's place."""


@dataclass(frozen=True)
class Plan:
    """What goes, and what is written and withdrawn for it."""

    data: Path
    listed: str
    """The text that the takedown list gets."""
    entries: list[str]
    """Those of its lines that are new."""
    concerned: Concerned
    versions: list[Version]
    """New versions of stage folders, sources first."""
    derived: list[Path] = field(default_factory=list)
    """Folders that are withdrawn because their corpus is."""
    runs: list[Path] = field(default_factory=list)
    """Models whose training data held something that goes. They stay as they are."""
    foreign: list[Path] = field(default_factory=list)
    """A person's own archives, outside the data folder, that hold something that goes."""
    unfinished: list[Path] = field(default_factory=list)
    """Folders of stages that have not ended: what is in them is not looked at."""
    leftovers: list[Path] = field(default_factory=list)
    """What an earlier takedown was killed over: folders that this one clears."""

    @property
    def corpora(self) -> list[tuple[str, Version]]:
        """The corpora concerned: hash, and the new version of the tokens folder."""
        tokens = (v for v in self.versions if v.old.parent.name == "tokens")
        return [(corpus_hash(version.old), version) for version in tokens]

    @property
    def is_empty(self) -> bool:
        """Whether no file would change but the list."""
        return not (self.versions or self.leftovers)


def plan_takedown(data: Path, entries: Sequence[str] = (), workers: int = 1) -> Plan:
    """What it takes to take the list's addresses, and these, out of every corpus.

    Args:
        data: The data folder.
        entries: Further lines of the takedown list: domains, URLs, starts of URLs and `*`.
        workers: Worker processes.

    Raises:
        UsageError: an entry is none, or the list cannot be read.
        WebtextError: a manifest, a shard or an archive is damaged.
    """
    path = data / TAKEDOWN
    before = read_list(path) if path.is_file() else ""
    Takedown.parse(before, path)
    listed = extend_list(before, entries)
    pending = read_pending(data)
    names = {name for name, _ in pending}
    folders = [
        (folder, manifest)
        for stage in REJECT_KEYS
        for folder, manifest in finished(data, stage)
        if f"{stage}/{folder.name}" not in names
    ]
    concerned = find_taken_down(folders, listed, path, workers)
    versions = _versions(folders, concerned, workers)
    old = {version.old for version in versions}
    return Plan(
        data=data,
        listed=listed,
        entries=listed.splitlines()[len(before.splitlines()) :],
        concerned=concerned,
        versions=versions,
        derived=_derived(data, old, names),
        runs=list(_runs(data, versions)),
        foreign=sorted(set(_foreign_archives(versions))),
        unfinished=list(_unfinished(data, {version.new for version in versions})),
        leftovers=list(_leftovers(data, pending, {version.new for version in versions})),
    )


def read_pending(data: Path) -> Pending:
    """The folders that a killed takedown has still to withdraw."""
    path = data / WITHDRAWING
    return orjson.loads(path.read_bytes()) if path.is_file() else []


def source(folder: Path, recorded: str) -> Path:
    """Where the input of a stage folder lies: stage folders lie side by side."""
    return folder.parents[1].joinpath(*Path(recorded).parts[-2:])


def _versions(
    folders: Sequence[tuple[Path, Manifest]], concerned: Concerned, workers: int
) -> list[Version]:
    manifests = dict(folders)
    sources = {
        folder: {source(folder, each.path) for each in manifest.inputs.values()} & manifests.keys()
        for folder, manifest in folders
    }
    versions: dict[Path, Version] = {}
    gone = pa.array(sorted(concerned.gone), pa.string())
    with ThreadPoolExecutor(workers) as pool:
        for folder in TopologicalSorter(sources).static_order():
            inputs = dict(_new_inputs(folder, manifests[folder], versions))
            items = _items(folder, manifests[folder], gone, pool) if concerned.gone else {}
            spans = {p.name: s for p, s in concerned.spans.items() if p.parent == folder}
            if inputs or items or spans:
                versions[folder] = Version(
                    old=folder,
                    new=folder.with_name(_name(folder, manifests[folder], inputs, items, spans)),
                    reject_key=REJECT_KEYS[folder.parent.name],
                    inputs=inputs,
                    items={**items, **dict.fromkeys(spans, frozenset())},
                    num_shards=len(manifests[folder].shards),
                )
    return list(versions.values())


def _new_inputs(
    folder: Path, manifest: Manifest, versions: Mapping[Path, Version]
) -> Iterator[tuple[str, Path]]:
    for role, each in manifest.inputs.items():
        path = source(folder, each.path)
        if path in versions:
            yield role, versions[path].new
        elif is_withdrawn(path) and is_finished(newer := current_version(path)):
            yield role, newer


def _items(
    folder: Path, manifest: Manifest, gone: pa.Array, pool: ThreadPoolExecutor
) -> dict[str, frozenset[str]]:
    """By shard: which of the items that go are in it."""
    names = [shard.name for shard in manifest.shards if shard.name.endswith(".arrow")]
    found = pool.map(lambda name: items_in(folder / name, gone), names)
    return {name: items for name, items in zip(names, found, strict=True) if items}


def _name(
    folder: Path,
    manifest: Manifest,
    inputs: Mapping[str, Path],
    items: Mapping[str, frozenset[str]],
    spans: Mapping[str, Sequence[Span]],
) -> str:
    """A name that says what became of which folder: a killed takedown finds it again."""
    identity = {
        "old": [folder.name, manifest.hash],
        "inputs": {role: path.name for role, path in inputs.items()},
        "items": {name: sorted(each) for name, each in items.items()},
        "spans": {name: [list(span) for span in each] for name, each in spans.items()},
    }
    encoded = orjson.dumps(identity, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(encoded).hexdigest()[:16]


def _derived(data: Path, old: set[Path], pending: set[str]) -> list[Path]:
    """The measurements of what is replaced, or of what is gone already."""
    found: list[Path] = []
    for stage in DERIVED:
        for folder, manifest in finished(data, stage):
            sources = {source(folder, each.path) for each in manifest.inputs.values()}
            is_stale = bool(sources & (old | set(found))) or any(map(is_withdrawn, sources))
            if is_stale and f"{stage}/{folder.name}" not in pending:
                found.append(folder)
    return found


def _runs(data: Path, versions: Sequence[Version]) -> Iterator[Path]:
    """Runs that were trained on a corpus of which train documents go, or on an earlier version."""
    held: set[str] = set()
    for version in versions:
        if any(name.startswith("train-") for name in version.items):
            held.update(folder.name for folder in earlier_versions(version.old))
    for folder, manifest in finished(data, "runs"):
        tokens = manifest.inputs.get("tokens")
        if tokens and source(folder, tokens.path).name in held:
            yield folder


def earlier_versions(folder: Path) -> Iterator[Path]:
    """A folder, and the withdrawn ones that it replaces."""
    while is_finished(folder) or is_withdrawn(folder):
        yield folder
        replaces = read_record(folder).replaces
        if replaces is None:
            return
        folder = folder.with_name(replaces)


def _foreign_archives(versions: Sequence[Version]) -> Iterator[Path]:
    for version in versions:
        if version.old.parent.name != "pages":
            continue
        for name, items in version.items.items():
            if name.startswith("lineage-"):
                for batch in read_columns(version.old / name, ("url", "warc")):
                    for row in batch.to_pylist():
                        if row["url"] in items and Path(row["warc"]).is_absolute():
                            yield Path(row["warc"])


def _unfinished(data: Path, new: set[Path]) -> Iterator[Path]:
    for folder in _folders(data, (*REJECT_KEYS, "matches")):
        is_open = not is_finished(folder) and not is_withdrawn(folder)
        is_ours = folder in new or (folder / MARKER).exists()
        is_begun = any(not path.name.startswith((".lock", ".lease-")) for path in folder.iterdir())
        if is_open and not is_ours and is_begun:
            yield folder


def _leftovers(data: Path, pending: Pending, new: set[Path]) -> Iterator[Path]:
    yield from (data / name for name, _ in pending)
    for folder in _folders(data, (*REJECT_KEYS, *DERIVED)):
        # New versions that nobody waits for are of a takedown that had other entries.
        is_orphan = (folder / MARKER).exists() and not is_finished(folder) and folder not in new
        if is_orphan or (is_withdrawn(folder) and left_behind(folder)):
            yield folder


def _folders(data: Path, stages: Sequence[str]) -> Iterator[Path]:
    for stage in stages:
        yield from sorted(path for path in (data / stage).glob("*") if path.is_dir())
