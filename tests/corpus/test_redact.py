"""What must not be read in a log is not there, and the rest is."""

import pytest
from hypothesis import given, strategies as st

from corpus.redact import redact


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://me:pass@host/db is gone", "postgresql://***@host/db is gone"),
        ("GET https://x.example/?api_key=abc&q=1", "GET https://x.example/?api_key=***&q=1"),
        ("AWS_SECRET_ACCESS_KEY=abc/def set", "AWS_SECRET_ACCESS_KEY=*** set"),
        ("{'password': 'abc', 'user': 'me'}", "{'password': '***', 'user': 'me'}"),
        ("Authorization: Bearer abcdefghij", "Authorization: Bearer ***"),
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
