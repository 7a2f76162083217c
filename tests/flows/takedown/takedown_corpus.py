"""A whole corpus from pages to tokens, small and made without a crawl; and a search through it."""

import random
import shutil
import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from corpus.runtime import Runtime
from corpus.schema import DOCUMENT_LINEAGE, DOCUMENTS
from corpus.settings import Section
from corpus.shards import open_shard, read_rows, shard_name
from corpus.stage import StageWriter, data_shards, reject
from corpus.tokenizer import Tokenizer
from corpus.tokens.stage import TokensConfig, run as make_tokens
from crawler.archive.partition import PartitionArchive
from crawler.archive.warc import FETCHED, Outcome, Response
from crawler.documents.stage import document_id
from crawler.links.urls import host_of, registrable_domain
from tests.crawler.small_webs import write_links

HTML = [("Content-Type", "text/html")]
TOKENS = TokensConfig(vocab_size=300, val_fraction=0.2, split_by="document")
SECRET = "The herons of Zanzibar keep the ledger under the third stair."
SECRET_URL = "http://host2.example/page/12"
COPY_URL = "http://host5.example/page/15"
DEAD_URL = "http://host3.example/page/gone"
WORDS = ("ash", "birch", "cedar", "dogwood", "elm", "fir", "ginkgo", "hazel", "ivy", "larch")


def text_of(number: int) -> str:
    """A text that no other number has."""
    drawn = random.Random(number).choices(WORDS, k=30)
    return f"Page {number} of the wood: {' '.join(drawn)}."


def urls_of(num: int, hosts: int = 10) -> list[str]:
    return [f"http://host{n % hosts}.example/page/{n}" for n in range(num)]


def write_pages(
    data: Path, texts: dict[str, str], dead: Sequence[str] = (), name: str = "p1"
) -> Path:
    """A finished pages folder: an archive with an exchange per page, one 404 per dead link."""
    links = write_links(data / "links" / name, [*texts, *dead])
    folder = data / "pages" / name
    writer = StageWriter("pages", Section(), {"links": links}, folder)
    archive = PartitionArchive(folder, 0, len(texts) + len(dead), {"robots": "obey"}, 8_000)
    for row, url in enumerate([*texts, *dead]):
        status = 404 if url in dead else 200
        body = f"<p>{texts.get(url, f'Nothing at {url} any more')}</p>".encode()
        robots = url.partition("/page")[0] + "/robots.txt"
        answer = Response(200, [("Content-Type", "text/plain")], b"User-agent: *")
        archive.writer.write_exchange(robots, [], answer, cut=False)
        archive.writer.write_exchange(url, [], Response(status, HTML, body), cut=False, row=row)
        outcome = "http_404" if url in dead else FETCHED
        archive.settle(row, Outcome(url=url, outcome=outcome, status=status, final_url=url))
    archive.finish()
    writer.finish(len(texts) + len(dead))
    return folder


def document(url: str, text: str) -> dict:
    row = dict.fromkeys(DOCUMENTS.names)
    domain = registrable_domain(host_of(url))
    return row | {
        "id": document_id(url),
        "url": url,
        "final_url": url,
        "domain": domain,
        "text": text,
        "subreddits": [],
        "title": text[:20],
        "language": "en",
    }


def write_documents(
    data: Path, pages: Path, texts: dict[str, str], num_shards: int, name: str = "d1"
) -> Path:
    fetched = {row["url"]: row for path in pages.glob("lineage-*") for row in read_rows(path)}
    inputs = {"links": data / "links" / pages.name, "pages": pages}
    writer = StageWriter("documents", Section(), inputs, data / "documents" / name)
    urls = sorted(texts)
    for index in range(num_shards):
        mine = urls[index::num_shards]
        lineage = [{**fetched[url], "extractor": "x", "lines_taken": 0} for url in mine]
        writer.write_rejects(index, [])
        writer.write(shard_name("lineage", index), lineage, DOCUMENT_LINEAGE)
        rows = [document(url, texts[url]) for url in mine]
        writer.write(shard_name("documents", index), rows, DOCUMENTS)
    writer.finish(len(texts))
    return writer.output


def write_unique(
    data: Path, documents: Path, copies: dict[str, str] | None = None, name: str = "u1"
) -> Path:
    """The documents without `copies`: URL of each that is dropped, and of its survivor."""
    survivors = {document_id(a): document_id(b) for a, b in (copies or {}).items()}
    writer = StageWriter("unique", Section(), {"documents": documents}, data / "unique" / name)
    num_documents = 0
    for index, shard in enumerate(data_shards(documents)):
        rows = list(read_rows(shard))
        num_documents += len(rows)
        dropped = [
            reject(row["id"], "exact_duplicate", survivors[row["id"]])
            for row in rows
            if row["id"] in survivors
        ]
        writer.write_rejects(index, dropped)
        kept = [row for row in rows if row["id"] not in survivors]
        writer.write(shard_name("documents", index), kept, DOCUMENTS)
    writer.finish(num_documents)
    return writer.output


def write_tokens(data: Path, documents: Path, name: str = "t1") -> Path:
    folder = data / "tokens" / name
    make_tokens(TOKENS, {"documents": documents}, folder, Runtime())
    return folder


def make_data(data: Path, num_pages: int, num_shards: int) -> Path:
    """Pages to tokens; one page holds SECRET, and so does the one that dedup dropped for it."""
    texts = {url: text_of(n) for n, url in enumerate(urls_of(num_pages))}
    texts[SECRET_URL] += f" {SECRET}"
    texts[COPY_URL] = texts[SECRET_URL]
    pages = write_pages(data, texts, dead=[DEAD_URL])
    documents = write_documents(data, pages, texts, num_shards)
    write_tokens(data, write_unique(data, documents, {COPY_URL: SECRET_URL}))
    return data


def copy_data(data: Path, target: Path) -> Path:
    return Path(shutil.copytree(data, target))


def inodes(data: Path) -> dict[str, int]:
    """By file below the data folder: which bytes on the disk it is."""
    found = {}
    for path in data.rglob("*"):
        with suppress(FileNotFoundError):  # renamed meanwhile, where a command is at work
            if path.is_file():
                found[path.relative_to(data).as_posix()] = path.stat().st_ino
    return found


def files_with(data: Path, text: str, tokenizer: Tokenizer | None = None) -> set[str]:
    """The kinds of places below a data folder that hold `text`, in any form we know of.

    Each is `STAGE/FILE how`: how is raw, column, decoded, ids, inflated or table.
    """
    ids = None if tokenizer is None else np.asarray(tokenizer.encode(text), np.int64)
    found: set[str] = set()
    for path in sorted(path for path in data.rglob("*") if path.is_file()):
        if not path.is_file():
            continue  # of SQLite, which puts its log away once a database was read
        place = f"{path.relative_to(data).parts[0]}/{path.name}"
        if text.encode() in path.read_bytes():
            found.add(f"{place} raw")
        if path.suffix == ".arrow":
            found |= {f"{place} {how}" for how in _in_arrow(path, text, tokenizer, ids)}
        if path.name.endswith(".gz") and text.encode() in b"\n".join(_members(path)):
            found.add(f"{place} inflated")
        if path.suffix == ".db":
            with sqlite3.connect(path) as database:
                if any(text in line for line in database.iterdump()):
                    found.add(f"{place} table")
            database.close()
    return found


def _in_arrow(
    path: Path, text: str, tokenizer: Tokenizer | None, ids: np.ndarray | None
) -> Iterator[str]:
    reader = open_shard(path)
    for index in range(reader.num_record_batches):
        batch = reader.get_batch(index)
        for name in batch.schema.names:
            if name != "tokens":
                if text in str(batch.column(name).to_pylist()):
                    yield "column"
            elif tokenizer is not None and ids is not None:
                stream = batch.column(name).values.to_numpy()
                if text in tokenizer.decode(stream):
                    yield "decoded"
                if ids.astype(stream.dtype).tobytes() in stream.tobytes():
                    yield "ids"


def _members(path: Path) -> Iterator[bytes]:
    """Every gzip member's content, also of members that no reader of ours would look at."""
    rest = path.read_bytes()
    while rest:
        member = zlib.decompressobj(31)
        yield member.decompress(rest)
        rest = member.unused_data


def corpora(data: Path) -> list[Path]:
    from flows.corpora.catalog import finished

    return [folder for folder, _ in finished(data, "tokens")]


def tokenizer_of(data: Path) -> Tokenizer:
    return Tokenizer.load(corpora(data)[0] / "tokenizer")


def urls_in(folder: Path) -> set[str]:
    return {row["url"] for shard in data_shards(folder) for row in read_rows(shard, ["url"])}


def documents_of(tokens: Path) -> set[str]:
    from flows.corpora.summary import documents_of

    return urls_in(documents_of(tokens))


def written_anew(before: dict[str, int], after: dict[str, int], stage: str) -> set[str]:
    """The shards of a stage's new version that are no hard links of the old one's."""
    return {
        path.rpartition("/")[2]
        for path, inode in after.items()
        if path.startswith(f"{stage}/") and inode not in before.values()
        if path.endswith((".arrow", ".gz"))
    }


def number_of(url: str, folder: Path) -> str:
    (found,) = [
        path.stem[-5:]
        for path in folder.glob("documents-*")
        if any(row["url"] == url for row in read_rows(path, ["url"]))
    ]
    return found
