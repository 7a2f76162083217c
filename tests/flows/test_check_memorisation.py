"""What a model repeats of its training text is found, measured, marked and traced."""

import random
import re
from collections.abc import Sequence
from html import unescape
from pathlib import Path

import pytest

from corpus.shards import shard_name
from corpus.stage import StageWriter
from dedup.matches.spans import plain_words
from flows.commands.memorisation import memorisation
from flows.commands.options import console
from flows.recipe import Recipe
from flows.reports.gather_results import gather_results
from flows.reports.render_memorisation import PAGE, read_memorisation
from flows.settings import MemorisationConfig
from model.generation.sample import SAMPLES
from model.settings import ModelConfig, RunConfig
from tests.flows.small_corpora import document, document_id, write_corpus
from tests.flows.small_runs import write_run, write_word_tokens

URLS = [f"https://a{number}.example/" for number in range(8)]
HOSTILE = "<script>alert(1)</script>"

pytestmark = pytest.mark.usefixtures("prefect_server")


def text_of(number: int, num_words: int = 60) -> str:
    """Words that no other number's text has."""
    rng = random.Random(number)
    return " ".join(f"w{number}x{rng.randrange(10**6)}" for _ in range(num_words))


def recipe_for(num_samples: int) -> Recipe:
    return Recipe(name="mine", memorisation=MemorisationConfig(num_samples=num_samples))


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    """A corpus of eight documents, the last one held out, which quotes the first."""
    texts = [text_of(number) for number in range(len(URLS))]
    texts[-1] = f"{text_of(99, 30)} {' '.join(texts[0].split()[:30])}"
    rows = [document(url, text) for url, text in zip(URLS, texts, strict=True)]
    return write_corpus(tmp_path / "data", "corpus", rows)


@pytest.fixture
def run(tmp_path: Path, tokens: Path) -> Path:
    """A run without a model: what it wrote is there already."""
    folder = tmp_path / "data" / "runs" / "run"
    StageWriter("run", RunConfig(), {"tokens": tokens}, folder).finish(0)
    return folder


def check(run: Path, tokens: Path, texts: Sequence[str]) -> tuple[dict, str]:
    """The figures and the page of a run that wrote these texts."""
    # Not above: Prefect reads its settings, the server's address too, when it is imported.
    from flows.check_memorisation import GENERATED, check_memorisation
    from flows.run_stage import stage_folder

    data, recipe = run.parents[1], recipe_for(len(texts))
    update = {"prompts": (), **recipe.memorisation.model_dump()}
    config = recipe.sample.model_copy(update=update)
    output = stage_folder(GENERATED, config, {"run": run}, data)
    writer = StageWriter("samples", config, {"run": run}, output)
    rows = ({"prompt": "", "text": text} for text in texts)
    writer.write(shard_name("samples", 0), rows, SAMPLES)
    writer.finish(len(texts))
    folder = check_memorisation(recipe, run, tokens, data)
    return read_memorisation(folder), (folder / PAGE).read_text()


def test_a_copy_is_found_whole_and_traced_and_random_words_are_not_found(run: Path, tokens: Path):
    result, page = check(run, tokens, [text_of(77), text_of(3).upper()])
    samples = result["overlap"]["samples"]
    assert (samples["num_texts"], samples["without_any"]) == (2, 50)
    assert (samples["found"], samples["mean"], samples["median"]) == (50, 50, 50)
    assert result["cdf"]["samples"] == {"percent_found": [0, 100], "percent_texts": [50, 100]}

    [repeat] = result["repeats"]
    assert (repeat["sample"], repeat["num_words"]) == (1, 60)
    assert (repeat["document"], repeat["url"]) == (document_id(URLS[3]), URLS[3])
    assert repeat["pieces"] == [{"text": text_of(3).upper(), "is_found": True}]
    assert f"<mark>{text_of(3).upper()}</mark>" in page
    assert f'href="{URLS[3]}"' in page
    assert text_of(77) not in page


def test_held_out_documents_stand_beside_the_samples_and_the_paper_s_figures(
    run: Path, tokens: Path
):
    result, page = check(run, tokens, [text_of(77)])
    held_out = result["overlap"]["held out"]
    # 23 of its 53 8-grams lie in the 30 words that it quotes.
    assert (held_out["num_texts"], held_out["num_ngrams"]) == (1, 53)
    assert held_out["found"] == held_out["median"] == pytest.approx(100 * 23 / 53)
    assert result["overlap"]["samples"]["under_1"] == 100
    assert held_out["under_1"] == 0
    assert result["paper"]["held out"]["median"] == "2.6"
    assert "No text has 8 words in a row" in page


def test_the_words_that_are_repeated_are_marked_and_no_others(run: Path, tokens: Path):
    first, second = text_of(1).split()[5:20], text_of(2).split()[:9]
    text = f"So it began: {', '.join(first)}! Then, {' '.join(second)}; {HOSTILE} the end."
    result, page = check(run, tokens, [text, text_of(77)])
    [repeat] = result["repeats"]
    assert "".join(piece["text"] for piece in repeat["pieces"]) == text
    marked = [plain_words(p["text"]) for p in repeat["pieces"] if p["is_found"]]
    assert marked == [first, second]
    assert (repeat["num_words"], repeat["url"]) == (15, URLS[1])
    assert "<script" not in page
    assert HOSTILE in unescape(page)


def test_the_longest_repeats_come_first_and_ten_are_shown(run: Path, tokens: Path):
    texts = [" ".join(text_of(1).split()[: 8 + number]) for number in range(15)]
    result, page = check(run, tokens, texts)
    assert [each["num_words"] for each in result["repeats"]] == list(range(22, 12, -1))
    assert (result["num_repeating"], result["longest_words"]) == (15, 22)
    assert page.count('<div class="repeat">') == 10


def test_texts_shorter_than_an_ngram_are_counted_and_not_measured(run: Path, tokens: Path):
    result, _ = check(run, tokens, ["", "too short", text_of(77)])
    samples = result["overlap"]["samples"]
    assert (samples["num_texts"], samples["num_too_short"]) == (1, 2)
    assert "samples" not in check(run, tokens, [""])[0]["overlap"]


def test_the_page_needs_nothing_from_elsewhere(run: Path, tokens: Path):
    _, page = check(run, tokens, [text_of(3)])
    assert not re.search(r"(src=|@import|<link|<script|url\([^#])", page)


def test_the_report_of_the_run_shows_its_own_samples_still(run: Path, tokens: Path):
    before = gather_results(run)
    check(run, tokens, [text_of(3)])
    assert gather_results(run) == before


def test_a_model_s_own_texts_are_checked_and_a_second_time_nothing_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    data = tmp_path / "data"
    tokens = write_word_tokens(data)
    model = ModelConfig(block_size=32, n_layer=1, n_head=2, n_embd=16)
    write_run(data / "runs" / "run", tokens, RunConfig(model=model))
    monkeypatch.setattr(console, "width", 80)
    settings = ["memorisation.num_samples=3", "memorisation.max_new_tokens=60"]

    memorisation("run", data=data, workers=1, overrides=settings)
    printed = capsys.readouterr().out
    assert re.search(r"^samples +[123] .*\n  in the paper +over 30 +most *$", printed, re.MULTILINE)
    [page] = data.glob("memorisation/*/report.html")
    assert f"report: {page}" in printed.replace("\n", "")
    first = page.read_bytes()

    memorisation("run", data=data, workers=1, overrides=settings)
    printed = capsys.readouterr().out
    assert printed.count("done before") == 3
    assert page.read_bytes() == first
