"""Known vulnerabilities of the versions in constraints.txt."""

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from urllib.request import Request, urlopen

import orjson
import pytest
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from tests.stack.audit import (
    PINS,
    SECURITY,
    NotAskedError,
    accepted,
    ask,
    ask_file,
    ask_pypi,
    caps,
    faults,
    to_do,
)
from tests.stack.osv_server import read_advisories, serve_advisories

ADVISORIES = read_advisories()
RAISE = "raise these in constraints.txt, or accept them in docs/security.md"


@pytest.fixture(scope="module")
def osv() -> Iterator[str]:
    with serve_advisories() as url:
        yield url


def ids(osv: str, package: str, version: str) -> set[str]:
    """The advisories that the server has on it."""
    query = {"package": {"name": package, "ecosystem": "PyPI"}, "version": version}
    with urlopen(Request(osv, orjson.dumps(query)), timeout=10) as answer:
        return {each["id"] for each in orjson.loads(answer.read()).get("vulns", ())}


def test_no_pinned_version_has_a_fault_of_the_file_that_a_newer_one_mends():
    report = ask_file(PINS)
    text = SECURITY.read_text(encoding="utf-8")
    mend = to_do(report, caps(), accepted(date.today(), text))
    assert not mend, f"{RAISE}: {mend}"
    explained = accepted(date.min, text)
    for name, version, each in faults(report):
        found = f"{name} {version}: {each['id']}"
        assert {each["id"], *each["aliases"]} & explained, f"docs/security.md: why not {found}"


@pytest.mark.slow
def test_no_pinned_version_has_a_fault_known_to_pypi_that_a_newer_one_mends():
    try:
        report = ask_pypi(PINS)
    except NotAskedError as exc:
        pytest.skip(f"PyPI cannot be asked: {exc}")
    mend = to_do(report, caps(), accepted(date.today(), SECURITY.read_text(encoding="utf-8")))
    assert not mend, f"{RAISE}: {mend}"


def test_faulty_pins_are_found_with_the_version_to_go_to(tmp_path: Path):
    faulty = {
        "lxml==6.0.2": "lxml 6.0.2: PYSEC-2026-87, mended in 6.1.0",
        "protobuf==6.33.4": "protobuf 6.33.4: CVE-2026-0994, mended in 6.33.5",
        "pyarrow==23.0.0": "pyarrow 23.0.0: CVE-2026-25087, mended in 23.0.1",
        "Scrapy==2.16.0": "scrapy 2.16.0: CVE-2026-84366, mended in 2.17.0",
        "starlette==1.0.0": "starlette 1.0.0: CVE-2026-48710, mended in 1.0.1",
        "torch==2.12.1": "torch 2.12.1: CVE-2025-3000, mended in 2.13.0",
    }
    pins = tmp_path / "constraints.txt"
    pins.write_text("\n".join(faulty) + "\n")
    mend = to_do(ask_file(pins), {}, set())
    assert set(faulty.values()) <= set(mend)
    # Scrapy's oldest one is mended nowhere; fixes of older branches mend nothing.
    assert not [line for line in mend if "2017" in line or "5.29.6" in line]


def test_mended_versions_are_found_without_a_fault(tmp_path: Path):
    pins = tmp_path / "constraints.txt"
    pins.write_text("lxml==6.1.0\nprotobuf==6.33.5\npyarrow==23.0.1\n")
    assert not list(faults(ask_file(pins)))


def test_a_range_begins_at_its_first_version_and_ends_before_the_mended_one(osv: str):
    for row in ADVISORIES:
        assert row.id in ids(osv, row.package, row.introduced), row
        if row.fixed:
            assert row.id in ids(osv, row.package, f"{row.fixed}.dev0"), row
            assert row.id not in ids(osv, row.package, row.fixed), row


def test_a_source_that_does_not_answer_is_no_clean_bill():
    with pytest.raises(NotAskedError):
        ask(PINS, "--vulnerability-service=osv", "--osv-url=http://127.0.0.1:9/v1/query")


def test_rows_are_well_formed_and_name_packages_that_we_pin():
    pinned = {canonicalize_name(line.partition("==")[0]) for line in lines_of_pins()}
    known = re.compile(r"PYSEC-\d{4}-\d+|CVE-\d{4}-\d{4,}|GHSA(-[2-9cfghjmpqrvwx]{4}){3}")
    for row in ADVISORIES:
        assert row.package in pinned, f"{row.package} is pinned no more: take its rows out"
        assert all(known.fullmatch(each) for each in (row.id, *row.aliases)), row
        assert row.source.startswith("https://")
        assert not row.checked or date.fromisoformat(row.checked)
    keys = [(row.package, row.id, row.introduced) for row in ADVISORIES]
    assert len(set(keys)) == len(keys)


def lines_of_pins() -> list[str]:
    return [line for line in PINS.read_text().splitlines() if not line.startswith("#")]


def test_all_pins_are_exact():
    assert not [line for line in lines_of_pins() if "==" not in line]


REPORT = {
    "dependencies": [
        {"name": "whole", "version": "1", "vulns": []},
        {
            "name": "Pyarrow",
            "version": "25.0.1",
            "vulns": [
                {"id": "PYSEC-1", "aliases": ["CVE-1"], "fix_versions": ["24.0.2", "25.0.2", "26"]},
                {"id": "PYSEC-2", "aliases": [], "fix_versions": ["26.0"]},
                {"id": "PYSEC-3", "aliases": [], "fix_versions": []},
            ],
        },
    ]
}


def test_only_what_can_be_mended_is_to_be_done():
    (line,) = to_do(REPORT, {"pyarrow": SpecifierSet("<26")}, set())
    assert line == "Pyarrow 25.0.1: PYSEC-1, mended in 25.0.2"
    assert to_do(REPORT, {"pyarrow": SpecifierSet("<26")}, {"CVE-1"}) == []


def test_what_is_accepted_is_accepted_until_a_day():
    row = "| `GHSA-abcd-1234` | requests | 2026-05-01 | not reached: no proxy is used |\n"
    assert accepted(date(2026, 5, 1), row) == {"GHSA-abcd-1234"}
    assert accepted(date(2026, 5, 2), row) == set()
