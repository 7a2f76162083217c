"""Which addresses belong into the corpus: presets, blocked subreddits and the takedown list.

A preset is three lists beside this module, `lists/PRESET-{domains,extensions,subreddits}.txt`; the
head of each says where its entries come from. The takedown list is a person's own file.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

from corpus.errors import UsageError, WebtextError
from corpus.settings import Section
from crawler.links.urls import canonical_url, host_of, page_key, registrable_domain

_LISTS = Path(__file__).with_name("lists")
# The paper takes outbound links; a link from Reddit to Reddit is none.
_REDDIT = frozenset({"reddit.com", "redd.it"})


class RulesConfig(Section):
    """Which addresses and subreddits are left out."""

    OPERATIONAL: ClassVar[frozenset[str]] = frozenset()

    preset: Literal["webtext", "openwebtext"] = "webtext"
    """`webtext`: the paper's (Wikipedia and media hosts out, google and github in);
    `openwebtext`: the longer lists of the community."""
    excluded_domains: tuple[str, ...] = ()
    """Further domains to leave out with all their sub-domains; `name.*` is the name under every
    public suffix."""
    blocked_subreddits: tuple[str, ...] = ()
    """Further subreddits whose submissions are left out, in any case of letters."""
    allow_over_18: bool = False
    """Follow submissions marked over 18 too (the paper does not say)."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a link is left out."""

    reason: str
    detail: str


class Rules:
    """The rules of a config, ready to be asked; loading reads the preset's lists.

    Args:
        config: The preset and what is added to it.
        takedown: A text file with a domain, a URL, or the start of URLs and `*` on each line.

    Raises:
        UsageError: a line of the takedown list or an excluded domain is none, or the takedown list
            cannot be read.
        WebtextError: a list of the preset cannot be read.
    """

    def __init__(self, config: RulesConfig, takedown: Path | None = None) -> None:
        self._takedown = None if takedown is None else _read_takedown(takedown)
        self._extensions = _preset(config, "extensions")
        further_domains = set(map(_domain, config.excluded_domains))
        self._domains = _preset(config, "domains") | further_domains | _REDDIT
        self._has_names = any(domain.endswith(".*") for domain in self._domains)
        further_names = {name.lower().removeprefix("r/") for name in config.blocked_subreddits}
        self._subreddits = _preset(config, "subreddits") | further_names

    def reject_url(self, url: str) -> Rejection | None:
        """Why a canonical URL is left out; None: it is not."""
        host = host_of(url)
        if self._takedown and (place := self._takedown.place_of(url, host)):
            return Rejection("takedown", place)
        if (extension := _extension(url)) in self._extensions:
            return Rejection("media", extension)
        if domain := _listed(host, self._domains) or self._listed_name(host):
            return Rejection("reddit_link" if domain in _REDDIT else "excluded_domain", domain)
        return None

    def reject_subreddit(self, subreddit: str) -> Rejection | None:
        """Why a subreddit's submissions are left out; None: they are not."""
        name = subreddit.lower()
        return Rejection("blocked_subreddit", name) if name in self._subreddits else None

    def _listed_name(self, host: str) -> str | None:
        if not self._has_names:
            return None
        name = f"{registrable_domain(host).partition('.')[0]}.*"
        return name if name in self._domains else None


@dataclass(frozen=True, slots=True)
class _Takedown:
    """What must not be in any corpus, with the place in the file that says so."""

    domains: dict[str, str] = field(default_factory=dict)
    pages: dict[str, str] = field(default_factory=dict)
    """By `page_key`."""
    prefixes: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    """By host without `www.`: how the key of a page, with its slash, begins; and the place."""

    def place_of(self, url: str, host: str) -> str | None:
        """The place that takes `url` down, as `FILE:LINE`; None: nothing does."""
        if domain := _listed(host, self.domains):
            return self.domains[domain]
        if not self.pages and not self.prefixes:
            return None
        key = page_key(url)
        for start, place in self.prefixes.get(_host_of_key(key), ()):
            if _with_slash(key).startswith(start):
                return place
        return self.pages.get(key)

    def add(self, entry: str, place: str) -> None:
        """Note a line of the file.

        Raises:
            ValueError: it is no domain, URL or start of URLs.
        """
        if "://" not in entry:
            host = _host(entry)
            # Who writes www.example.org means the site; but www.com is a site itself.
            if host != registrable_domain(host):
                host = host.removeprefix("www.")
            self.domains[host] = place
        elif entry.endswith("*"):
            start = _start_of_keys(entry.removesuffix("*"))
            self.prefixes.setdefault(_host_of_key(start), []).append((start, place))
        else:
            self.pages[page_key(canonical_url(entry))] = place


def _read_takedown(path: Path) -> _Takedown:
    takedown = _Takedown()
    try:
        for number, entry in _entries(path):
            place = f"{path.name}:{number}"
            try:
                takedown.add(entry, place)
            except ValueError as exc:
                raise UsageError(
                    f"{path}:{number}: {entry[:200]!r} cannot be taken down: {exc}",
                    hint="A line is a domain (example.org), the address of a page "
                    "(https://example.org/a), or the start of addresses with a star "
                    "(https://example.org/a/*).",
                ) from exc
    except (OSError, UnicodeDecodeError) as exc:
        raise UsageError(
            f"the takedown list {path} cannot be read: {exc}",
            hint="Check its path and that it is plain text (UTF-8): nothing is built without it.",
        ) from exc
    return takedown


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


def _preset(config: RulesConfig, kind: str) -> frozenset[str]:
    path = _LISTS / f"{config.preset}-{kind}.txt"
    try:
        return frozenset(entry.lower() for _, entry in _entries(path))
    except (OSError, UnicodeDecodeError) as exc:
        raise WebtextError(
            f"the preset {config.preset!r} cannot be read: {path}: {exc}",
            hint="Install webtext again: its lists of domains come with it.",
        ) from exc


def _entries(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a list that say something, with their numbers from 1."""
    for number, line in enumerate(path.read_text("utf-8-sig").splitlines(), 1):
        # Only a "#" after a space begins a comment: it is part of many addresses.
        entry = f" {line}".partition(" #")[0].strip()
        if entry:
            yield number, entry


def _domain(text: str) -> str:
    """An entry of the recipe's `excluded_domains`, in the form in which hosts are compared."""
    name = text.strip().lower()
    try:
        return f"{_host(f'{name[:-1]}com')[:-3]}*" if name.endswith(".*") else _host(name)
    except ValueError as exc:
        raise UsageError(
            f"excluded_domains: {text!r} is no domain: {exc}",
            hint='Write it like "example.org", or "example.*" for every suffix.',
        ) from exc


def _host(domain: str) -> str:
    if set(domain) & set(":/?#"):
        raise ValueError("a domain has no scheme, port or path")
    return host_of(canonical_url(f"http://{domain}/"))


def _listed(host: str, domains: frozenset[str] | dict[str, str]) -> str | None:
    """The domain among `domains` that `host` is or is under."""
    while host not in domains:
        _, dot, host = host.partition(".")
        if not dot:
            return None
    return host


def _extension(url: str) -> str:
    """What stands behind the last dot of the path's last segment, lower case; may be empty."""
    segment = url.partition("?")[0].rpartition("/")[2]
    _, dot, extension = segment.rpartition(".")
    return extension.lower() if dot else ""


def _host_of_key(key: str) -> str:
    return key.partition("/")[0].partition("?")[0]
