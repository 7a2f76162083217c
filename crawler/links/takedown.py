"""The takedown list: a person's own file of addresses that must be in no corpus.

A line is a domain with all its sub-domains, a page in every variant of its address, or the start of
addresses and `*`.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Self

from corpus.errors import UsageError
from crawler.links.urls import (
    NotAPageError,
    canonical_url,
    host_of,
    page_key,
    registrable_domain,
)

_Entry = tuple[Literal["domain", "page", "prefix"], str]
"""What an entry means, and in which form it is compared."""


@dataclass(frozen=True, slots=True)
class Takedown:
    """What must not be in any corpus, with the place in the file that says so."""

    domains: dict[str, str] = field(default_factory=dict)
    pages: dict[str, str] = field(default_factory=dict)
    """By `page_key`."""
    prefixes: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    """By host without `www.`: how the key of a page, with its slash, begins; and the place."""

    @classmethod
    def read(cls, path: Path) -> Self:
        """The list in a file.

        Raises:
            UsageError: the file cannot be read, or a line of it is no entry.
        """
        return cls.parse(read_list(path), path)

    @classmethod
    def parse(cls, text: str, path: Path) -> Self:
        """The list that has these lines; `path` is what its places and errors name.

        Raises:
            UsageError: a line is no entry.
        """
        takedown = cls()
        for number, entry in list_entries(text):
            try:
                takedown._add(_parse(entry), f"{path.name}:{number}")
            except ValueError as exc:
                raise UsageError(
                    f"{path}:{number}: {entry[:200]!r} cannot be taken down: {exc}",
                    hint="A line is a domain (example.org), the address of a page "
                    "(https://example.org/a), or the start of addresses with a star "
                    "(https://example.org/a/*).",
                ) from exc
        return takedown

    def place_of(self, url: str, host: str | None = None) -> str | None:
        """The place that takes a canonical URL down, as `FILE:LINE`; None: nothing does."""
        if domain := domain_among(host or host_of(url), self.domains):
            return self.domains[domain]
        if not self.pages and not self.prefixes:
            return None
        key = page_key(url)
        for start, place in self.prefixes.get(_host_of_key(key), ()):
            if _with_slash(key).startswith(start):
                return place
        return self.pages.get(key)

    def place_of_address(self, address: str) -> str | None:
        """As `place_of`, of an address as somebody wrote it."""
        try:
            return self.place_of(canonical_url(address))
        except NotAPageError:
            return None

    def _add(self, entry: _Entry, place: str) -> None:
        kind, key = entry
        if kind == "prefix":
            self.prefixes.setdefault(_host_of_key(key), []).append((key, place))
        else:
            (self.domains if kind == "domain" else self.pages)[key] = place


def read_list(path: Path) -> str:
    """The text of a takedown list.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as exc:
        raise UsageError(
            f"the takedown list {path} cannot be read: {exc}",
            hint="Check its path and that it is plain text (UTF-8): nothing is built without it.",
        ) from exc


def extend_list(text: str, entries: Iterable[str]) -> str:
    """The text of a list with further entries at its end; what says the same stays as it is.

    Raises:
        UsageError: an entry is none.
    """
    known = {_parse(entry) for _, entry in list_entries(text)}
    lines = text.splitlines()
    for line in entries:
        Takedown.parse(line, Path("takedown"))  # names what is wrong with it
        for _, entry in list_entries(line):
            if _parse(entry) not in known:
                known.add(_parse(entry))
                lines.append(line.strip())
    return "".join(f"{line}\n" for line in lines)


def list_entries(text: str) -> Iterator[tuple[int, str]]:
    """The lines of a list that say something, with their numbers from 1."""
    for number, line in enumerate(text.splitlines(), 1):
        # Only a "#" after a space begins a comment: it is part of many addresses.
        entry = f" {line}".partition(" #")[0].strip()
        if entry:
            yield number, entry


def host_of_domain(domain: str) -> str:
    """A domain as it is compared: lower case, IDNA.

    Raises:
        ValueError: it is none.
    """
    if set(domain) & set(":/?#"):
        raise ValueError("a domain has no scheme, port or path")
    return host_of(canonical_url(f"http://{domain}/"))


def domain_among(host: str, domains: Collection[str]) -> str | None:
    """The domain among `domains` that `host` is or is under."""
    while host not in domains:
        _, dot, host = host.partition(".")
        if not dot:
            return None
    return host


def _parse(entry: str) -> _Entry:
    """What an entry means.

    Raises:
        ValueError: it is no domain, URL or start of URLs.
    """
    if "://" not in entry:
        host = host_of_domain(entry)
        # Who writes www.example.org means the site; but www.com is a site itself.
        is_site = host == registrable_domain(host)
        return "domain", host if is_site else host.removeprefix("www.")
    if entry.endswith("*"):
        return "prefix", _start_of_keys(entry.removesuffix("*"))
    return "page", page_key(canonical_url(entry))


def _start_of_keys(start: str) -> str:
    """How the keys of the pages under `start` begin: it may end within a path or a query."""
    url = canonical_url(start)
    if ("?" in start) != ("?" in url) or start.count("/") < 3:
        raise ValueError("what stands before the star must go up to a path, and not end in '?'")
    if "?" in url:
        return _with_slash(page_key(url))
    # With the star, lest page_key takes the last slash: "/a/*" does not take "/ab" down.
    return page_key(f"{url}*").removesuffix("*")


def _with_slash(key: str) -> str:
    """The page of a folder must be under the folder: "a.org/b?c" is under "a.org/b/"."""
    path, mark, query = key.partition("?")
    return f"{path}/{mark}{query}"


def _host_of_key(key: str) -> str:
    return key.partition("/")[0].partition("?")[0]
