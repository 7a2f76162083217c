"""The Arrow schema of every kind of shard; docs/data-format.md explains each column."""

import pyarrow as pa

LINKS = pa.schema(
    [
        ("url", pa.string()),
        ("domain", pa.string()),  # registrable domain: the unit of politeness
        ("score", pa.int32()),  # highest of its submissions, or their sum; null: unknown
        ("first_seen", pa.timestamp("s", tz="UTC")),
        ("subreddits", pa.list_(pa.string())),
        ("submission_ids", pa.list_(pa.string())),
    ]
)

PAGES = pa.schema(
    [
        ("url", pa.string()),
        ("final_url", pa.string()),
        ("status", pa.int16()),
        ("content_type", pa.string()),
        ("digest", pa.string()),  # sha256 of the decoded body, hex
    ]
)

# When a page was fetched and where it lies: differs from crawl to crawl, so it is kept beside
# the pages and the documents and is no part of any hash.
LINEAGE = pa.schema(
    [
        ("url", pa.string()),
        ("fetched_at", pa.timestamp("s", tz="UTC")),
        ("warc", pa.string()),  # file name in the pages folder
        ("offset", pa.int64()),  # byte offset of the gzip member of the response record
    ]
)

# The same of a document, and what read it.
DOCUMENT_LINEAGE = pa.schema(
    [
        *LINEAGE,
        ("extractor", pa.string()),  # "trafilatura 2.3.1"
        ("lines_taken", pa.int32()),  # lines of the article that the quality preset left out
    ]
)

DOCUMENTS = pa.schema(
    [
        ("id", pa.string()),  # first 16 hex digits of sha256(url)
        ("url", pa.string()),
        ("final_url", pa.string()),  # after redirects
        ("domain", pa.string()),
        ("score", pa.int32()),  # null: unknown, as for the next two
        ("first_seen", pa.timestamp("s", tz="UTC")),
        ("subreddits", pa.list_(pa.string())),
        ("title", pa.string()),
        ("language", pa.string()),  # ISO 639-1; "und": too little text to tell
        ("license", pa.string()),  # that the page states: "CC BY-SA 4.0", an address, or null
        ("text", pa.large_string()),
    ]
)

# One row per thing that a stage dropped. `key` is a URL, a document id or a file:line.
REJECTS = pa.schema(
    [
        ("key", pa.string()),
        ("reason", pa.string()),
        ("detail", pa.string()),
    ]
)


def tokens_schema(vocab_size: int) -> pa.Schema:
    """One row per document; `tokens` ends with end-of-text, uint16 while the ids fit into it."""
    width = pa.uint16() if vocab_size <= 65_536 else pa.uint32()
    return pa.schema([("id", pa.string()), ("tokens", pa.large_list(width))])
