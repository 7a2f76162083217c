"""Which addresses belong into the corpus: presets, blocked subreddits and the takedown list.

A preset is three lists beside this module, `lists/PRESET-{domains,extensions,subreddits}.txt`; the
head of each says where its entries come from. The takedown list is a person's own file.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from corpus.errors import UsageError, WebtextError
from corpus.settings import Section
from crawler.links.takedown import Takedown, domain_among, host_of_domain, list_entries
from crawler.links.urls import host_of, registrable_domain

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
        self._takedown = None if takedown is None else Takedown.read(takedown)
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
        if domain := domain_among(host, self._domains) or self._listed_name(host):
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


def _preset(config: RulesConfig, kind: str) -> frozenset[str]:
    path = _LISTS / f"{config.preset}-{kind}.txt"
    try:
        return frozenset(entry.lower() for _, entry in list_entries(path.read_text("utf-8-sig")))
    except (OSError, UnicodeDecodeError) as exc:
        raise WebtextError(
            f"the preset {config.preset!r} cannot be read: {path}: {exc}",
            hint="Install webtext again: its lists of domains come with it.",
        ) from exc


def _domain(text: str) -> str:
    """An entry of the recipe's `excluded_domains`, in the form in which hosts are compared."""
    name = text.strip().lower()
    try:
        return (
            f"{host_of_domain(f'{name[:-1]}com')[:-3]}*"
            if name.endswith(".*")
            else host_of_domain(name)
        )
    except ValueError as exc:
        raise UsageError(
            f"excluded_domains: {text!r} is no domain: {exc}",
            hint='Write it like "example.org", or "example.*" for every suffix.',
        ) from exc


def _extension(url: str) -> str:
    """What stands behind the last dot of the path's last segment, lower case; may be empty."""
    segment = url.partition("?")[0].rpartition("/")[2]
    _, dot, extension = segment.rpartition(".")
    return extension.lower() if dot else ""
