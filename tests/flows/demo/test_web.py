"""The demo's web: real pages from the packages beside us, the same ones every time."""

import importlib
import shutil
from collections import Counter
from pathlib import Path

import orjson
import pytest
import trafilatura
import zstandard

from corpus.manifest import Manifest
from corpus.runtime import Runtime
from corpus.shards import read_rows
from flows.demo.docs import Block, to_blocks
from flows.demo.web import DemoWebConfig, run

PROSE = (
    "Opens the valve of the tank and lets the water run until the gauge reads what was asked for. "
    "The pump may be running or not, and nobody has to stand beside it while this goes on."
)


def module_source(name: str, num_functions: int) -> str:
    functions = (
        f'def {name}_{n}(level={n}):\n    """{PROSE}\n\n    Number {n} of {name}.\n    """\n\n'
        for n in range(num_functions)
    )
    return f'"""What {name} is for.\n\n{PROSE}\n"""\n\n{"".join(functions)}'


def install(site: Path, package: str, num_modules: int) -> None:
    """A fake installed distribution: modules, metadata and RECORD."""
    files = {f"{package}/m{n}.py": module_source(f"{package}{n}", 12) for n in range(num_modules)}
    files[f"{package}/small.py"] = '"""Too little."""\n'
    files[f"{package}/code.py"] = '"""Examples.\n\n' + ">>> print(1)\n" * 400 + '"""\n'
    files[f"{package}/broken.py"] = module_source("broken", 12) + "def broken(:\n"
    files[f"{package}/code/__init__.py"] = module_source("beside", 12)  # of code.py's name
    files["README.py"] = module_source("readme", 12)
    files[f"{package}/tests/test_m.py"] = module_source("tests", 12)
    info = f"{package}-1.5.dist-info"
    files[f"{info}/METADATA"] = f"Name: {package}\nVersion: 1.5\n\n# {package}\n\n" + PROSE * 12
    for path, text in files.items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_text(text)
    record = "".join(f"{path},,{len(text)}\n" for path, text in files.items())
    (site / info / "RECORD").write_text(record + "../../outside.py,,5000\n")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site-packages")
    for package, num_modules in (("alpha", 30), ("beta", 25), ("gamma", 3)):
        install(folder, package, num_modules)
    (folder.parent / "outside.py").write_text(module_source("outside", 30))
    return folder


@pytest.fixture(scope="module")
def web(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("web")
    make(site, output)
    return output


def make(site: Path, output: Path, workers: int = 1, **fields: object) -> Manifest:
    config = DemoWebConfig.model_validate({"packages": site, "num_hosts": 2, **fields})
    return run(config, {}, output, Runtime(workers=workers))


def addresses(web: Path) -> dict[str, dict]:
    lines = (web / "urls.ndjson").read_bytes().splitlines()
    return {row["url"]: row for row in map(orjson.loads, lines)}


def submissions(web: Path) -> list[dict]:
    packed = (web / "dump/RS_demo.zst").read_bytes()
    return [orjson.loads(line) for line in zstandard.decompress(packed).splitlines()]


def content(web: Path) -> dict[str, bytes]:
    paths = (path for path in web.rglob("*") if path.is_file() and path.name != "manifest.json")
    return {path.relative_to(web).as_posix(): path.read_bytes() for path in paths}


def test_pages_are_articles_with_navigation_around_them(web: Path):
    answer = addresses(web)["https://alpha.example/reference/alpha/m1.html"]
    page = (web / answer["file"]).read_bytes()
    assert b"<nav" in page
    text = trafilatura.extract(page, favor_precision=True) or ""
    assert text.count("lets the water run") >= 1
    assert "Number 11 of alpha1." in text
    assert "Search the docs" not in text
    assert "Privacy" not in text


def test_every_file_that_is_answered_exists_and_every_page_is_linked(web: Path):
    known = addresses(web)
    assert all((web / row["file"]).is_file() for row in known.values() if "file" in row)
    linked = {row["url"].split("?")[0].split("#")[0] for row in submissions(web)}
    pages = {url for url in known if not url.endswith("/robots.txt")}
    assert pages <= linked


def test_each_oddity_of_the_real_web_is_there(web: Path):
    rows = addresses(web).values()
    assert {"/drafts/" in row["url"] for row in rows} == {True, False}
    assert {row.get("status") for row in rows} >= {200, 301, 302, 404}
    assert [row["url"] for row in rows if row.get("endless")] == ["https://endless.example/log"]
    assert "application/zip" in {row.get("content_type") for row in rows}
    assert any("docs-mirror.example" in row["url"] for row in rows)
    assert any("/1.0/" in row["url"] for row in rows)
    hosts = {row["url"].split("/")[2] for row in rows}
    assert {f"https://{host}/robots.txt" for host in hosts - {"docs-mirror.example"}} <= set(
        addresses(web)
    )


def test_the_dump_is_like_the_real_ones(web: Path):
    posts = submissions(web)
    assert len({post["id"] for post in posts}) == len(posts)
    assert [post["created_utc"] for post in posts] == sorted(p["created_utc"] for p in posts)
    low = sum(post["score"] < 3 for post in posts)
    assert 0 < low < len(posts) / 4
    assert any("wikipedia.org" in post["url"] for post in posts)
    assert any("&amp;" in post["url"] or "utm_source" in post["url"] for post in posts)


def test_every_module_is_counted(site: Path, tmp_path: Path):
    manifest = make(site, tmp_path / "web")
    reasons = {row["key"]: row["reason"] for row in read_rows(tmp_path / "web/rejects-00000.arrow")}
    assert reasons["alpha:alpha.broken"] == "unreadable"
    assert reasons["alpha:alpha.code"] == "too_little_text"
    assert reasons["alpha:alpha.small"] == "not_chosen"
    assert reasons["gamma:gamma.m0"] == "not_chosen"  # not among the two largest packages
    assert not any("outside" in key or "tests" in key for key in reasons)
    assert manifest.counts.incoming == 3 * 4 + 30 + 25 + 3
    assert manifest.counts.out == 30 + 25 + 2
    assert manifest.figures["num_hosts"] == 2
    assert make(site, tmp_path / "few", num_pages=10).counts.out <= 10


def test_the_web_depends_on_neither_workers_nor_an_earlier_run_that_was_killed(
    site: Path, web: Path, tmp_path: Path
):
    shutil.copytree(web, tmp_path / "again")
    (tmp_path / "again/manifest.json").unlink()
    (tmp_path / "again/urls.ndjson").unlink()
    (tmp_path / "again/pages/00003").write_text("half")
    make(site, tmp_path / "again", workers=2)
    assert content(tmp_path / "again") == content(web)


def test_other_packages_or_another_seed_make_another_web(site: Path, web: Path, tmp_path: Path):
    config = DemoWebConfig(packages=site)
    assert config.identity() == DemoWebConfig(packages=site).identity()
    assert config.identity() != DemoWebConfig(packages=tmp_path).identity()
    make(site, tmp_path / "other", seed=1)
    assert content(tmp_path / "other") != content(web)


def test_docstrings_of_every_common_kind_become_blocks():
    text = """Sum of `x`.

    See :func:`~math.fsum` and [the guide](http://a.example/guide)::

        total(x)

    Parameters
    ----------
    x : list of int
        What to sum,
        in order.

    .. note:: Slow.

    .. code-block:: python

        print(x)

    :param y: The other.
    :returns: A number.

    Result
    ~~~~~~

    >>> total([1])
    1
    """
    blocks = to_blocks(text)
    assert Counter(block.kind for block in blocks) == {
        "paragraph": 3,
        "code": 3,
        "heading": 2,
        "list": 2,
    }
    assert Block("paragraph", ("See math.fsum and the guide:",)) in blocks
    assert Block("list", ("x : list of int: What to sum, in order.",)) in blocks
    assert Block("list", ("y: The other.", ": A number.")) in blocks


def test_the_web_is_the_same_whatever_else_was_imported(site: Path, tmp_path: Path):
    expected = make(site, tmp_path / "before")
    importlib.import_module("importlib_metadata")  # changes what `Distribution.metadata` holds
    assert make(site, tmp_path / "after").hash == expected.hash
