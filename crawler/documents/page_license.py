"""The licence that a page states for itself, by a name to count it under.

Only statements made for machines are read. A bare link to a licence is none: it most often names a
picture's. docs/extraction.md has what was found on real pages, and why trafilatura's field is not
used.
"""

import re
from collections.abc import Callable, Iterator

import orjson
from lxml.html import HtmlElement

# Every form has it, but for CC0 as a bare address in Dublin Core. Of 181 real pages 40 have it, and
# to look for it takes less than half the time of the walk through the elements.
_HINTS = ("icense", "ICENSE")
_MAX_ADDRESS_CHARS = 300
_MAX_STATEMENT_CHARS = 3_000
_START = re.compile(r"(?:https?:)?(?://)?(?:www\.)?")
_VERSION = r"(?P<version>\d[.-]\d)"
_END = r"(?:[?#].*)?$"

# The addresses that the owners of the licences give them. Behind a version of Creative Commons may
# stand the code of a country whose law it was fitted to (`/3.0/us/`), then the language of the
# page (`/deed.de`).
_ADDRESSES = [
    re.compile(address)
    for address in (
        rf"creativecommons\.org/licenses/(?P<family>[a-z-]+)(?:/{_VERSION})?"
        r"(?:/(?!deed|legalcode|rdf)(?P<port>[a-z]{2,10}))?(?:[/?#].*)?$",
        rf"creativecommons\.org/publicdomain/(?P<family>zero|mark)(?:/{_VERSION})?(?:[/?#].*)?$",
        r"gnu\.org/(?:licenses|copyleft)/(?:old-licenses/)?"
        rf"(?P<family>[a-z]+)(?:-{_VERSION})?(?:-standalone)?(?:\.[a-z.-]+)?/?{_END}",
        r"opensource\.org/licenses?/"
        rf"(?P<family>[a-z0-9-]+?)(?:-license)?(?:-{_VERSION})?(?:\.php|\.html)?/?{_END}",
        rf"(?P<family>apache)\.org/licenses/license-{_VERSION}(?:\.html|\.txt)?{_END}",
        r"nationalarchives\.gov\.uk/doc/(?P<family>open-government-licence)"
        r"(?:/version/(?P<version>\d))?(?:[/?#].*)?$",
    )
]
_NAMES = {
    # The combinations of Creative Commons's four terms, those of version 1.0 too, as it writes them
    **{
        terms: f"CC {terms.upper()}"
        for terms in (
            *("by", "by-sa", "by-nd", "by-nc", "by-nc-sa", "by-nc-nd", "by-nd-nc"),
            *("sa", "nd", "nc", "nc-sa", "nd-nc"),
        )
    },
    "publicdomain": "public domain",
    "zero": "CC0",
    "mark": "public domain mark",
    "fdl": "GFDL",
    "gpl": "GPL",
    "lgpl": "LGPL",
    "agpl": "AGPL",
    "mit": "MIT",
    "apache": "Apache",
    "bsd-2-clause": "BSD 2-Clause",
    "bsd-3-clause": "BSD 3-Clause",
    "isc": "ISC",
    "mpl": "MPL",
    "open-government-licence": "OGL UK",
}

_RIGHTS_METAS = frozenset(
    f"{vocabulary}{term}"
    for vocabulary in ("", "dc.", "dct.", "dcterms.", "cc.")
    for term in ("license", "rights", "rights.license", "copyright")
)
_WORD_ENDS = "<>()[]\"'.,;"
_PAGE_TYPE = re.compile(r"(?:Page|Article|Posting|CreativeWork|Report)$")


def page_license(tree: HtmlElement, markup: str) -> str | None:
    """The licence that a page states; of several the first in this order, then in the page's.

    1. `<link rel="license">`, which can mean nothing but the page;
    2. `<a rel="license">` outside a figure, whose picture it would mean;
    3. `<meta>` of Dublin Core and its kin with a licence's address in it;
    4. JSON-LD's `license` of an object that is a page or an article.

    `rel` may hold other words, a prefix (`cc:license`) or HTML 4's word `copyright`, which the HTML
    standard takes for the same.

    Args:
        tree: The whole page; it is left as it is.
        markup: What the tree was parsed from.

    Returns:
        The licence's short name (`known_license`). If no name is known, the address that
        `rel="license"` gives, as it stands there: one printable line of at most 300 characters.
        None where nothing is stated.
    """
    if not any(hint in markup for hint in _HINTS):
        return None
    found: dict[str, str] = {}
    for element in tree.iter(*_READERS):
        if element.tag not in found and (license_ := _READERS[element.tag](element)):
            found[element.tag] = license_
    return next((found[tag] for tag in _READERS if tag in found), None)


def known_license(address: str) -> str | None:
    """The short name of the licence at an address, such as "CC BY-SA 3.0 US" or "GFDL 1.3"."""
    place = _START.sub("", address.strip().lower(), count=1)
    for pattern in _ADDRESSES:
        if (match := pattern.match(place)) and (name := _NAMES.get(match["family"])):
            details = match.groupdict()
            version = (details["version"] or "").replace("-", ".")
            return " ".join(filter(None, (name, version, (details.get("port") or "").upper())))
    return None


def _of_anchor(anchor: HtmlElement) -> str | None:
    license_ = _of_link(anchor)
    return license_ if license_ and next(anchor.iterancestors("figure"), None) is None else None


def _of_link(link: HtmlElement) -> str | None:
    rel = link.get("rel")
    if not rel:  # nearly always
        return None
    href = link.get("href", "")
    words = {word.rpartition(":")[2] for word in rel.lower().split()}
    if words.isdisjoint(("license", "copyright")):
        return None
    # A link to the copyright is most often one to "all rights reserved".
    return known_license(href) or (_address(href) if "license" in words else None)


def _of_meta(meta: HtmlElement) -> str | None:
    name = meta.get("name") or meta.get("property")
    if name is None or name.lower().replace(":", ".") not in _RIGHTS_METAS:
        return None
    words = (w.strip(_WORD_ENDS) for w in meta.get("content", "")[:_MAX_STATEMENT_CHARS].split())
    return next(filter(None, map(known_license, words)), None)


def _of_script(script: HtmlElement) -> str | None:
    if not script.get("type", "").lower().endswith("ld+json"):
        return None
    text = script.text
    if not text or '"license"' not in text:
        return None
    try:
        objects = list(_page_objects(orjson.loads(text)))
    except ValueError:
        return None
    stated = (known_license(address) for each in objects for address in _strings(each["license"]))
    return next(filter(None, stated), None)


_READERS: dict[str, Callable[[HtmlElement], str | None]] = {
    "link": _of_link,
    "a": _of_anchor,
    "meta": _of_meta,
    "script": _of_script,
}


def _address(href: str) -> str | None:
    address = href.strip()
    if not 0 < len(address) <= _MAX_ADDRESS_CHARS or not address.isprintable():
        return None
    return None if address.lower().startswith(("#", "javascript:")) else address


def _page_objects(data: object) -> Iterator[dict]:
    """The licensed pages and articles of a JSON-LD document; what they contain is left out."""
    graph = data.get("@graph", data) if isinstance(data, dict) else data
    for each in graph if isinstance(graph, list) else [graph]:
        if not isinstance(each, dict) or "license" not in each:
            continue
        if any(map(_PAGE_TYPE.search, _strings(each.get("@type")))):
            yield each


def _strings(value: object) -> list[str]:
    """What JSON-LD writes as a string, as a list of them, or as an object with an address."""
    if isinstance(value, dict):
        value = value.get("@id") or value.get("url")
    values = value if isinstance(value, list) else [value]
    return [each for each in values if isinstance(each, str)]
