import pytest

from crawler.safety import is_private_literal, is_public


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "localhost", "a.localhost", "2130706433", "0x7f.1", "127.1", "0.0.0.0"),
        *("10.1.2.3", "192.168.0.1", "172.16.9.9", "169.254.169.254", "100.64.0.1"),
        *("::1", "::ffff:127.0.0.1", "fe80::1%eth0", "fd00::1", "224.0.0.1"),
    ],
)
def test_a_private_address_is_private_in_any_spelling(host):
    assert is_private_literal(host)


@pytest.mark.parametrize("host", ["example.org", "8.8.8.8", "2606:4700::1111", "", "1.2.3.4.5"])
def test_names_and_public_addresses_are_not_private(host):
    assert not is_private_literal(host)


def test_public_is_what_the_registries_call_global():
    assert is_public("8.8.8.8")
    assert not is_public("192.0.2.1")
