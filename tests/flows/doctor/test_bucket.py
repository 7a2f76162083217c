"""The doctor at an S3 server: moto's, on loopback."""

import pytest

from flows.doctor.services import check_bucket
from tests.corpus.s3_server import KEYS, demand_credentials, make_bucket, s3_server


@pytest.mark.slow
def test_a_bucket_that_takes_objects_is_ok_and_any_other_is_not(monkeypatch: pytest.MonkeyPatch):
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    with s3_server() as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        make_bucket(url, "pages")
        assert check_bucket("s3://pages/webtext").status == "ok"
        missing = check_bucket("s3://nowhere/webtext")
        assert missing.status == "fail"
        assert "nowhere" in missing.seen
        demand_credentials(url, known=True)
        refused = check_bucket("s3://pages/webtext")
        assert refused.status == "fail"
        assert "AWS_ACCESS_KEY_ID" in refused.remedy
