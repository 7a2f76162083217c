"""How long a failing host is left alone."""

from email.utils import formatdate

import pytest
from hypothesis import given, strategies as st

from crawler.pages.manners import LONGEST_PAUSE_S, FailingHosts, parse_retry_after

NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (b"120", 120.0),
        (b" 7 ", 7.0),
        (b"0", 0.0),
        (formatdate(NOW + 90, usegmt=True).encode(), 90.0),
        (formatdate(NOW - 90, usegmt=True).encode(), 0.0),
        (b"Tue, 14 Nov 2023 22:14:20", 60.0),  # without a zone: GMT
        (None, None),
        (b"", None),
        (b"-5", None),
        (b"1.5", None),
        (b"soon", None),
        ("١٢".encode(), None),
        (b"99999999999999999999999", 999_999_999_999.0),
        (b"Fri, 31 Dec 99999 23:59:59 GMT", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(header, seconds):
    assert parse_retry_after(header, NOW) == seconds


@given(st.binary(max_size=60))
def test_no_retry_after_is_an_error(header):
    wait_s = parse_retry_after(header, NOW)
    assert wait_s is None or wait_s >= 0


def test_each_failure_in_a_row_doubles_the_pause_up_to_ten_minutes():
    hosts = FailingHosts(pause_s=10, max_failures=100)
    pauses = [hosts.failed("a", "timeout", None) for _ in range(8)]
    assert pauses == [10, 20, 40, 80, 160, 320, LONGEST_PAUSE_S, LONGEST_PAUSE_S]
    assert hosts.failed("b", "timeout", None) == 10
    hosts.answered("a")
    assert hosts.failed("a", "timeout", None) == 10


def test_a_host_that_names_a_time_gets_it_within_reason():
    hosts = FailingHosts(pause_s=10, max_failures=100)
    assert hosts.failed("a", "http_429", 45.0) == 45.0
    assert hosts.failed("b", "http_429", 1.0) == 10
    assert hosts.failed("c", "http_503", 1e9) == LONGEST_PAUSE_S


def test_a_host_is_given_up_after_so_many_failures_in_a_row():
    hosts = FailingHosts(pause_s=0, max_failures=3)
    for _ in range(2):
        hosts.failed("a", "timeout", None)
    assert hosts.given_up("a") is None
    hosts.failed("a", "dns_error", None)
    assert hosts.given_up("a") == "dns_error"
    assert hosts.given_up("b") is None
