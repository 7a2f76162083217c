"""Every kind of page in a real Chromium: readable by all, on a phone, in the dark; no request."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

from corpus.runtime import Runtime
from corpus.shards import read_rows
from corpus.stage import data_shards
from dedup.matches import stage as matches
from dedup.overlap import stage as overlap
from flows.corpora.summary import documents_of
from flows.reports.compare_scores import compare_scores, render_comparison
from flows.reports.render_difference import render_difference
from flows.reports.render_matches import render_matches
from flows.reports.render_memorisation import render_memorisation
from flows.reports.render_overlap import render_overlap
from flows.reports.render_report import render_report
from flows.reports.render_scaling import render_scaling
from flows.reports.render_scores import render_scores
from flows.scaling import stage as scaling
from flows.settings import ScalingConfig
from tests.flows.reports.small_reports import HOSTILE, Reported, write_trained

KINDS = (
    *("run", "corpus", "two_runs", "two_corpora", "scores", "comparison"),
    *("overlap", "matches", "memorisation", "scaling"),
)
PHONE, DESK = ViewportSize(width=390, height=844), ViewportSize(width=1280, height=900)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def pages(reported: Reported) -> dict[str, Path]:
    """A page of each kind."""
    data, tokens, run = reported.data, reported.tokens, reported.run
    scores = [data / "scores" / name for name in ("a", "b")]
    return {
        "scores": render_scores(scores[0]),
        "comparison": render_comparison(compare_scores(scores), data),
        **_texts_pages(reported),
        "scaling": _scaling_page(reported),
        "run": render_report(run),
        "corpus": render_report(tokens),
        "two_runs": render_difference(run, reported.other_run, data),
        "two_corpora": render_difference(tokens, reported.other_tokens, data),
    }


def _texts_pages(reported: Reported) -> dict[str, Path]:
    """What a search for the model's own texts finds, as two pages; and the corpus's overlap."""
    data, tokens, samples = reported.data, reported.tokens, reported.data / "samples" / "a"
    texts = samples / "texts.jsonl"
    rows = (row for shard in data_shards(samples) for row in read_rows(shard, ["text"]))
    texts.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    sources = {"tokens": tokens, "texts-000": texts}
    found, measured = data / "matches" / "m", data / "memorisation" / "m"
    config = matches.MatchesConfig(n=8, held_out_documents=0)
    matches.run(config, {**sources, "documents": documents_of(tokens)}, found, Runtime())
    index = data / "ngrams" / "a"
    overlap.run(overlap.OverlapConfig(), {**sources, "ngrams": index}, measured, Runtime())
    return {
        "matches": render_matches(found, documents_of(tokens)),
        "memorisation": render_memorisation(measured, reported.run, samples, found),
        "overlap": render_overlap(data / "overlap" / "a", tokens, found),
    }


def _scaling_page(reported: Reported) -> Path:
    data, tokens = reported.data, reported.tokens
    runs = {
        f"run-{i}": write_trained(data, tokens, f"size{i}", 1e-3, n_embd)
        for i, n_embd in enumerate((8, 16, 24))
    }
    folder = data / "scaling" / "s"
    config = ScalingConfig(eval_windows=4)
    scaling.run(config, {**runs, "tokens": tokens}, folder, Runtime())
    return render_scaling(folder, tokens)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if path is None:
        pytest.skip("needs Chromium: apt-get install chromium, or name one in CHROMIUM")
    with (
        sync_playwright() as playwright,
        # Root in a container has no sandbox; the pages are our own.
        playwright.chromium.launch(executable_path=path, args=["--no-sandbox"]) as launched,
    ):
        yield launched


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_is_accessible_in_light_and_dark_and_on_a_phone(
    kind: str, browser: Browser, pages: dict[str, Path]
):
    address = pages[kind].as_uri()
    context = browser.new_context(viewport=DESK)
    page = context.new_page()
    requests, said = _listen(page)
    page.goto(address)
    policy = page.locator('meta[http-equiv="Content-Security-Policy"]').get_attribute("content")
    assert "default-src 'none'" in (policy or "")
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for size in (DESK, PHONE):
            page.set_viewport_size(size)
            too_wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")
            assert not too_wide, f"{scheme}, {size['width']} px: the page scrolls sideways"
            found = Axe().run(page)
            assert found.violations_count == 0, found.generate_report()
    assert requests == [address]
    assert said == []
    context.close()


def test_nothing_that_a_page_of_the_web_said_has_run(browser: Browser, pages: dict[str, Path]):
    page = browser.new_page()
    requests, said = _listen(page)
    for kind in ("run", "corpus", "memorisation"):
        page.goto(pages[kind].as_uri())
        assert page.locator("script, img").count() == 0
        assert HOSTILE.rpartition("<script>")[0] in (page.locator("body").text_content() or "")
    assert len(requests) == 3
    assert said == []
    page.close()


def test_sections_fold_and_the_contents_lead_to_them(browser: Browser, pages: dict[str, Path]):
    page = browser.new_page(viewport=PHONE)
    page.goto(pages["run"].as_uri())
    for section in page.locator("details.section").all():
        heading = section.locator("summary").first
        assert section.get_attribute("open") is not None
        heading.click()
        assert section.get_attribute("open") is None
        heading.press("Enter")
        assert section.get_attribute("open") is not None
    dropped = page.locator("#rejected details").first
    dropped.locator("summary").click()
    assert dropped.locator("li").first.is_visible()
    page.get_by_role("link", name="Scores", exact=True).click()
    assert page.url.endswith("#scores")
    assert page.evaluate("document.querySelector('#scores').getBoundingClientRect().top") < 400
    page.close()


def test_the_dark_page_is_dark_and_its_charts_too(browser: Browser, pages: dict[str, Path]):
    page = browser.new_page(color_scheme="dark")
    page.goto(pages["run"].as_uri())
    colour = "each => getComputedStyle(each)"
    assert page.locator("body").evaluate(f"{colour}.backgroundColor") == "rgb(16, 21, 28)"
    assert page.locator("figure svg text").first.evaluate(f"{colour}.fill") == "rgb(229, 233, 240)"
    page.close()


def _listen(page: Page) -> tuple[list[str], list[str]]:
    """The requests of a page, and what it says on its console."""
    requests: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("dialog", lambda dialog: said.append(dialog.message))
    return requests, said
