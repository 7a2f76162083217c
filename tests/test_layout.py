"""Guards that generic package names need; each failure says what to do."""

import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("corpus", "crawler", "dedup", "model", "evaluation", "flows", "benchmarks")


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_is_this_checkout_s(package: str):
    found = Path(importlib.import_module(package).__file__ or "").parent
    assert found == ROOT / package, f"another distribution shadows {package}: uninstall it"


def test_no_flow_is_named_like_a_package():
    names = {path.stem for path in (ROOT / "flows").glob("*.py")}
    assert not names & set(PACKAGES), "name a flow file verb_noun"


def test_tests_have_no_init_files():
    assert not list((ROOT / "tests").rglob("__init__.py")), "remove it: tests run with importlib"


@pytest.mark.parametrize("package", PACKAGES)
def test_files_are_short(package: str):
    long = {
        path.name: count
        for path in (ROOT / package).rglob("*.py")
        if (count := len(path.read_text(encoding="utf-8").splitlines())) > 300
    }
    assert not long, "one file, one idea: split it"


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_s_init_is_one_docstring(package: str):
    for path in (ROOT / package).rglob("__init__.py"):
        lines = path.read_text(encoding="utf-8").splitlines()
        assert len(lines) == 1, f"{path} holds more than a docstring"
