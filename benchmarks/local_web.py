"""A web on the loopback for benchmarks: `python -m benchmarks.local_web` prints its port.

It answers at 127.0.0.1 to 127.0.255.254, so that a crawl meets as many hosts as it likes. Every
path is a page of about 10 KB of text; /robots.txt allows all. A client that accepts gzip gets
gzip, as from nearly every server of the real web, unless the path begins with /plain.
"""

import asyncio
import gzip
import random

_WORDS = [f"word{number}" for number in range(2_000)]
_NUM_PAGES = 64
_NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


def main() -> None:
    """Serve until killed."""
    asyncio.run(_serve())


async def _serve() -> None:
    answers = _Answers()
    server = await asyncio.start_server(answers.answer_client, "0.0.0.0", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


class _Answers:
    """Ready-made answers: the server must not be what is measured."""

    def __init__(self) -> None:
        pages = [_page(number) for number in range(_NUM_PAGES)]
        self._plain = [_answer(page, "") for page in pages]
        self._gzip = [
            _answer(gzip.compress(page, 6, mtime=0), "Content-Encoding: gzip\r\n") for page in pages
        ]
        self._robots = _answer(b"User-agent: *\nDisallow: /private\n", "", "text/plain")

    async def answer_client(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(self._choose(head))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def _choose(self, head: bytes) -> bytes:
        target = head.split(b" ", 2)[1]
        if target == b"/robots.txt":
            return self._robots
        if target.startswith(b"/.well-known/"):
            return _NOT_FOUND
        number = int(target.rpartition(b"/")[2]) % _NUM_PAGES
        if target.startswith(b"/plain") or b"gzip" not in head:
            return self._plain[number]
        return self._gzip[number]


def _page(seed: int) -> bytes:
    rng = random.Random(seed)
    paragraphs = "".join(f"<p>{' '.join(rng.choices(_WORDS, k=60))}.</p>\n" for _ in range(20))
    head = f"<!doctype html><html><head><title>Page {seed}</title></head><body>"
    return f"{head}<h1>Page {seed}</h1>\n{paragraphs}</body></html>".encode()


def _answer(body: bytes, more_headers: str, kind: str = "text/html; charset=utf-8") -> bytes:
    head = (
        f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n{more_headers}Content-Length: {len(body)}\r\n"
    )
    return f"{head}\r\n".encode() + body


if __name__ == "__main__":
    main()
