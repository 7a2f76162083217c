"""The takedown list: what is added to it, and what it says of addresses as people write them."""

from pathlib import Path

import pytest

from corpus.errors import UsageError
from crawler.links.takedown import Takedown, extend_list

LIST = Path("data/takedown.txt")


def test_what_is_on_the_list_already_is_not_added_in_any_variant():
    text = "# asked by mail\nexample.org\nhttps://a.org/b  # in May\nhttps://a.org/c/*\n"
    same = ["www.Example.org", "http://www.a.org/b/", "http://a.org/c/*", "# only words", ""]
    assert extend_list(text, same) == text
    assert extend_list("a.org", ["b.org  # in June", "b.org"]) == "a.org\nb.org  # in June\n"


def test_a_domain_is_not_the_page_of_its_front():
    assert extend_list("example.org\n", ["http://example.org/"]).count("\n") == 2


@pytest.mark.parametrize("entry", ["ftp://a.org/", "https://*", "a b"])
def test_an_entry_that_is_none_is_refused_with_what_it_may_be(entry):
    with pytest.raises(UsageError, match="cannot be taken down") as caught:
        extend_list("", [entry])
    assert "A line is a domain" in caught.value.hint


def test_an_address_is_found_as_somebody_wrote_it():
    takedown = Takedown.parse("https://a.org/b\nexample.org\n", LIST)
    assert takedown.place_of_address("HTTP://www.A.org/b/#top") == "takedown.txt:1"
    assert takedown.place_of_address("https://shop.example.org/x") == "takedown.txt:2"
    assert takedown.place_of_address("https://a.org/c") is None
    assert takedown.place_of_address("mailto:me@a.org") is None
