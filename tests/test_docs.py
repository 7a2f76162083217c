"""What the documents list must be what the code has."""

from pathlib import Path

from crawler.pages.outcomes import Reason

DOCS = Path(__file__).parents[1] / "docs"


def test_each_outcome_of_a_link_is_explained():
    text = (DOCS / "data-format.md").read_text(encoding="utf-8")
    missing = [r.code for r in Reason if f"| `{r.code}` | {r.meaning} |" not in text]
    assert not missing
