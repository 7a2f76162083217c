r"""Manuals of Debian packages as one WARC file: a larger real text that anyone can fetch again.

    apt-get download python3.11-doc postgresql-doc-15 git-doc sqlite3-doc debian-policy \
        developers-reference debian-reference-en linux-doc-6.1 debian-handbook
    python -m benchmarks.debian_docs *.deb docs.warc.gz

docs/training-runs.md trains on it.
"""

import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

_PAGES = ("*.html", "*.html.en", "*.xhtml")
_DATE = "2026-01-01T00:00:00Z"  # same packages, same bytes


def main() -> None:
    """Write the pages of the packages in the arguments but the last to the last."""
    *packages, archive = map(Path, sys.argv[1:])
    num_pages = 0
    with archive.open("wb") as file:
        writer = WARCWriter(file, gzip=True)
        for package in sorted(packages):
            for url, content in _pages(package):
                headers = StatusAndHeaders("200 OK", [("Content-Type", "text/html")], "HTTP/1.1")
                record = writer.create_warc_record(
                    url,
                    "response",
                    payload=BytesIO(content),
                    http_headers=headers,
                    warc_headers_dict={"WARC-Date": _DATE, "WARC-Record-ID": _record_id(url)},
                )
                writer.write_record(record)
                num_pages += 1
    print(f"{num_pages:,} pages of {len(packages)} packages: {archive}")


def _record_id(url: str) -> str:
    return f"<urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, url)}>"


def _pages(package: Path) -> Iterator[tuple[str, bytes]]:
    """Address and content of each page of a package, in order."""
    host = f"{package.name.partition('_')[0]}.example.org"
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["dpkg-deb", "-x", package, folder], check=True)
        paths = sorted(path for pattern in _PAGES for path in Path(folder).rglob(pattern))
        for path in paths:
            if path.is_file() and not path.is_symlink():
                yield f"https://{host}/{path.relative_to(folder).as_posix()}", path.read_bytes()


if __name__ == "__main__":
    main()
