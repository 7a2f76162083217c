"""Which documents are held out: whole sites, or single documents, by a hash of their name."""

import hashlib
from typing import Literal

import numpy as np
import pyarrow as pa

Split = Literal["train", "val"]

SPLITS: tuple[Split, Split] = ("train", "val")

SplitBy = Literal["domain", "document"]


def split_of(domain: str, val_fraction: float) -> Split:
    """Which split a site's documents belong to: a function of its registrable domain alone.

    So it stays the same in every rebuild, and raising `val_fraction` only moves sites from train
    to val.
    """
    digest = hashlib.blake2b(domain.encode(), digest_size=8).digest()
    return "val" if int.from_bytes(digest, "big") < val_fraction * 2**64 else "train"


def held_out(documents: pa.RecordBatch, val_fraction: float, split_by: SplitBy) -> np.ndarray:
    """Which of N documents are in the val split: (N,) bool.

    A document without a domain counts as a site of its own, and so does each document where the
    split is by document; the pieces of one (ids ID-1, ID-2, ...: docs/decontamination.md) stay
    together.

    Args:
        documents: Columns `id` and `domain`.
        val_fraction: Share of the sites that is held out.
        split_by: What is held out whole.
    """
    names = documents.column("domain")
    if split_by == "document" or names.null_count:
        ids = (document_id.partition("-")[0] for document_id in documents.column("id").to_pylist())
        domains = names.to_pylist() if split_by == "domain" else [None] * len(names)
        names = pa.array((d or i for d, i in zip(domains, ids, strict=True)), pa.string())
    encoded = names.dictionary_encode()
    distinct = encoded.dictionary.to_pylist()
    is_val = np.array([split_of(name, val_fraction) == "val" for name in distinct], dtype=bool)
    return is_val[encoded.indices.to_numpy()]
