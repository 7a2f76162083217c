"""Near-duplicates of real pages are found, and nothing else is dropped."""

from benchmarks.edited_pages import article_texts, edited_texts, shingle_set
from corpus.runtime import Runtime
from corpus.shards import read_rows
from dedup.unique.stage import DedupConfig, run

SHARES = (0.005, 0.02, 0.1, 0.2, 0.45)
NUM_PAGES = 14


def test_recall_and_precision_against_brute_force_on_edited_real_pages(
    real_data, make_documents, new_document, tmp_path
):
    config = DedupConfig()
    texts = article_texts(real_data)
    pages = texts[:: len(texts) // NUM_PAGES]
    documents, truth = [], {}
    for page, text in enumerate(pages):
        survivors: dict[str, set] = {}
        for i, edited in enumerate(edited_texts(text, page, SHARES)):
            row = new_document(f"http://{page:03}.org/{i:03}", edited.text, day=page)
            documents.append(row)
            mine = shingle_set(edited.text, config.n)
            alike = {k: len(mine & s) / len(mine | s) for k, s in survivors.items()}
            best = max(alike, key=lambda key: alike[key], default=None)
            if best is not None and alike[best] >= config.near_threshold:
                truth[row["id"]] = alike
            else:
                survivors[row["id"]] = mine
    folder = make_documents("in", [documents[::-3], documents[-2::-3], documents[-3::-3]])
    manifest = run(config, {"documents": folder}, tmp_path / "out", Runtime())
    rows = [row for path in (tmp_path / "out").glob("rejects-*") for row in read_rows(path)]
    dropped = {row["key"]: row for row in rows}
    assert manifest.counts.incoming == len(documents) > 500
    assert len(truth) > 150
    hits = truth.keys() & dropped.keys()
    assert len(hits) >= 0.95 * len(truth)
    assert len(hits) >= 0.99 * len(dropped)
    # What is dropped names a survivor, and by how much they are alike.
    for key in sorted(hits):
        if dropped[key]["reason"] == "near_duplicate":
            survivor, similarity = dropped[key]["detail"].split()
            assert abs(truth[key].get(survivor, 2.0) - float(similarity)) < 0.002
