"""What the hosts of the hostile web do, each with the outcome that its link deserves."""

import asyncio
import gzip
import random
import zlib
from collections.abc import Awaitable, Callable

import brotli

from tests.crawler.pages.hostile_web import Answer, Behaviour, Reset, Send
from tests.crawler.pages.wall_pages import WALL_PAGES

LINE = b"<p>An honest line of text, and then another one.</p>\n"
PAGE = b"<html><head><title>A page</title></head><body>" + LINE * 20 + b"</body></html>"
MB = 1 << 20


def http(
    body: bytes = PAGE, *headers: str, status: str = "200 OK", length: str | None = ""
) -> bytes:
    """An answer; `length` is the Content-Length to claim (empty: the true one, None: none)."""
    lines = [f"HTTP/1.1 {status}", "Connection: close", *headers]
    if not any(header.lower().startswith("content-type") for header in headers):
        lines.append("Content-Type: text/html")
    if length is not None:
        lines.append(f"Content-Length: {length or len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def redirect(location: str | None, status: str = "302 Found") -> bytes:
    return http(b"", *([f"Location: {location}"] if location else []), status=status, length="0")


def chunked(raw: bytes) -> bytes:
    return http(raw, "Transfer-Encoding: chunked", length=None)


def then_hang(start: bytes) -> Callable[[Send], Awaitable[None]]:
    async def answer(send: Send) -> None:
        await send(start)
        await asyncio.sleep(60)

    return answer


def then_reset(start: bytes) -> Callable[[Send], Awaitable[None]]:
    async def answer(send: Send) -> None:
        await send(start)
        await asyncio.sleep(0.2)
        raise Reset

    return answer


def endless(start: bytes, piece: bytes, pause_s: float = 0) -> Callable[[Send], Awaitable[None]]:
    async def answer(send: Send) -> None:
        await send(start)
        while True:
            await send(piece)
            await asyncio.sleep(pause_s)

    return answer


def page(outcome: str, body: bytes, *headers: str, detail: str | None = None) -> Behaviour:
    return Behaviour(outcome=outcome, detail=detail, answer=http(body, *headers))


def bad(outcome: str, detail: str | None, answer: Answer) -> Behaviour:
    return Behaviour(outcome=outcome, detail=detail, answer=answer)


def robots(outcome: str, answer: Answer, detail: str | None = None) -> Behaviour:
    return Behaviour(outcome=outcome, detail=detail, answer=http(), files={"/robots.txt": answer})


def tdm(outcome: str, answer: Answer) -> Behaviour:
    return Behaviour(outcome=outcome, answer=http(), files={"/.well-known/tdmrep.json": answer})


def tls(outcome: str, kind: str, detail: str | None, answer: Answer = b"") -> Behaviour:
    return Behaviour(outcome=outcome, detail=detail, answer=answer or http(), tls=kind)


def busy(retry_after: str, status: str = "429 Too Many Requests") -> Behaviour:
    answer = http(b"busy", f"Retry-After: {retry_after}", status=status)
    return Behaviour(outcome=f"http_{status[:3]}", answer=answer)


_STATUSES = (201, 204, 205, 206, 304, 400, 401, 403, 404, 410, 418, 451, 500, 502, 503)
_VIDEO = endless(http(b"", "Content-Type: video/mp4", length=None), LINE * 999)
_CUT = "bad_response", "cut"
_HEADERS = "bad_response", "headers"
_STATUS_LINE = "bad_response", "status_line"
_UNTYPED = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
_TRAILER = chunked(b"3\r\nabc\r\n0\r\n")
_JSON = "Content-Type: application/json"
_TYPE = "Content-Type: text/html; charset="
_HTML = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"

BODIES = {
    "honest": page("fetched", PAGE, detail=""),
    "slow drip": bad("timeout", None, endless(http(b"", length="99999"), b"<p>", pause_s=0.3)),
    "endless": bad("too_large", "downloaded", endless(http(b"", length=None), LINE * 999)),
    "endless chunks": bad(
        "too_large", "downloaded", endless(chunked(b""), b"%x\r\n%s\r\n" % (len(LINE), LINE))
    ),
    "claims 1 GB": bad("too_large", "downloaded", then_hang(http(b"", length=str(1 << 30)))),
    "gzip bomb": page("too_large", gzip.compress(b"\0" * 64 * MB), "Content-Encoding: gzip"),
    "deflate bomb": page("too_large", zlib.compress(b" " * 64 * MB), "Content-Encoding: deflate"),
    "brotli bomb": page(
        "too_large", brotli.compress(b"a" * 64 * MB, quality=1), "Content-Encoding: br"
    ),
    "bomb in a bomb": page(
        "too_large",
        gzip.compress(gzip.compress(b"\0" * 64 * MB)),
        "Content-Encoding: gzip, gzip",
        detail="decoded",
    ),
    "99 encodings": page("bad_response", PAGE, "Content-Encoding: " + "gzip, " * 99),
    "nested encodings": page(
        "fetched", brotli.compress(gzip.compress(PAGE)), "Content-Encoding: gzip, br"
    ),
    "wrong encoding": page("bad_response", PAGE, "Content-Encoding: gzip", detail="encoding gzip"),
    "cut gzip": page("fetched", gzip.compress(PAGE * 9)[:100], "Content-Encoding: gzip"),
    "empty": page("empty", b""),
    "blank": page("empty", b" \r\n\t" * 99),
    "NULs": page("empty", b"\0" * 5000),
    "wrong charset": page(
        "fetched", "<p>grün</p>".encode("latin-1"), "Content-Type: text/html; charset=utf-8"
    ),
    "unknown charset": page("fetched", PAGE, _TYPE + "klingon"),
    "UTF-16": page(
        "fetched", PAGE.decode().encode("utf-16"), "Content-Type: text/html; charset=utf-16"
    ),
    "no type": bad("fetched", None, _UNTYPED + PAGE),
    "no type, not text": bad("not_html", None, _UNTYPED + b"\x89PNG\r\n\x1a\n"),
    "PDF as html": page(
        "not_html", b"%PDF-1.4\n%\xe2\xe3\xcf\xd3", detail="application/pdf by its first bytes"
    ),
    "image as html": page("not_html", b"\xff\xd8\xff\xe0\0\x10JFIF"),
    "video": bad("not_html", "video/mp4", _VIDEO),
}

MESSAGES = {
    "reset": bad("connection_failed", "reset", then_reset(b"")),
    "reset in the body": bad("connection_failed", "reset", then_reset(http(length="9999"))),
    "hang": bad("timeout", None, then_hang(b"")),
    "hang after headers": bad("timeout", None, then_hang(http(b"", length="100"))),
    "close in the status line": bad("connection_failed", "closed", b"HTT"),
    "close": bad("connection_failed", "closed", b""),
    "close after headers": bad(*_CUT, http(b"", length="100")),
    "too long a length": bad(*_CUT, http(PAGE, length=str(len(PAGE) + 1))),
    "too short a length": page("fetched", PAGE),
    "negative length": bad(*_HEADERS, http(length="-1")),
    "length in words": bad(*_HEADERS, http(length="many")),
    "two lengths": bad(*_HEADERS, http(PAGE, "Content-Length: 7")),
    "bad chunk size": bad("bad_response", "chunk", chunked(b"zz\r\nabc\r\n0\r\n\r\n")),
    "huge chunk": bad("bad_response", None, chunked(b"ffffffffffffffff\r\nabc")),
    "no last chunk": bad(*_CUT, chunked(b"3\r\nabc\r\n")),
    "endless chunk extension": bad("bad_response", "chunk", endless(chunked(b"3;"), b"x" * 999)),
    "endless trailer": bad(
        "bad_response", None, endless(chunked(b"3\r\nabc\r\n0\r\n"), b"X: y\r\n")
    ),
    "unknown transfer encoding": bad(*_HEADERS, http(PAGE, "Transfer-Encoding: rot13")),
    "HTTP/0.9": bad(*_STATUS_LINE, PAGE),
    "garbage": bad("bad_response", None, random.Random(7).randbytes(9000)),
    "endless line": bad(*_HEADERS, endless(b"", b"x" * 60_000)),
    "no headers": bad("fetched", None, b"HTTP/1.1 200 OK\r\n\r\n" + PAGE),
    "100k headers": bad(*_HEADERS, _HTML + b"".join(b"X-%d: y\r\n" % n for n in range(100_000))),
    "endless headers": bad(*_HEADERS, endless(_HTML, b"X: yyyyyyyyyyyy\r\n" * 999)),
    "endless folded header": bad(
        *_HEADERS, endless(_HTML + b"X: y\r\n", b" yyyyyyyyyyyyyyyy\r\n" * 999)
    ),
    "10 MB header": bad(*_HEADERS, _HTML + b"X: " + b"y" * 10 * MB + b"\r\n\r\n"),
    "NUL in a header": page("fetched", PAGE, "X-Nul: a\0b\rc"),
    "header without colon": page("fetched", PAGE, "just some words"),
    "status 999": bad("http_999", None, http(status="999 No")),
    "status 0": bad(*_STATUS_LINE, http(status="0 Zero")),
    "negative status": bad(*_STATUS_LINE, http(status="-200 OK")),
    "status in words": bad(*_STATUS_LINE, http(status="fine thanks")),
    "HTTP/9.9": bad("fetched", None, http().replace(b"HTTP/1.1", b"HTTP/9.9")),
    "100 flood": bad(*_HEADERS, endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 99)),
    "some 1xx first": bad(
        "fetched", None, b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n" * 3 + http()
    ),
    "101": bad("connection_failed", "closed", b"HTTP/1.1 101 Switching Protocols\r\n\r\n"),
    **{
        f"status {status}": bad(f"http_{status}", None, http(status=f"{status} So"))
        for status in _STATUSES
    },
    "status 203": bad("fetched", None, http(status="203 So")),
}

REDIRECTS = {
    "redirect loop": bad("too_many_redirects", None, redirect("/page")),
    "long chain": Behaviour(
        outcome="too_many_redirects",
        answer=redirect("/1"),
        files={f"/{n}": redirect(f"/{n + 1}") for n in range(1, 9)},
    ),
    "short chain": Behaviour(
        outcome="fetched", answer=redirect("/1"), files={"/1": redirect("/2"), "/2": http()}
    ),
    "no Location": bad("bad_redirect", "no location", redirect(None)),
    "javascript:": bad("bad_redirect", "bad_url", redirect("javascript:alert(1)")),
    "file:": bad("bad_redirect", "file", redirect("file:///etc/passwd")),
    "ftp:": bad("bad_redirect", "ftp", redirect("ftp://127.0.0.1/a")),
    "bad URL": bad("bad_redirect", None, redirect("http://[::1")),
    "bad port": bad("bad_redirect", "bad_url", redirect("http://example.com:99999999/")),
    "binary Location": bad("http_404", None, redirect("\xff\xfe\x01 \x7f")),
    "to a log-in": Behaviour(
        outcome="login_wall",
        answer=redirect("/users/sign_in"),
        files={"/users/sign_in": http()},
        path="/story",
    ),
    "to the home page": Behaviour(
        outcome="soft_404",
        answer=redirect("/"),
        files={"/": http()},
        path="/news/a-story-long-gone",
    ),
}

BUSY = {
    "429 in seconds": busy("1"),
    "429 by date": busy("Wed, 21 Oct 2015 07:28:00 GMT"),
    "429 for ever": busy("99999999999999999999"),
    "429 negative": busy("-5"),
    "429 in words": busy("soon"),
    "503 storm": busy("1", "503 Service Unavailable"),
}

ROBOTS = {
    "robots 403": robots("fetched", http(b"", status="403 No")),
    "robots 500": robots("robots_denied", http(b"", status="500 No")),
    "robots hang": robots("timeout", then_hang(b"")),
    "robots loop": robots("fetched", redirect("/robots.txt")),
    "robots 10 MB": robots("fetched|too_large", http(b"# no\n" * (2 * MB))),
    "robots binary": robots("fetched", http(bytes(range(256)) * 99)),
    "robots forbids": robots("robots_denied", http(b"User-agent: *\nDisallow: /")),
}

TLS = {
    "TLS": tls("fetched", "good", "tls: self_signed"),
    "TLS expired": tls("fetched", "expired", "tls: expired"),
    "TLS not yet": tls("fetched", "early", "tls: not_yet_valid"),
    "TLS wrong name": tls("fetched", "stranger", "tls: wrong_name"),
    "TLS broken certificate": tls("tls_error", "broken", "certificate at robots.txt"),
    "TLS port speaks http": tls("tls_error", "plain", "protocol at robots.txt"),
    "TLS hang": tls("timeout", "hang", None),
    "TLS old": tls("tls_error", "old", "protocol at robots.txt"),
    "TLS refused": tls("tls_error", "refuse", "handshake at robots.txt"),
    "TLS closed": tls("connection_failed", "close", None),
    "TLS endless video": tls(
        "not_html",
        "good",
        "video/mp4",
        _VIDEO,
    ),
    "TLS endless headers": tls(
        "bad_response", "good", "headers", endless(_HTML, b"X: y\r\n" * 999)
    ),
}

_META = b'<html><head><meta content="%s" name="%s"></head>'
OPT_OUTS = {
    "header noai": page("opt_out", PAGE, "X-Robots-Tag: noai", detail="X-Robots-Tag: noai"),
    "header noindex": page("fetched", PAGE, "X-Robots-Tag: noindex, none, noimageai", detail=""),
    "meta noai": page("opt_out", _META % (b"noai, noimageai", b"robots") + PAGE),
    "TDM header": page("opt_out", PAGE, "tdm-reservation: 1", detail="header tdm-reservation: 1"),
    "TDM meta": page("opt_out", _META % (b"1", b"tdm-reservation") + PAGE),
}

TDM_FILES = {
    "TDM file": tdm("opt_out", http(b'[{"location": "/", "tdm-reservation": 1}]', _JSON)),
    "TDM file hang": tdm("fetched", then_hang(b"")),
    "TDM file junk": tdm("fetched", http(b"[" * 50_000, _JSON)),
    "TDM file loop": tdm("fetched", redirect("/.well-known/tdmrep.json")),
}

WALLS = {
    f"wall {name}": page(outcome, body.encode()) for name, (outcome, body) in WALL_PAGES.items()
} | {
    "wall with 403": bad(
        "http_403",
        "bot_wall: cloudflare",
        http(WALL_PAGES["cloudflare"][1].encode(), status="403 No"),
    ),
}

BEHAVIOURS: dict[str, Behaviour] = {
    **BODIES, **MESSAGES, **REDIRECTS, **BUSY, **ROBOTS, **TLS, **OPT_OUTS, **TDM_FILES, **WALLS
}  # fmt: skip
