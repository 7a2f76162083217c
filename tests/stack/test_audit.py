"""Known vulnerabilities of the versions in constraints.txt, as far as PyPI can be asked."""

import re
import subprocess
import sys
import tomllib
from datetime import date
from pathlib import Path
from typing import Any

import orjson
import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from tests.stack.compose_file import ROOT

_ACCEPTED = re.compile(r"^\| `([\w-]+)` \| (\S+) \| (\d{4}-\d\d-\d\d) \|", re.MULTILINE)


def caps() -> dict[str, SpecifierSet]:
    """What pyproject.toml allows of each package it names."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [line for group in project["optional-dependencies"].values() for line in group]
    found: dict[str, SpecifierSet] = {}
    for line in [*project["dependencies"], *extras]:
        asked = Requirement(line)
        name = canonicalize_name(asked.name)
        found[name] = found.get(name, SpecifierSet()) & asked.specifier
    return found


def accepted(today: date) -> set[str]:
    """The advisories that docs/security.md accepts until a day that has not come."""
    text = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    rows = _ACCEPTED.findall(text)
    return {advisory for advisory, _, until in rows if date.fromisoformat(until) >= today}


def to_do(report: dict[str, Any], allowed: dict[str, SpecifierSet], known: set[str]) -> list[str]:
    """What a raised pin mends: a fix is out, our caps allow it, and nobody accepted the risk."""
    lines = []
    for package in report["dependencies"]:
        cap = allowed.get(canonicalize_name(package["name"]), SpecifierSet())
        for each in package.get("vulns", []):
            fixes = [version for version in each["fix_versions"] if version in cap]
            if fixes and not {each["id"], *each["aliases"]} & known:
                lines.append(
                    f"{package['name']} {package['version']}: {each['id']}, mended in {fixes[0]}"
                )
    return lines


@pytest.mark.slow
def test_no_pinned_version_has_a_known_fault_that_a_newer_one_mends():
    words = ["--vulnerability-service=pypi", "--no-deps", "--disable-pip", "--format=json"]
    command = [sys.executable, "-m", "pip_audit", *words, "-r", str(ROOT / "constraints.txt")]
    done = subprocess.run(command, capture_output=True, timeout=200)
    try:
        report = orjson.loads(done.stdout)
    except orjson.JSONDecodeError:
        pytest.skip(f"PyPI cannot be asked: {done.stderr.decode()[-200:].strip()}")
    if all("skip_reason" in package for package in report["dependencies"]):
        pytest.skip("PyPI knows none of the packages: this index has no advisories")
    mend = to_do(report, caps(), accepted(date.today()))
    assert not mend, "raise these in constraints.txt, or accept them in docs/security.md: " + str(
        mend
    )


REPORT = {
    "dependencies": [
        {"name": "whole", "version": "1", "vulns": []},
        {"name": "unknown", "skip_reason": "not found"},
        {
            "name": "Pyarrow",
            "version": "25.0.1",
            "vulns": [
                {"id": "PYSEC-1", "aliases": ["CVE-1"], "fix_versions": ["25.0.2", "26.0"]},
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


def test_what_is_accepted_is_accepted_until_a_day(tmp_path: Path, monkeypatch):
    (tmp_path / "docs").mkdir()
    row = "| `GHSA-abcd-1234` | requests | 2026-05-01 | not reached: no proxy is used |\n"
    (tmp_path / "docs" / "security.md").write_text(row)
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    assert accepted(date(2026, 5, 1)) == {"GHSA-abcd-1234"}
    assert accepted(date(2026, 5, 2)) == set()


def test_all_pins_are_exact():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert not [line for line in lines if not line.startswith("#") and "==" not in line]
