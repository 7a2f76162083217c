"""Asks for known faults of the pinned versions: `python -m tests.stack.audit` (make audit)."""

import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import orjson
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.stack.compose_file import ROOT
from tests.stack.osv_server import serve_advisories

PINS = ROOT / "constraints.txt"
SECURITY = ROOT / "docs" / "security.md"
# A version with faults that each source of advisories knows: PYSEC-2018-28 and later ones.
_CANARY = "requests==2.19.0\n"
_ACCEPTED = re.compile(r"^\| `([\w-]+)` \| (\S+) \| (\d{4}-\d\d-\d\d) \|", re.MULTILINE)

Report = dict[str, Any]


class NotAskedError(Exception):
    """The source of advisories gave no answer, or has none to give."""


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


def accepted(today: date, text: str) -> set[str]:
    """The advisories that a text like docs/security.md accepts until a day that has not come."""
    rows = _ACCEPTED.findall(text)
    return {advisory for advisory, _, until in rows if date.fromisoformat(until) >= today}


def faults(report: Report) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Each package, its pinned version, and an advisory on it."""
    for package in report["dependencies"]:
        for each in package.get("vulns", []):
            yield package["name"], package["version"], each


def to_do(report: Report, allowed: dict[str, SpecifierSet], known: set[str]) -> list[str]:
    """What a raised pin mends: a fix is out, our caps allow it, and nobody accepted the risk."""
    lines = []
    for name, version, each in faults(report):
        cap = allowed.get(canonicalize_name(name), SpecifierSet())
        # An advisory names the fixes of older branches, too.
        newer = [fix for fix in each["fix_versions"] if Version(fix) > Version(version)]
        fixes = sorted(cap.filter(newer, prereleases=True), key=Version)
        if fixes and not {each["id"], *each["aliases"]} & known:
            lines.append(f"{name} {version}: {each['id']}, mended in {fixes[0]}")
    return lines


def unanswered(report: Report) -> list[str]:
    """The packages of which the source knows nothing, such as those that were taken back."""
    return [each["name"] for each in report["dependencies"] if "skip_reason" in each]


def ask(requirements: Path, *service: str) -> Report:
    """What pip-audit says of a file of pinned versions; no service named: PyPI is asked.

    Raises:
        NotAskedError: there was no answer, or on none of them.
    """
    words = ["--no-deps", "--disable-pip", "--format=json", "--progress-spinner=off"]
    asked = [*(service or ["--vulnerability-service=pypi"]), *words, "-r", str(requirements)]
    command = [sys.executable, "-m", "pip_audit", *asked]
    try:
        done = subprocess.run(command, capture_output=True, timeout=500)
    except subprocess.TimeoutExpired as exc:
        raise NotAskedError("no answer in 500 s") from exc
    try:
        report = orjson.loads(done.stdout)
    except orjson.JSONDecodeError as exc:
        raise NotAskedError(done.stderr.decode()[-200:].strip()) from exc
    if len(unanswered(report)) == len(report["dependencies"]):
        raise NotAskedError("nothing is known of any of the packages")
    return report


def ask_pypi(requirements: Path) -> Report:
    """The same of PyPI, after a look whether this index has advisories at all: mirrors have none.

    Raises:
        NotAskedError: it has none, or cannot be reached.
    """
    with tempfile.TemporaryDirectory() as folder:
        canary = Path(folder) / "canary.txt"
        canary.write_text(_CANARY)
        if not list(faults(ask(canary))):
            raise NotAskedError(f"the index has no advisories: none on {_CANARY.strip()}")
    return ask(requirements)


def ask_file(requirements: Path) -> Report:
    """The same of tests/stack/known_advisories.csv."""
    with serve_advisories() as url:
        return ask(requirements, "--vulnerability-service=osv", f"--osv-url={url}")


def main() -> None:
    """Say what is to be raised; exit 1 if anything is, or if PyPI could not be asked."""
    known = accepted(date.today(), SECURITY.read_text(encoding="utf-8"))
    reports, unasked = [ask_file(PINS)], ""
    try:
        reports.append(ask_pypi(PINS))
        print("PyPI was asked.")
        if missing := unanswered(reports[-1]):
            unasked = f"PyPI does not know the pinned versions of {', '.join(missing)}"
    except NotAskedError as exc:
        unasked = f"PyPI was NOT asked, only tests/stack/known_advisories.csv: {exc}"
    found = {line for report in reports for line in to_do(report, caps(), known)}
    left = {f"{name} {version}: {each['id']}" for r in reports for name, version, each in faults(r)}
    print("\n".join(f"known: {line}" for line in sorted(left)) or "No fault is known.")
    print("\n".join(f"raise: {line}" for line in sorted(found)) or "No pin is to be raised.")
    if unasked:
        print(unasked, file=sys.stderr)
    sys.exit(1 if found or unasked else 0)


if __name__ == "__main__":
    main()
