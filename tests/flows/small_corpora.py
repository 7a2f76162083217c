"""Small corpora with every stage from links to tokens, written as the stages write them."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from corpus.manifest import MANIFEST, WITHDRAWN, read_manifest
from corpus.schema import DOCUMENTS, LINKS, PAGES, tokens_schema
from corpus.settings import Section
from corpus.shards import shard_name
from corpus.stage import StageWriter
from corpus.tokens.stage import TokensConfig
from crawler.documents.stage import ExtractConfig
from crawler.links.submissions import LinksConfig
from crawler.pages.settings import CrawlConfig
from dedup.unique.stage import DedupConfig

CONFIGS: Mapping[str, Section] = {
    "links": LinksConfig(),
    "pages": CrawlConfig(contact="crawl@archive.example"),
    "documents": ExtractConfig(),
    "unique": DedupConfig(),
    "tokens": TokensConfig(vocab_size=300),
}


def document_id(url: str) -> str:
    return hashlib.sha256(url.encode()).hexdigest()[:16]


def document(url: str, text: str = "", **others: object) -> dict:
    """A row of documents."""
    known = {
        "id": document_id(url),
        "url": url,
        "final_url": url,
        "domain": url.split("/")[2],
        "score": 3,
        "first_seen": datetime(2017, 1, 1, tzinfo=UTC),
        "subreddits": ["books"],
        "title": f"Title of {url}",
        "language": "en",
        "text": text or f"The text of {url}.",
    }
    return dict.fromkeys(DOCUMENTS.names) | known | others


def write_documents(
    folder: Path,
    rows: Sequence[dict],
    inputs: Mapping[str, Path] | None = None,
    num_shards: int = 1,
    rejects: Iterable[dict] = (),
    schema: pa.Schema = DOCUMENTS,
) -> Path:
    """A finished folder of documents, of whatever stage its path names."""
    stage, rejects = folder.parent.name, list(rejects)
    writer = StageWriter(stage, CONFIGS.get(stage, Section()), inputs or {}, folder)
    writer.write_rejects(0, rejects)
    for i in range(num_shards):
        writer.write(shard_name("documents", i), rows[i::num_shards], schema)
    writer.finish(len(rows) + len(rejects))
    return folder


def write_tokens(
    folder: Path, documents: Path, rows: Sequence[dict], num_val: int = 1, vocab_size: int = 300
) -> Path:
    """A finished tokens folder: bytes as tokens, the last `num_val` documents held out."""
    config = CONFIGS["tokens"].model_copy(update={"vocab_size": vocab_size})
    writer = StageWriter("tokens", config, {"documents": documents}, folder)
    splits = {"train": rows[: len(rows) - num_val], "val": rows[len(rows) - num_val :]}
    figures: dict[str, int | float | str] = {"vocab_size": vocab_size}
    for split, some in splits.items():
        tokens = [{"id": row["id"], "tokens": [*row["text"].encode(), 0]} for row in some]
        writer.write(shard_name(split, 0), tokens, tokens_schema(vocab_size))
        figures[f"num_{split}_documents"] = len(some)
        figures[f"num_{split}_tokens"] = sum(len(row["tokens"]) for row in tokens)
    writer.finish(len(rows), figures=figures)
    return folder


def write_corpus(
    data: Path,
    name: str,
    rows: Sequence[dict],
    rejects: Mapping[str, Sequence[dict]] | None = None,
    also_linked: Sequence[str] = (),
    num_shards: int = 1,
    vocab_size: int = 300,
) -> Path:
    """A whole corpus; what is in `rejects` of a stage came as far as that stage.

    Args:
        data: The data folder.
        name: Of every stage's folder.
        rows: Its documents.
        rejects: Rows of REJECTS by stage.
        also_linked: URLs that have a link, and no document.
        num_shards: Shards of documents.
        vocab_size: Ids of the tokenizer that nobody has.

    Returns:
        The tokens folder.
    """
    dropped = rejects or {}
    urls = sorted({*(row["url"] for row in rows), *also_linked})
    links = StageWriter("links", CONFIGS["links"], {}, data / "links" / name)
    links.write_rejects(0, dropped.get("links", ()))
    links.write("links-00000.arrow", ({"url": url} for url in urls), LINKS)
    links.finish(len(urls) + len(dropped.get("links", ())))
    pages = StageWriter("pages", CONFIGS["pages"], {"links": links.output}, data / "pages" / name)
    pages.write_rejects(0, dropped.get("pages", ()))
    pages.write("pages-00000.arrow", ({"url": row["url"]} for row in rows), PAGES)
    pages.finish(len(rows) + len(dropped.get("pages", ())))
    source = {"links": links.output, "pages": pages.output}
    for stage in ("documents", "unique"):
        some = dropped.get(stage, ())
        folder = write_documents(data / stage / name, rows, source, num_shards, some)
        source = {"documents": folder}
    return write_tokens(data / "tokens" / name, source["documents"], rows, vocab_size=vocab_size)


def withdraw(folder: Path, replaced_by: str | None = None) -> None:
    """Take a folder's data away and leave its record, as a takedown does."""
    manifest = read_manifest(folder).model_copy(update={"replaced_by": replaced_by})
    for shard in manifest.shards:
        (folder / shard.name).unlink()
    (folder / MANIFEST).unlink()
    (folder / WITHDRAWN).write_text(manifest.model_dump_json(by_alias=True))
