"""What must not be read in a log is not there, and the rest is."""

import traceback

import pytest
from hypothesis import given, strategies as st

from corpus.errors import WebtextError
from corpus.redact import redact, redact_error


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://me:pass@host/db is gone", "postgresql://***@host/db is gone"),
        ("GET https://x.example/?api_key=abc&q=1", "GET https://x.example/?api_key=***&q=1"),
        ("AWS_SECRET_ACCESS_KEY=abc/def set", "AWS_SECRET_ACCESS_KEY=*** set"),
        ("{'password': 'abc', 'user': 'me'}", "{'password': '***', 'user': 'me'}"),
        ("Authorization: Bearer abcdefghij", "Authorization: Bearer ***"),
        ("AWS_ACCESS_KEY_ID=abc set", "AWS_ACCESS_KEY_ID=*** set"),
        ("hf_token: abc", "hf_token: ***"),
        ("tokens: 512, max_new_tokens=10", "tokens: 512, max_new_tokens=10"),
        ("12 tokens in data/tokens/ab12", "12 tokens in data/tokens/ab12"),
        (
            "mail me@example.org of https://example.org/",
            "mail me@example.org of https://example.org/",
        ),
    ],
)
def test_only_secrets_are_hidden(text: str, shown: str):
    assert redact(text) == shown


@given(st.text(st.characters(categories=["L", "N"]), min_size=4), st.text())
def test_a_password_in_a_url_never_stays(password: str, before: str):
    assert f":{password}@" not in redact(f"{before} s3://user:{password}@host")


URL = "postgresql://me:pass@host/db"


@pytest.mark.parametrize(
    "error",
    [
        ValueError(f"{URL} is gone"),
        OSError(2, "no such file", URL),
        WebtextError(f"{URL} is gone", hint=f"start {URL}"),
        KeyError(URL),
        ConnectionError(TimeoutError(f"{URL} does not answer")),
        ExceptionGroup("two of them", [ValueError(URL), OSError(2, "no such file", URL)]),
    ],
)
def test_an_error_and_its_causes_hide_them_too(error: Exception):
    error.add_note(f"while it asked {URL}")
    try:
        try:
            raise error
        except Exception as exc:
            raise LookupError(f"nothing at {URL}") from exc
    except LookupError as outer:
        redact_error(outer)
        whole = "".join(traceback.format_exception(outer))
    assert "postgresql://***@host/db" in whole
    assert "me:pass" not in whole
