"""An archive of pages as a lookup from URL to answer: WARC files, or a folder with a URL table.

The table is `urls.ndjson`, one JSON object per line, in one of three forms:

    {"url": ..., "status": 200, "content_type": "text/html; charset=utf-8", "file": "a/b.html.gz"}
    {"url": ..., "status": 301, "location": ...}
    {"url": ..., "endless": true}

`file` is relative to the folder; one that ends in .gz holds the body gzipped. Bodies stay on
disk: an archive in memory is one small entry per URL.
"""

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import ValidationError, model_validator
from w3lib.url import safe_url_string
from warcio.archiveiterator import ArchiveIterator
from warcio.exceptions import ArchiveLoadFailed

from corpus.errors import UsageError, WebtextError
from corpus.settings import Section
from crawler.archive.warc import Headers, ResponseReader

TABLE = "urls.ndjson"

# Between a proxy and its client these say how a body travels, not what it is.
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "alt-svc"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said; `body` is as it came, in the Content-Encoding of the headers."""

    status: int
    headers: Headers
    body: bytes = b""
    is_endless: bool = False


Archive = dict[str, Callable[[], Answer]]
"""URL (as `url_key` writes it) to a function that reads its answer from disk."""

NOT_FOUND = Answer(404, [("Content-Type", "text/plain")], b"not in this archive\n")


def load_archive(folder: Path) -> Archive:
    """Index the archive in `folder`.

    Raises:
        UsageError: there is neither a table nor a WARC file.
        WebtextError: a table line or a WARC file cannot be read; names the file and the line.
    """
    if (folder / TABLE).is_file():
        return _load_table(folder)
    warcs = sorted(folder.glob("*.warc.gz"))
    if not warcs:
        raise UsageError(
            f"{folder} is no archive of pages: it has neither *.warc.gz files nor a {TABLE}",
            hint="Name a folder of a finished pages stage, of WARC files, or with a URL table.",
        )
    archive: Archive = {}
    for path in warcs:
        archive |= _load_warc(path)
    return archive


def url_key(url: str) -> str:
    """`url` as a client asks for it: escaped, no fragment, no default port, never a bare host."""
    parts = urlsplit(safe_url_string(url))
    scheme = parts.scheme.lower()
    netloc = parts.netloc.lower().removesuffix({"http": ":80", "https": ":443"}.get(scheme, "?"))
    return parts._replace(
        scheme=scheme, netloc=netloc, path=parts.path or "/", fragment=""
    ).geturl()


class _TableLine(Section):
    url: str
    status: int = 200
    content_type: str = "text/html; charset=utf-8"
    file: str | None = None
    location: str | None = None
    endless: bool = False

    @model_validator(mode="after")
    def _has_one_form(self) -> "_TableLine":
        if sum((self.file is not None, self.location is not None, self.endless)) != 1:
            raise ValueError("exactly one of file, location and endless is needed")
        return self

    def answer(self, folder: Path) -> Answer:
        """Read this line's answer."""
        if self.location is not None:
            return Answer(self.status, [("Location", self.location)])
        headers = [("Content-Type", self.content_type)]
        if self.file is None:
            return Answer(self.status, headers, is_endless=True)
        if self.file.endswith(".gz"):
            headers.append(("Content-Encoding", "gzip"))
        return Answer(self.status, headers, (folder / self.file).read_bytes())


def _load_table(folder: Path) -> Archive:
    archive: Archive = {}
    with (folder / TABLE).open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                entry = _parse_line(line, folder, number)
                archive[url_key(entry.url)] = lambda entry=entry: entry.answer(folder)
    return archive


def _parse_line(line: bytes, folder: Path, number: int) -> _TableLine:
    place = f"{folder / TABLE}, line {number}"
    try:
        entry = _TableLine.model_validate_json(line)
    except ValidationError as exc:
        first = exc.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise WebtextError(
            f"{place}: {key + ': ' if key else ''}{first['msg']}",
            hint='A line is {"url": ..., "status": 200, "content_type": ..., "file": ...}, or '
            'has "location" or "endless" in place of "file".',
        ) from exc
    if entry.file is not None and not (folder / entry.file).is_file():
        raise WebtextError(
            f"{place}: there is no file {folder / entry.file}",
            hint=f"Paths in {TABLE} are relative to its folder. Restore the file or the line.",
        )
    return entry


def _load_warc(path: Path) -> Archive:
    """The response records of a WARC file; of several for one URL the last one counts."""
    archive: Archive = {}
    try:
        with path.open("rb") as file:
            records = ArchiveIterator(file)
            for record in records:
                if record.rec_type == "response" and record.http_headers is not None:
                    key = url_key(record.rec_headers.get_header("WARC-Target-URI").strip("<>"))
                    offset = records.get_record_offset()
                    archive[key] = lambda offset=offset: _read_answer(path, offset)
    except (ArchiveLoadFailed, OSError, ValueError) as exc:
        raise WebtextError(
            f"{path} cannot be read as a WARC file: {exc}",
            hint="If other tools read it, `warcio recompress` makes it one gzip member per record.",
        ) from exc
    return archive


def _read_answer(path: Path, offset: int) -> Answer:
    with ResponseReader(path) as reader:
        response = reader.read_raw(offset)
    headers = [(name, value) for name, value in response.headers if name.lower() not in _HOP_BY_HOP]
    return Answer(response.status, headers, response.body)


def without_gzip(answer: Answer) -> Answer:
    """The answer for a client that does not accept gzip; one in another encoding stays as it is."""
    if ("Content-Encoding", "gzip") not in answer.headers:
        return answer
    headers = [pair for pair in answer.headers if pair[0] != "Content-Encoding"]
    return Answer(answer.status, headers, gzip.decompress(answer.body))
