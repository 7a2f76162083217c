"""A page's licence is what it states of itself for machines, under a name that can be counted."""

import gzip
import html

import orjson
import pytest
from hypothesis import given, settings, strategies as st
from lxml.html import document_fromstring

from crawler.documents.article import ArticleConfig, read_article
from crawler.documents.page_license import known_license, page_license
from tests.crawler.documents.small_pages import SENTENCES, page

BY_SA = "https://creativecommons.org/licenses/by-sa/4.0/"
BY = "https://creativecommons.org/licenses/by/2.0/"


def stated(markup: str) -> str | None:
    whole = f"<html><head><title>x</title></head><body><p>{markup}</p></body></html>"
    return page_license(document_fromstring(whole), whole)


@pytest.mark.parametrize(
    ("address", "name"),
    [
        # Creative Commons: creativecommons.org/licenses/list.en gives addresses and names
        ("https://creativecommons.org/licenses/by/4.0/", "CC BY 4.0"),
        ("http://creativecommons.org/licenses/by-sa/3.0", "CC BY-SA 3.0"),
        ("//creativecommons.org/licenses/by-sa/4.0/deed.en", "CC BY-SA 4.0"),
        ("https://www.creativecommons.org/licenses/by-nc-nd/4.0/legalcode.de", "CC BY-NC-ND 4.0"),
        ("https://creativecommons.org/licenses/by-nc-sa/3.0/us/", "CC BY-NC-SA 3.0 US"),
        ("https://creativecommons.org/licenses/by/3.0/de/deed.en", "CC BY 3.0 DE"),
        ("https://creativecommons.org/licenses/by/3.0/igo/legalcode", "CC BY 3.0 IGO"),
        ("https://creativecommons.org/licenses/by/2.5/scotland/", "CC BY 2.5 SCOTLAND"),
        ("http://creativecommons.org/licenses/by-nd-nc/1.0/", "CC BY-ND-NC 1.0"),
        ("https://creativecommons.org/licenses/by/4.0/?ref=chooser-v1", "CC BY 4.0"),
        (" HTTPS://CreativeCommons.org/Licenses/BY/4.0/#deed \n", "CC BY 4.0"),
        ("https://creativecommons.org/licenses/by-sa/", "CC BY-SA"),
        ("https://creativecommons.org/publicdomain/zero/1.0/deed.fr", "CC0 1.0"),
        ("https://creativecommons.org/publicdomain/mark/1.0/", "public domain mark 1.0"),
        ("http://creativecommons.org/licenses/publicdomain/", "public domain"),
        # gnu.org/licenses/licenses.html links to all of its own
        ("https://www.gnu.org/licenses/fdl-1.3.en.html", "GFDL 1.3"),
        ("http://www.gnu.org/copyleft/fdl.html", "GFDL"),
        ("https://www.gnu.org/licenses/old-licenses/gpl-2.0.html#SEC1", "GPL 2.0"),
        ("https://www.gnu.org/licenses/lgpl-2.1-standalone.html", "LGPL 2.1"),
        ("https://www.gnu.org/licenses/agpl-3.0.txt", "AGPL 3.0"),
        # opensource.org/licenses: addresses of before 2011, until 2023, and since
        ("http://www.opensource.org/licenses/mit-license.php", "MIT"),
        ("https://opensource.org/licenses/MIT", "MIT"),
        ("https://opensource.org/license/mit/", "MIT"),
        ("https://opensource.org/licenses/Apache-2.0", "Apache 2.0"),
        ("https://opensource.org/license/apache-2-0", "Apache 2.0"),
        ("https://opensource.org/licenses/BSD-3-Clause", "BSD 3-Clause"),
        ("https://www.apache.org/licenses/LICENSE-2.0.html", "Apache 2.0"),
        # nationalarchives.gov.uk/doc: what every page of gov.uk links to
        (
            "https://www.nationalarchives.gov.uk/doc/open-government-licence/version/3/",
            "OGL UK 3",
        ),
    ],
)
def test_a_licence_is_known_by_its_address(address: str, name: str):
    assert known_license(address) == name
    assert stated(f'<a rel="license" href="{address}">terms</a>') == name


@pytest.mark.parametrize(
    "address",
    [
        "https://creativecommons.org/about/",
        "https://creativecommons.org/licenses/",
        "https://creativecommons.org/licenses/by-anything/4.0/",
        "https://creativecommons.org.example.com/licenses/by/4.0/",
        "https://example.com/creativecommons.org/licenses/by/4.0/",
        "https://www.gnu.org/licenses/gpl-howto.html",
        "https://opensource.org/licenses/license",
        "https://opensource.org/licenses/",
        "",
    ],
)
def test_an_address_that_is_no_licence_has_no_name(address: str):
    assert known_license(address) is None


@pytest.mark.parametrize(
    ("markup", "name"),
    [
        # The forms, and where they are described or come from.
        # MediaWiki, in the head of each page
        (f'<link rel="license" href="{BY_SA}deed.en">', "CC BY-SA 4.0"),
        # MediaWiki until 2013, and HTML 4; the HTML standard: "copyright" is treated like "license"
        (f'<link rel="copyright" href="{BY_SA}">', "CC BY-SA 4.0"),
        # Creative Commons' chooser: today's, with more words in rel
        (f'<a href="{BY}?ref=chooser-v1" rel="license noopener noreferrer">x</a>', "CC BY 2.0"),
        # Flickr
        (f'<a rel="license cc:license" href="{BY}">Some rights reserved</a>', "CC BY 2.0"),
        # pages of before XHTML write as they like
        (f"<A REL=LICENSE HREF={BY}>x</A>", "CC BY 2.0"),
        # ccREL, section 4 (RDFa)
        (f'<a rel="cc:license" href="{BY}">x</a>', "CC BY 2.0"),
        # Dublin Core in HTML (DC-HTML), as a colon or a point stands behind the prefix
        (f'<meta name="DCTERMS.license" content="{BY_SA}">', "CC BY-SA 4.0"),
        (f'<meta property="dcterms:license" content="{BY_SA}">', "CC BY-SA 4.0"),
        (f'<meta name="DC.rights" content="2019 A. Author (see {BY})">', "CC BY 2.0"),
        # schema.org's `license` of a CreativeWork
        (
            '<script type="application/ld+json">{"@context": "https://schema.org", '
            f'"@type": "NewsArticle", "license": "{BY_SA}"}}</script>',
            "CC BY-SA 4.0",
        ),
        (
            '<script type="application/ld+json">{"@graph": [{"@type": "WebSite"}, '
            f'{{"@type": ["WebPage", "FAQPage"], "license": {{"@id": "{BY}"}}}}]}}</script>',
            "CC BY 2.0",
        ),
    ],
)
def test_each_form_of_the_statement_is_read(markup: str, name: str):
    assert stated(markup) == name


@pytest.mark.parametrize(
    "markup",
    [
        f'<a href="{BY}">CC BY</a>',  # of what? Most often of a picture
        f'<figure><img src="x"><p><a rel="license" href="{BY}">x</a></p></figure>',
        f'<script type="application/ld+json">{{"@type":"ImageObject","license":"{BY}"}}</script>',
        '<script type="application/ld+json">{"@type": "Article", "image": '
        f'{{"@type": "ImageObject", "license": "{BY}"}}}}</script>',
        f'<script type="application/ld+json">{{"@type": "Article", "license": "{BY}"</script>',
        '<meta name="rights" content="All rights reserved; no license">',
        '<a rel="copyright" href="/license.html">All rights reserved</a>',
        f'<!-- <a rel="license" href="{BY}">x</a> -->',
        '<a rel="license">x</a><a rel="license" href=" ">x</a><a rel="license" href="#terms">x</a>',
        f'<a rel="license" href="/{"x" * 300}">x</a>',
        f'<a rel="nolicense" href="{BY}">x</a>',
    ],
)
def test_what_is_not_said_of_the_page_is_no_statement(markup: str):
    assert stated(markup) is None


def test_the_address_stands_for_a_licence_without_a_known_name():
    assert stated('<a rel="license" href=" /terms?of=use ">x</a>') == "/terms?of=use"
    assert stated('<link rel="License" href="https://a.com/LICENSE">') == "https://a.com/LICENSE"


def test_of_several_statements_the_surest_counts_then_the_first():
    anchors = f'<a rel="license" href="{BY}">x</a><a rel="license" href="{BY_SA}">x</a>'
    meta = f'<meta name="dcterms.license" content="{BY_SA}">'
    script = f'<script type="application/ld+json">{{"@type":"Article","license":"{BY}"}}</script>'
    link = '<link rel="license" href="https://creativecommons.org/publicdomain/zero/1.0/">'
    assert stated(anchors) == "CC BY 2.0"
    assert stated(script + meta) == "CC BY-SA 4.0"
    assert stated(script + meta + anchors) == "CC BY 2.0"
    assert stated(script + meta + anchors + link) == "CC0 1.0"


GARBAGE = st.text(max_size=40) | st.sampled_from(
    [BY, "license", "cc:license", "creativecommons.org/licenses/by/\n4.0", "\x00", "\u2028", "dc:"]
)


@given(
    rel=GARBAGE | st.just("license"),
    href=st.lists(GARBAGE, max_size=4).map("".join) | st.just("x" * 5000),
    name=GARBAGE | st.just("dc.rights"),
    data=st.text(max_size=40)
    | st.recursive(
        st.none() | st.booleans() | st.sampled_from([BY, "Article", "@type"]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["license", "@type", "@graph", "@id"]), inner)
        ),
        max_leaves=8,
    ).map(lambda value: orjson.dumps(value).decode()),
)
@settings(max_examples=150)
def test_no_page_makes_it_fail_or_say_more_than_a_line(rel: str, href: str, name: str, data: str):
    rel, href, name = (html.escape(each) for each in (rel, href, name))
    license_ = stated(
        f'<a rel="{rel}" href="{href}">license</a><link rel="{rel}" href="{href}">'
        f'<meta name="{name}" content="{href}"><script type="application/ld+json">{data}</script>'
    )
    assert license_ is None or (license_.isprintable() and 0 < len(license_.strip()) <= 300)


def test_an_article_has_the_licence_of_its_page_and_plain_text_has_none():
    body = page(*SENTENCES).replace(b"<footer>", f'<footer><a rel=license href="{BY}">'.encode())
    config = ArticleConfig()
    assert read_article(body, "text/html", config).license == "CC BY 2.0"
    assert read_article(page(*SENTENCES), "text/html", config).license is None
    assert read_article(body, "text/plain", config).license is None


def test_of_the_real_pages_the_one_that_states_a_licence_has_it(real_data):
    # panarmenian.net: 'Content of this site is licensed under a <a rel="license" href=...by/3.0/>'.
    # Two more say so in words, without a link; the others in "all rights reserved" or not at all.
    found = {}
    for file in sorted((real_data / "web/html").glob("*.html.gz")):
        markup = gzip.decompress(file.read_bytes()).decode("utf-8", "replace")
        if license_ := page_license(document_fromstring(markup.encode()), markup):
            found[file.name[:8]] = license_
    assert found == {"d90bda7e": "CC BY 3.0"}
