"""Recognises what is served in place of a page: challenges, consent and login forms, `not found`.

A rule must be sure: a page lost to a wrong rule is lost in silence, while a wall that passes is
mostly dropped by extraction, for lack of text. So a title must match as a whole, and a body is
searched only while it is as small as walls are.
"""

import html
import re
from collections.abc import Iterable
from urllib.parse import SplitResult, urlsplit

# Each rule: the outcome, whose wall it is, and a pattern.

# The whole title, lower case, alone or beside the site's name.
_TITLES = [
    ("bot_wall", "cloudflare", r"just a moment\.\.\."),
    ("bot_wall", "cloudflare", r"(attention required!|please wait\.\.\.)( \| cloudflare)?"),
    ("bot_wall", "cloudflare", r"access denied \| .+ used cloudflare to restrict access"),
    ("bot_wall", "imperva", r"pardon our interruption(\.\.\.)?"),
    ("bot_wall", "perimeterx", r"access to this page has been denied\.?"),
    ("bot_wall", "sucuri", r"sucuri website firewall.*"),
    ("bot_wall", "ddos-guard", r"ddos-guard|ddos protection by .+"),
    ("bot_wall", "vercel", r"vercel security checkpoint"),
    ("bot_wall", "anubis", r"making sure you're not a bot!"),
    ("bot_wall", "litespeed", r"bot verification|one moment, please\.\.\."),
    ("bot_wall", "amazon", r"robot check"),
    ("bot_wall", "captcha", r"are you (a )?(robot|human)\?|(human|security) verification"),
    ("bot_wall", "captcha", r"verify(ing)? (that )?you('re| are) (a )?human"),
    ("bot_wall", "browser check", r"(checking|verifying) your browser.{0,40}|security check"),
    ("bot_wall", "access denied", r"(error )?(403:? )?access (is )?denied|403:? (- )?forbidden"),
    ("bot_wall", "access denied", r"request blocked|you have been blocked"),
    ("cookie_wall", "google", r"before you continue( to .+)?"),
    ("cookie_wall", "yahoo", r".+ is (now )?(a )?part of (oath|verizon media|the yahoo family.*)"),
    ("cookie_wall", "dpg", r"dpg media privacy gate"),
    ("cookie_wall", "cookies needed", r"(please )?enable cookies"),
    ("cookie_wall", "cookies needed", r"cookies (are )?(required|disabled|must be enabled)"),
    ("login_wall", "login form", r"(please )?(log ?in|sign ?in|login)( (in)?to .{1,60})?"),
    ("login_wall", "login form", r"(log ?in|sign ?in|login) (or|/|&) (register|sign ?up|join)"),
    ("login_wall", "login form", r"login required|members only"),
    ("soft_404", "not found", r"(error )?404[ ,.!]*(error)?"),
    ("soft_404", "not found", r"(error )?(404[ ,.!]*)?(page |file |url )?not found[.!]*"),
    ("soft_404", "not found", r"(error )?(404[ ,.!]*)?page not found ?\(?(error )?(404)?\)?"),
    ("soft_404", "not found", r"(sorry,? )?(the |this )?page (was |could )not (be )?found"),
    ("soft_404", "not found", r"(the |this )?(page|content) (does not|doesn't) exist\.?"),
    ("soft_404", "not found", r"(the |this )?(page|content) (isn't|is not|is no longer) available"),
    ("soft_404", "not found", r"oops!? (that |this )?page (can't|cannot|can not) be found\.?"),
    ("soft_404", "not found", r"seite nicht gefunden|page (non trouvée|introuvable)"),
    ("soft_404", "not found", r"página no encontrada|página não encontrada|страница не найдена"),
    ("soft_404", "not found", r"pagina (niet gevonden|non trovata)|sidan (hittades inte|saknas)"),
    ("soft_404", "suspended", r"(account|site) suspended|this account has been suspended"),
    ("parked", "for sale", r"([a-z0-9-]+\.)+[a-z]{2,} (is |may be )?(for sale|parked).*"),
    ("parked", "for sale", r"hugedomains\.com|parked (domain|page)|this domain is for sale"),
    ("parked", "default page", r"welcome to nginx!?|apache2 .{0,12}default page(: it works)?"),
    ("parked", "default page", r"iis windows( server)?|domain default page|future home of .+"),
]  # fmt: skip

# Anywhere in a body of up to 16 KB, lower case. No sign are the scripts that vendors also put
# into good pages: Cloudflare's challenge-platform, PerimeterX's _pxAppId, Imperva's SWJIYLWA.
_MARKERS = [
    ("bot_wall", "cloudflare", b"_cf_chl_opt"),
    ("bot_wall", "cloudflare", b"cf-browser-verification"),
    ("bot_wall", "incapsula", b"incapsula incident id"),
    ("bot_wall", "perimeterx", b"px-captcha"),
    ("bot_wall", "datadome", b"captcha-delivery.com"),
    ("bot_wall", "akamai", b"errors.edgesuite.net"),
    ("bot_wall", "akamai", b"/_sec/cp_challenge/"),
    ("bot_wall", "aws", b"awswafcaptcha"),
    ("bot_wall", "aws", b"window.gokuprops"),
    ("bot_wall", "sucuri", b"sucuri_cloudproxy_js"),
    ("bot_wall", "google", b"unusual traffic from your computer network"),
    ("parked", "advertisements", b"data-adblockkey="),  # AdSense for Domains
    ("parked", "advertisements", b"sedoparking.com"),
    ("parked", "advertisements", b"parkingcrew.net"),
    ("parked", "lander", b'window.location.href="/lander"'),  # GoDaddy
    ("parked", "for sale", b"this domain may be for sale"),
]

# Host and path, lower case, where a redirect led; a link to such an address is no redirect to it.
_ADDRESSES = [
    ("cookie_wall", "google", r"consent\.(google|youtube)\.[a-z.]+/.*"),
    ("cookie_wall", "yahoo", r"(consent|guce)\.([a-z-]+\.)+[a-z]+/.*"),
    ("cookie_wall", "tumblr", r"(www\.)?tumblr\.com/privacy/consent.*"),
    ("cookie_wall", "dpg", r"(my|cmp)privacy\.[a-z.]+/.*"),
    ("cookie_wall", "consent page", r"[^/]+/([a-z-]+/)?((cookie|gdpr)-?)?(consent|wall)([./].*)?"),
    ("login_wall", "login page", r"[^/]+/([\w-]+/){0,3}(log|sign)[-_]?in(\.[a-z]{3,4})?/?"),
    ("login_wall", "login page", r"[^/]+/([\w-]+/){0,3}(authwall|checkpoint|wp-login\.php)/?"),
    ("login_wall", "single sign-on", r"(login|signin|accounts?|sso|idp|auth)\.[^/]+/.*"),
    ("soft_404", "not found", r"[^/]+/([\w-]+/){0,2}(error)?-?404(\.[a-z]{3,5})?/?"),
    ("soft_404", "not found", r"[^/]+/([\w-]+/){0,2}(page)?-?not-?found(\.[a-z]{3,5})?/?"),
    ("parked", "marketplace", r"([\w-]+\.)?(hugedomains|sedo|sedoparking|dan|afternic)\.com/.*"),
    ("parked", "marketplace", r"([\w-]+\.)?(bodis|above|parkingcrew|domainmarket)\.(com|net)/.*"),
    ("parked", "advertisements", r"ww\d{1,3}\.[^/]+/.*"),
]

# Challenge pages have 1 to 12 KB (Cloudflare's newest up to 32), articles 20 to 500. A title that
# an article might have counts only for a small page; one that says `not found` for any.
_SMALL_BYTES = 1 << 14
_SMALL_TITLED_BYTES = 1 << 16
_ANY_SIZE = {"soft_404", "cookie_wall"}
_TITLE_WITHIN_BYTES = 1 << 16
_LONGEST_SITE_NAME = 40
_TITLE = re.compile(rb"<title[^>]{0,200}>([^<]{1,300})</title", re.IGNORECASE)
_SEPARATOR = re.compile(r" [-|\u2013\u2014\u00b7\u2022\u00bb\u00ab] |: | ?\| ?")
# What stands in the last part of a path when it names one article of many.
_SLUG = re.compile(r"[^/]*(-[^/-]+-|\d{3})[^/]*")


def recognise(status: int, url: str, final_url: str, body: bytes) -> tuple[str, str] | None:
    """The wall that an answer is, as (outcome, whose wall); None: it is a page.

    Takes some 20 us for a page of 100 KB. A wall with an error status is recognised, too: the
    outcome of such a link is its status, and the wall its detail.

    Args:
        status: Of the last answer, after redirects.
        url: The address that was asked for.
        final_url: The address that answered.
        body: Decoded (no Content-Encoding).
    """
    if url != final_url and (wall := _by_address(urlsplit(url), urlsplit(final_url))):
        return wall
    if wall := _by_title(body):
        # With an error status a page that says so is no wall.
        return wall if status < 400 or wall[0] != "soft_404" else None
    if len(body) <= _SMALL_BYTES:
        lowered = body.lower()
        for reason, name, marker in _MARKERS:
            if marker in lowered:
                return reason, name
    return None


def _by_address(link: SplitResult, final: SplitResult) -> tuple[str, str] | None:
    was = f"{link.netloc}{link.path}".lower()
    now = f"{final.netloc}{final.path or '/'}".lower()
    found = _ADDRESS_RULES.fullmatch(now)
    if found and not _ADDRESS_RULES.fullmatch(was):
        return _rule_of(_ADDRESSES, found)
    # To the home page of the same site, away from the address of one article.
    is_home = final.path in {"", "/"} and not final.query and _same_site(link, final)
    if is_home and _SLUG.fullmatch(link.path.rstrip("/").rpartition("/")[2]):
        return "soft_404", "redirect to the home page"
    return None


def _by_title(body: bytes) -> tuple[str, str] | None:
    title = _title_of(body)
    if not title:
        return None
    *before, last = _SEPARATOR.split(title)
    parts = [title, last, *before[:1]]
    for part in parts:
        # Beside a wall's title there is the name of a site, not the rest of a headline.
        if len(title) - len(part) > _LONGEST_SITE_NAME:
            continue
        if found := _TITLE_RULES.fullmatch(part.strip()):
            reason, name = _rule_of(_TITLES, found)
            return (reason, name) if _is_plausible(reason, body) else None
    return None


def _title_of(body: bytes) -> str:
    # Most pages write it in small letters, and a plain search is ten times faster.
    start = body.find(b"<title", 0, _TITLE_WITHIN_BYTES)
    found = _TITLE.match(body, start) if start >= 0 else _TITLE.search(body, 0, _SMALL_BYTES)
    if found is None:
        return ""
    title = html.unescape(found[1].decode(errors="replace")).lower()
    return " ".join(title.replace("\u2019", "'").split())


def _is_plausible(reason: str, body: bytes) -> bool:
    if reason == "login_wall":
        return b'type="password"' in body[:_TITLE_WITHIN_BYTES].lower().replace(b"'", b'"')
    return reason in _ANY_SIZE or len(body) <= _SMALL_TITLED_BYTES


def _same_site(link: SplitResult, final: SplitResult) -> bool:
    return link.netloc.lower().removeprefix("www.") == final.netloc.lower().removeprefix("www.")


def _compile(rules: Iterable[tuple[str, str, str]]) -> re.Pattern[str]:
    """All patterns as one; the name of the group that matched is the number of the rule."""
    return re.compile("|".join(f"(?P<rule{i}>{rule[2]})" for i, rule in enumerate(rules)))


def _rule_of(rules: list[tuple[str, str, str]], found: re.Match[str]) -> tuple[str, str]:
    assert found.lastgroup is not None
    reason, name, _ = rules[int(found.lastgroup.removeprefix("rule"))]
    return reason, name


_TITLE_RULES = _compile(_TITLES)
_ADDRESS_RULES = _compile(_ADDRESSES)
