"""A server of the user's own: it is used, and one that is gone is named."""

import pytest


def test_a_prefect_server_that_does_not_answer_is_named(webtext, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    outcome = webtext("build", "demo")
    assert outcome.exit_code == 1
    assert "PREFECT_API_URL=http://127.0.0.1:9/api" in outcome.err
    assert "unset PREFECT_API_URL" in outcome.err
