"""What `--data` takes."""

import pytest

from flows.commands.options import console


@pytest.mark.parametrize("url", ["gs://bucket/data", "s3://", "http://127.0.0.1/data"])
def test_a_url_that_is_no_bucket_is_wrong_usage(webtext, url: str):
    outcome = webtext("corpus", "list", "--data", url)
    assert outcome.exit_code == 2
    assert f"{url} is no place for data" in outcome.err
    assert "s3://BUCKET" in outcome.err


def test_a_server_that_does_not_answer_is_a_failure(webtext, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    outcome = webtext("corpus", "list", "--data", "s3://bucket/data")
    assert outcome.exit_code == 1
    assert "no S3 server answers at http://127.0.0.1:9" in outcome.err


def test_help_says_what_it_takes(webtext):
    assert "s3://BUCKET/PATH" in webtext("corpus", "list", "--help").out


def test_a_path_is_printed_as_it_is_however_long_and_whatever_its_name(capsys, monkeypatch):
    monkeypatch.setattr(console, "width", 20)
    path = "/a/[bold]folder/with/a/rather/long/name"
    console.print(f"tokens: {path}")
    assert capsys.readouterr().out == f"tokens: {path}\n"
