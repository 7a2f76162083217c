"""Why documents are in one corpus and not in another: what the other's stages recorded of them.

Looked for are the reject shards, stage after stage: the last stage that rejected a document is the
one that decided. Most links that are left out are known by the line of their dump only, and of
these the address is in the detail, unless their score was too low: then it is in the dump alone.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus.manifest import is_finished, read_manifest
from corpus.stage import data_shards
from dedup.splits import batches, find
from flows.corpora.compare_documents import hash_values
from flows.corpora.summary import CORPUS_STAGES

Side = Literal["added", "dropped"]

OTHER_ADDRESS: Final = "other_address"
"""Both corpora have the page, by addresses that lead to the same place."""
NOT_RECORDED: Final = "not_recorded"
"""No stage says, or what it said was withdrawn."""
NOT_LINKED: Final[Mapping[Side, str]] = {"dropped": "not_linked", "added": "new_link"}
"""No link of the other corpus leads there."""

# What the links stage keeps of an address in a reject's detail.
_DETAIL_CHARS = 200


class Explained:
    """Documents that one corpus has and another lacks, and the reason of each.

    Args:
        urls: Their hashed URLs, ascending.
        documents: The folder of documents that holds them.
    """

    def __init__(self, urls: np.ndarray, documents: Path) -> None:
        self.urls = urls
        self.final_urls = np.zeros(len(urls), np.uint64)
        self._documents = documents
        self._codes = np.full(len(urls), -1, np.int32)
        self._reasons: list[str] = []
        keys, owners = [urls], [np.arange(len(urls))]
        for batch, rows, places in self._rows(["id", "url", "final_url"]):
            mine = batch.take(pa.array(rows))
            final_urls = pc.coalesce(mine.column("final_url"), mine.column("url"))  # pyright: ignore
            self.final_urls[places] = hash_values(final_urls)
            ids = pc.replace_substring_regex(mine.column("id"), pattern="-.*", replacement="")  # pyright: ignore
            cut = pc.utf8_slice_codeunits(mine.column("url"), 0, _DETAIL_CHARS)  # pyright: ignore
            keys += [hash_values(ids), hash_values(cut)]
            owners += [places, places]
        self._keys, first = np.unique(np.concatenate(keys), return_index=True)
        self._owners = np.concatenate(owners)[first]

    def by_rejects(self, folders: Mapping[str, Sequence[Path]]) -> None:
        """Take the reasons that stages recorded.

        Args:
            folders: The stage folders of the corpus that lacks the documents, by stage name.
        """
        for stage in CORPUS_STAGES:
            # Of several folders of a stage the nearest comes first, and has the last word.
            for folder in reversed(folders.get(stage, ())):
                if is_finished(folder):
                    self._read_rejects(folder, is_links=stage == "links")

    def by_links(self, folders: Mapping[str, Sequence[Path]], side: Side) -> None:
        """Of those without a reason: find out which no link leads to.

        Args:
            folders: As in `by_rejects`.
            side: What these documents are, seen from the older corpus.
        """
        linked = folders.get("links", ())
        if not linked or not all(map(is_finished, linked)):
            return
        is_linked = np.zeros(len(self.urls), bool)
        for shard in (shard for folder in linked for shard in data_shards(folder, "links-")):
            for batch in batches(shard, ["url"]):
                places = find(self.urls, hash_values(batch.column("url")))
                is_linked[places[places >= 0]] = True
        self._settle(~is_linked, NOT_LINKED[side])

    def by_final_urls(self, others: "Explained") -> None:
        """Of those without a reason: find those that are among `others` by another address."""
        self._settle(np.isin(self.final_urls, others.final_urls), OTHER_ADDRESS)

    def counts(self) -> dict[str, int]:
        """How many documents have each reason, most frequent first, then by name."""
        names = [*self._reasons, NOT_RECORDED]
        numbers = np.bincount(self._codes % len(names), minlength=len(names)).tolist()
        counts = {name: number for name, number in zip(names, numbers, strict=True) if number}
        return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))

    def examples(self, num: int) -> dict[str, list[str]]:
        """URLs by reason: those with the lowest hashes, whatever the order of the documents."""
        names = [*self._reasons, NOT_RECORDED]
        codes = self._codes % len(names)
        chosen = {name: np.flatnonzero(codes == i)[:num] for i, name in enumerate(names)}
        wanted = self.urls[np.sort(np.concatenate([*chosen.values(), []]).astype(np.int64))]
        urls = urls_of(wanted, self._documents)
        return {
            name: [urls[each] for each in self.urls[places].tolist()]
            for name, places in chosen.items()
            if len(places)
        }

    def _rows(self, columns: list[str]) -> Iterator[tuple[pa.RecordBatch, np.ndarray, np.ndarray]]:
        return _rows_of(self.urls, self._documents, columns)

    def _read_rejects(self, folder: Path, *, is_links: bool) -> None:
        for shard in read_manifest(folder).shards:
            if shard.kind != "rejects":
                continue
            for batch in batches(folder / shard.name, ["key", "reason", "detail"]):
                rejects = _addressed(batch) if is_links else batch
                places = find(self._keys, hash_values(rejects.column("key")))
                rows = np.flatnonzero(places >= 0)
                reasons = rejects.column("reason").take(pa.array(rows)).to_pylist()
                self._codes[self._owners[places[rows]]] = [self._code(name) for name in reasons]

    def _settle(self, chosen: np.ndarray, reason: str) -> None:
        self._codes[(self._codes < 0) & chosen] = self._code(reason)

    def _code(self, reason: str) -> int:
        if reason not in self._reasons:
            self._reasons.append(reason)
        return self._reasons.index(reason)


def urls_of(hashes: np.ndarray, documents: Path) -> dict[int, str]:
    """The URLs with these hashes, uint64 and ascending, in a folder of documents."""
    found: dict[int, str] = {}
    if len(hashes):
        for batch, rows, places in _rows_of(hashes, documents, ["url"]):
            urls = batch.column("url").take(pa.array(rows)).to_pylist()
            found |= zip(hashes[places].tolist(), urls, strict=True)
    return found


def _rows_of(
    hashes: np.ndarray, documents: Path, columns: list[str]
) -> Iterator[tuple[pa.RecordBatch, np.ndarray, np.ndarray]]:
    """Batches of documents, which of their rows are wanted, and the place of each in `hashes`."""
    for shard in data_shards(documents, "documents-") if len(hashes) else ():
        for batch in batches(shard, columns):
            places = find(hashes, hash_values(batch.column("url")))
            rows = np.flatnonzero(places >= 0)
            if len(rows):
                yield batch, rows, places[rows]


def _addressed(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Rejected links by address, which is the key or the end of the detail; others are left out."""
    keys, details = batch.column("key"), batch.column("detail")
    tails = pc.replace_substring_regex(details, pattern="^.* ", replacement="")  # pyright: ignore
    addresses = pc.if_else(pc.starts_with(keys, "http"), keys, tails)  # pyright: ignore
    by_address = pa.record_batch({"key": addresses, "reason": batch.column("reason")})
    return by_address.filter(pc.starts_with(addresses, "http"))  # pyright: ignore
