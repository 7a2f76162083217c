"""The dataset card: README.md in a corpus's folders, for people and for Hugging Face `datasets`."""

import html
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

import jinja2

from corpus.atomic import write_bytes
from corpus.manifest import read_manifest, read_record
from corpus.stage import CARD
from flows.commands.terminal_text import printable
from flows.corpora.card_snippets import DOCUMENT_SNIPPETS, TOKEN_SNIPPETS
from flows.corpora.facts import (
    contact,
    contents,
    corpus_bytes,
    held_out,
    overlap_rows,
    presets,
    versions,
)
from flows.corpora.history import history
from flows.corpora.summary import corpus_hash, documents_of, funnel, lineage, show_bytes
from flows.corpora.tables import dropped, held_out_phrase

MAX_LICENCES = 20
"""Rows of the table of licences; the others are summed."""

_MAX_CHARS = 2000
"""Of a value in a table: what pages state may be of any length."""

# Hugging Face's names of sizes, in documents, each below the bound.
_SIZE_CATEGORIES = {
    10**3: "n<1K",
    10**4: "1K<n<10K",
    10**5: "10K<n<100K",
    10**6: "100K<n<1M",
    10**7: "1M<n<10M",
    10**8: "10M<n<100M",
    10**9: "100M<n<1B",
}

_FIGURES = {
    "num_train_documents": "train documents",
    "num_train_tokens": "train tokens",
    "num_val_documents": "validation documents",
    "num_val_tokens": "validation tokens",
    "vocab_size": "vocabulary",
}

_TOKEN_COLUMNS = {
    "id": "of the document, as in the folder of documents",
    "tokens": "its token ids; the last one is end-of-text. `tokenizer/` decodes them",
}
_DOCUMENT_COLUMNS = {
    "id": "first 16 hex digits of sha256(url); pieces of a document that was cut have -1, -2",
    "url, final_url, domain": "the link, where it led, and the site's registrable domain",
    "score, first_seen, subreddits": "of the links on Reddit; null or empty if unknown",
    "title, text": "the page's title and its main text",
    "language": "ISO 639-1, or und",
    "license": "that the page states, or null",
}


def write_card(tokens: Path) -> Path:
    """Write README.md into the tokens folder of a corpus and into its documents folder.

    It holds no text, title or address of a document. What it says depends on the manifests, the
    documents and the newest measurements of overlap, so it may be written again at any time.

    Args:
        tokens: A finished tokens folder.

    Returns:
        The card in the tokens folder.

    Raises:
        WebtextError: the corpus was withdrawn, or a shard is damaged.
    """
    read_manifest(tokens)
    documents = documents_of(tokens)
    about_documents = _about_documents(documents)
    _write(documents, about_documents)
    return _write(tokens, {**about_documents, **_about_tokens(tokens)})


def _write(folder: Path, values: dict[str, object]) -> Path:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters |= {"cell": markdown_cell, "yaml": json.dumps}
    card = environment.get_template("card.md.j2").render(values)
    write_bytes(folder / CARD, card.encode())
    return folder / CARD


def _about_documents(documents: Path) -> dict[str, object]:
    """What the card of a documents folder says."""
    manifest = read_manifest(documents)
    found = contents(documents)
    folders = lineage(documents)
    pages = read_record(folders["pages"]) if "pages" in folders else None
    languages = {code: n for code, n in found.languages.items() if code != "und"}
    size = sum(shard.bytes for shard in manifest.shards if shard.kind == "data")
    return {
        "is_tokens": False,
        "title": f"webtext documents {manifest.hash[:16]}",
        "hash": manifest.hash[:16],
        "made": f"{manifest.times.finished:%Y-%m-%d %H:%M}",
        "languages": sorted(languages),
        "size_category": _size_category(manifest.counts.out),
        "data_files": {"train": "documents-*.arrow"},
        "figures": [
            ("documents", f"{manifest.counts.out:,}"),
            ("languages", ", ".join(f"{k} {n:,}" for k, n in found.languages.items())),
            ("on disk", show_bytes(size)),
        ],
        "columns": _DOCUMENT_COLUMNS.items(),
        "history": [],
        "presets": {k: v for k, v in presets(documents).items() if k != "vocabulary"},
        "funnel": [row for row in _funnel(documents) if row["stage"] != "tokens"],
        "versions": ", ".join(f"{name} {v}" for name, v in versions(documents).items()),
        "obeys_robots": pages and pages.config.get("obey_robots"),  # None: others archived them
        "licences": found.licences and _top(found.licences),
        "snippets": DOCUMENT_SNIPPETS,
        "contact": contact(documents),
    }


def _about_tokens(tokens: Path) -> dict[str, object]:
    """What the card of a tokens folder says otherwise."""
    manifest = read_manifest(tokens)
    figures = manifest.figures
    documents = documents_of(tokens)
    sizes = {"train": "train-*.arrow", "validation": "val-*.arrow"}
    if not figures["num_val_documents"]:
        del sizes["validation"]
    return {
        "is_tokens": True,
        "title": f"webtext corpus {corpus_hash(tokens)}",
        "hash": corpus_hash(tokens),
        "documents_place": f"{documents.parent.name}/{documents.name}",
        "made": f"{manifest.times.finished:%Y-%m-%d %H:%M}",
        "size_category": _size_category(manifest.counts.out),
        "data_files": sizes,
        "figures": [
            ("documents", f"{manifest.counts.out:,}"),
            *((name, f"{int(figures[key]):,}") for key, name in _FIGURES.items()),
            ("on disk, with the documents", show_bytes(corpus_bytes(tokens))),
        ],
        "columns": _TOKEN_COLUMNS.items(),
        "history": list(history(tokens)),
        "presets": presets(tokens),
        "funnel": list(_funnel(tokens)),
        "versions": ", ".join(f"{name} {v}" for name, v in versions(tokens).items()),
        "held_out": held_out_phrase(held_out(tokens)),
        "overlap": overlap_rows(tokens),
        "snippets": TOKEN_SNIPPETS,
    }


def _funnel(folder: Path) -> Iterator[dict[str, object]]:
    for row in funnel(folder):
        yield {**asdict(row), "dropped": dropped(row)}


def _size_category(num_documents: int) -> str:
    fitting = (name for bound, name in _SIZE_CATEGORIES.items() if num_documents < bound)
    return next(fitting, "n>1B")


def _top(licences: Mapping[str, int]) -> dict[str, int]:
    shown = dict(list(licences.items())[:MAX_LICENCES])
    others = sum(licences.values()) - sum(shown.values())
    return {**shown, **({"others": others} if others else {})}


def markdown_cell(value: object) -> str:
    """A value in a Markdown table: on one line, and no markup of its own."""
    text = " ".join(html.escape(printable(str(value))[:_MAX_CHARS], quote=False).split())
    return re.sub(r"([\\`*|\[\]])", r"\\\1", text)
