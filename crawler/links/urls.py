"""The canonical form of a link: one address per page, and no link that cannot be a page.

What is changed must be invisible to the web server, because the canonical form is what is fetched:
the case of scheme and host, the default port, the fragment, percent-encoding, dot segments and
parameters that exist to track clicks. The order of query parameters, empty values and "?12345"
without a key stay as they are: old forums and news sites depend on them. That is why w3lib cleans
the parts and neither its `canonicalize_url` (sorts keys, turns "?12345" into "?12345=") nor
courlan's `clean_url` and filters do the whole: on 840 links of 2005 those reject 19 pages (.story,
.jhtml, .ece and the like), drop key-less queries, and they take "?game=" for a tracker.

`page_key` goes further, since nothing is fetched by it: variants of an address that a server could
tell apart, but hardly ever does, have one key. courlan does not serve there either: its
`normalize_url` leaves http, https and www. apart.
"""

import ipaddress
import re
from functools import lru_cache
from urllib.parse import unquote, urlsplit, urlunsplit

import idna
from tldextract import TLDExtract
from w3lib.url import canonicalize_url, safe_url_string

_MAX_LENGTH = 2_000  # no browser or server of the time took more; longer ones are data, not links
_DEFAULT_PORTS = {"http": 80, "https": 443}
# Only the ampersand: html.unescape would turn the key in "?a=1&copy=2" into a copyright sign.
_ESCAPED_AMPERSAND = re.compile(r"&(?:amp|#0*38|#x0*26);", re.IGNORECASE)
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
# A host whose last label is one of these is an IPv4 address to a browser, or an error.
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")

# Parameters that no site needs to find its page. From the public lists of Firefox, ClearURLs and
# AdGuard, without the short words (ref, id, source, ga) that are also a site's own keys.
_TRACKER = (
    r"(?:(?:utm|mtm|pk|piwik|hsa|itm|vero|oly)_\w+"
    r"|(?:fb|g|d|y|tw|tt)clid|msclkid|wbraid|gbraid|gclsrc"
    r"|_ga|_gl|_hsenc|_hsmi|__hstc|igshid|igsh|mc_cid|mc_eid|mkt_tok|ml_subscriber"
    r"|ref_src|ref_url|s_cid|spm|wt_mc|xtor)"
)
_TRACKERS = re.compile(_TRACKER, re.IGNORECASE)

# Most links (86 % in 2005) have nothing to change. This proves it fifty times as fast as the long
# way finds out: host names in lower case (no address, no port), and behind them nothing that needs
# encoding, decoding or thought. (Escaped blanks and letters beyond ASCII stay escaped; a query's
# escapes all stay.)
_CLEAN = re.compile(
    r"https?://(?=[^/]{1,253}/)"
    r"(?:(?!-)[a-z0-9_-]{1,63}+(?<!-)\.)+(?=[a-z])[a-z0-9_-]{1,63}+(?<!-)"
    r"/[A-Za-z0-9/_.~!$&'()*+,:@=-]*+(?:%(?:20|[89A-F][0-9A-F])[A-Za-z0-9/_.~!$&'()*+,:@=-]*+)*+"
    # A query: no empty pair, no tracker.
    rf"(?:[?&](?!(?i:{_TRACKER})(?:[=&]|$))(?:[A-Za-z0-9/?_.~!$()*+,:@=-]|%[0-9A-Fa-f]{{2}})++)*+"
)
# "http://" and the host in it, up to a port, path, query or fragment; none where there is a user.
_WRITTEN_HOST = re.compile(r"(https?://)([^/?#\\:@\[]+)(?![^/?#\\]*@)", re.IGNORECASE)
_NAME = re.compile(r"[a-z0-9._-]+")
_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")
_UNRESERVED = frozenset(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"  # RFC 3986, section 2.3
)
# ICANN suffixes only: all of blogspot.com is one domain, as in WebText's published domain list
# (and one server's worth of politeness). Bundled list, no cache folder: never touches the network.
_suffixes = TLDExtract(suffix_list_urls=(), cache_dir=None)


class NotAPageError(ValueError):
    """A link that cannot be a web page, and why.

    Args:
        reason: `not_http` or `bad_url`: the reject reason to count it under.
        detail: What is wrong with it, for a person.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


def canonical_url(link: str) -> str:
    """The one address under which `link` is fetched and known; idempotent.

    Raises:
        NotAPageError: `link` is no http(s) address of a public host.
    """
    if _is_clean(link):
        return link
    link = link.strip()
    # What is left to do is mostly one of these: the dumps escape ampersands, people leave out the
    # slash behind the host, browsers add a fragment.
    plain = _ESCAPED_AMPERSAND.sub("&", link).partition("#")[0]
    if _is_clean(plain := plain if plain.count("/") > 2 else f"{plain}/"):
        return plain
    if not link[:8].lower().startswith(("http://", "https://")):
        raise NotAPageError("not_http", link[:200])
    # A link may be longer than what it comes down to, but not by any length: time is at stake.
    url = _settle(link) if len(link) <= 10 * _MAX_LENGTH else link
    if len(url) > _MAX_LENGTH:
        raise NotAPageError("bad_url", f"{len(url)} characters, at most {_MAX_LENGTH} are taken")
    return url


def page_key(url: str) -> str:
    """What the variants of a canonical URL that count as one page have in common.

    They are the one page under http and https, with and without `www.`, with and without a slash
    at the end of the path, and with more or fewer escapes in the query. Two addresses that servers
    do tell apart stay two: `m.` shows other text than the main site, `/index.html` may be older
    than what a server shows for `/`, and the case of a path, or the order of a query, may matter.

    Args:
        url: A canonical URL.
    """
    key = url.partition("://")[2]
    while key.startswith("www."):
        key = key[4:]
    if "%" in key:
        key = _ESCAPE.sub(_plain, key)
    path, mark, query = key.partition("?")
    return f"{path.rstrip('/')}{mark}{query}"


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
    netloc = url.split("/", 3)[2]
    return (urlsplit(url).hostname or "") if ":" in netloc else netloc


def _is_clean(link: str) -> bool:
    # "/." may begin a dot segment.
    return len(link) <= _MAX_LENGTH and bool(_CLEAN.fullmatch(link)) and "/." not in link


def _plain(escape: re.Match[str]) -> str:
    character = chr(int(escape[0][1:], 16))
    return character if character in _UNRESERVED else escape[0].upper()


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
        parts = urlsplit(safe_url_string(_with_ascii_host(unescaped)))
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


def _with_ascii_host(link: str) -> str:
    """`link` with its host as browsers write it today, if that is possible (UTS 46).

    w3lib knows the older rules only, by which straße.de is another site, strasse.de; it still
    serves for what the newer ones refuse, such as hosts with an emoji.
    """
    if not (found := _WRITTEN_HOST.match(link)) or (found[2].isascii() and "%" not in found[2]):
        return link
    host = unquote(found[2])
    try:
        shown = host.lower() if host.isascii() else idna.encode(host, uts46=True).decode()
    except idna.IDNAError:
        return link
    # What decoding brought to light must not end the host or begin a user name.
    return f"{found[1]}{shown}{link[found.end() :]}" if _NAME.fullmatch(shown) else link


def _check_host(netloc: str, host: str) -> None:
    if "@" in netloc:
        raise NotAPageError("bad_url", "it holds a user name")
    if _is_address(host):
        return
    labels = host.split(".")
    if len(labels) < 2 or len(host) > 253 or not all(map(_LABEL.fullmatch, labels)):
        raise NotAPageError("bad_url", f"{host[:100]!r} is no public host name")
    if _NUMBER.fullmatch(labels[-1]):
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
