"""Extraction, dedup and tokenising on Ray make the bytes that processes make."""

from pathlib import Path

import pytest

from corpus.runtime import Runtime
from corpus.tokens import stage as tokens
from crawler.documents import stage as documents
from crawler.pages import stage as pages
from dedup.unique import stage as unique
from tests.crawler.documents.small_pages import page
from tests.crawler.small_webs import FAST, write_links, write_web
from tests.flows.test_contamination import article

pytest.importorskip("ray")

from corpus.ray_runner import RayRunner

URLS = [f"http://old{number:02}.com/" for number in range(12)]
EXTRACT = documents.ExtractConfig(pages_per_shard=4)
TOKENS = tokens.TokensConfig(vocab_size=300, val_fraction=0.3, split_by="document")


def hashes_of_stages(sources: dict[str, Path], output: Path, runtime: Runtime) -> list[str]:
    texts, kept = output / "documents", output / "unique"
    manifests = (
        documents.run(EXTRACT, sources, texts, runtime),
        unique.run(unique.DedupConfig(), {"documents": texts}, kept, runtime),
        tokens.run(TOKENS, {"documents": kept}, output / "tokens", runtime),
    )
    assert [manifest.counts.out for manifest in manifests] == [len(URLS)] * 3
    return [manifest.hash for manifest in manifests]


@pytest.mark.slow
def test_documents_unique_and_tokens_are_those_of_processes(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    links = write_links(tmp_path / "links", URLS[:6], URLS[6:])
    web = [{"url": url, "body": page(*article(n)).decode()} for n, url in enumerate(URLS)]
    replay = write_web(tmp_path / "web", web)
    pages.run(FAST, {"links": links, "replay": replay}, tmp_path / "pages", Runtime())
    sources = {"links": links, "pages": tmp_path / "pages"}
    alone = hashes_of_stages(sources, tmp_path / "alone", Runtime())
    with RayRunner(tmp_path, workers=2) as runner:
        on_ray = hashes_of_stages(sources, tmp_path / "ray", Runtime(workers=2, runner=runner))
    assert on_ray == alone
