"""The canonical form of a link: one address per page, and no link that cannot be a page.

What is changed must be invisible to the web server, because the canonical form is what is fetched:
the case of scheme and host, the default port, the fragment, percent-encoding, dot segments and
parameters that exist to track clicks. The order of query parameters, empty values and "?12345"
without a key stay as they are: old forums and news sites depend on them. That is why w3lib cleans
the parts and neither its `canonicalize_url` (sorts keys, turns "?12345" into "?12345=") nor
courlan's `clean_url` and filters do the whole: on 840 links of 2005 those reject 19 pages (.story,
.jhtml, .ece and the like), drop key-less queries, and they take "?game=" for a tracker.
"""

import ipaddress
import re
from functools import lru_cache
from urllib.parse import urlsplit, urlunsplit

from tldextract import TLDExtract
from w3lib.url import canonicalize_url, safe_url_string

_MAX_LENGTH = 2_000  # no browser or server of the time took more; longer ones are data, not links
_DEFAULT_PORTS = {"http": 80, "https": 443}
# Only the ampersand: html.unescape would turn the key in "?a=1&copy=2" into a copyright sign.
_ESCAPED_AMPERSAND = re.compile(r"&(?:amp|#0*38|#x0*26);", re.IGNORECASE)
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")

# Parameters that no site needs to find its page. From the public lists of Firefox, ClearURLs and
# AdGuard, without the short words (ref, id, source, ga) that are also a site's own keys.
_TRACKERS = re.compile(
    r"(?:utm|mtm|pk|piwik|hsa|itm|vero|oly)_\w+"
    r"|(?:fb|g|d|y|tw|tt)clid|msclkid|wbraid|gbraid|gclsrc"
    r"|_ga|_gl|_hsenc|_hsmi|__hstc|igshid|igsh|mc_cid|mc_eid|mkt_tok|ml_subscriber"
    r"|ref_src|ref_url|s_cid|spm|wt_mc|xtor",
    re.IGNORECASE,
)
# What a path ends in when it is a file to show, hear or unpack; everything unknown may be a page.
# No .js or .css: github.com/mrdoob/three.js is one.
_NOT_A_PAGE = re.compile(
    r"\.(jpe?g?|png|gif|bmp|tiff?|svg|webp|ico|psd|eps"
    r"|mp3|m4[av]|aac|og[agv]|wav|wma|flac|midi?|r[am]m?"
    r"|mp4|mov|avi|wmv|mpe?g|mkv|webm|flv|swf|3gp|gifv|as[fx]"
    r"|pdf|ps|djvu|docx?|xlsx?|pp[ts]x?|od[tsp]|rtf|epub|mobi|csv"
    r"|zip|tar|t?gz|bz2|xz|7z|rar|iso|dmg|exe|msi|deb|rpm|apk|jar|torrent"
    r"|xml|rss|atom|rdf|woff2?|ttf|otf|eot)$",
    re.IGNORECASE,
)
# ICANN suffixes only: all of blogspot.com is one domain, as in WebText's published domain list
# (and one server's worth of politeness). Bundled list, no cache folder: never touches the network.
_suffixes = TLDExtract(suffix_list_urls=(), cache_dir=None)


class NotAPageError(ValueError):
    """A link that cannot be a web page, and why.

    Args:
        reason: `not_http`, `bad_url` or `media`: the reject reason to count it under.
        detail: What is wrong with it, for a person.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


def canonical_url(link: str) -> str:
    """The one address under which `link` is fetched and known; idempotent.

    Raises:
        NotAPageError: `link` is no http(s) address of something that may be a page.
    """
    link = link.strip()
    if not link.lower().startswith(("http://", "https://")):
        raise NotAPageError("not_http", link[:200])
    url = _settle(link)
    if len(url) > _MAX_LENGTH:
        raise NotAPageError("bad_url", f"{len(url)} characters, at most {_MAX_LENGTH} are taken")
    if extension := _NOT_A_PAGE.search(urlsplit(url).path):
        raise NotAPageError("media", extension[1].lower())
    return url


@lru_cache(maxsize=16_384)
def registrable_domain(host: str) -> str:
    """The part of a host name that somebody registered: `news.bbc.co.uk` is in `bbc.co.uk`.

    An address is its own domain, and so is a bare public suffix. Under a top-level domain that is
    on no list the last two labels count (the list's own default rule), so that each host of the
    reserved `.example` is a domain of its own.
    """
    parts = _suffixes(host)
    if parts.suffix or _is_address(host):
        return parts.top_domain_under_public_suffix or host
    return ".".join(host.split(".")[-2:])


def host_of(url: str) -> str:
    """The host name in a canonical URL, without the port."""
    return urlsplit(url).hostname or ""


def is_under(host: str, domain: str) -> bool:
    """Whether `host` is `domain` or one of its sub-domains."""
    return host == domain or host.endswith(f".{domain}")


def _settle(link: str) -> str:
    # Unescaping and decoding may each uncover work for the other ("&amp;amp;", "%2541"): two or
    # three rounds settle every address that a person ever posted.
    for _ in range(5):
        url, link = link, _canonical_once(link)
        if url == link:
            return url
    raise NotAPageError("bad_url", "the escapes in it do not come to an end")


def _canonical_once(link: str) -> str:
    unescaped = _ESCAPED_AMPERSAND.sub("&", link)
    try:
        parts = urlsplit(safe_url_string(unescaped))
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError as exc:
        raise NotAPageError("bad_url", str(exc)) from exc
    _check_host(parts.netloc, host)
    shown_host = f"[{host}]" if ":" in host else host
    netloc = shown_host if port in (None, _DEFAULT_PORTS[parts.scheme]) else f"{shown_host}:{port}"
    # canonicalize_url for the path only: percent-encoding and dot segments; it knows no query here.
    path = canonicalize_url(urlunsplit((parts.scheme, netloc, parts.path, "", "")))
    query = _without_trackers(parts.query)
    return f"{path}?{query}" if query else path


def _check_host(netloc: str, host: str) -> None:
    if "@" in netloc:
        raise NotAPageError("bad_url", "it holds a user name")
    if _is_address(host):
        return
    labels = host.split(".")
    if len(labels) < 2 or len(host) > 253 or not all(map(_LABEL.fullmatch, labels)):
        raise NotAPageError("bad_url", f"{host[:100]!r} is no public host name")
    if labels[-1].isdigit():
        raise NotAPageError("bad_url", f"{host!r} is no valid address")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _without_trackers(query: str) -> str:
    pairs = (pair for pair in query.split("&") if pair)
    return "&".join(pair for pair in pairs if not _TRACKERS.fullmatch(pair.split("=", 1)[0]))
