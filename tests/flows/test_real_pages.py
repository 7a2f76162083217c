"""The whole pipeline on real input: two real dumps, 181 real pages, real benchmark files."""

import json
import shutil
import sqlite3
from pathlib import Path

import orjson
import pytest

from corpus.manifest import read_manifest
from corpus.shards import num_rows
from corpus.stage import count_rejects, data_shards
from dedup.overlap.summary import summarise
from evaluation.evaluate import score_table
from flows.corpora.catalog import find_corpus, finished
from flows.corpora.summary import corpus_hash, lineage

STAGES = ("links", "pages", "documents", "unique", "tokens", "overlap", "runs", "scores", "samples")

RECIPE = """
benchmarks = "{benchmarks}"
[links]
dumps = ["{dump}", "{reddit}/RS_2005-06.xz", "{reddit}/RS_2005-07.zst"]
partitions = 2
[crawl]
replay = "web"
per_host_delay_s = 0.0
per_host_concurrency = 4
[tokens]
vocab_size = 2_000
[model]
block_size = 64
n_layer = 2
n_head = 2
n_embd = 64
[train]
steps = 40
batch_size = 16
micro_batch_size = 16
lr = 3e-3
warmup_steps = 5
eval_every = 20
eval_windows = 64
[evaluate]
tasks = ["heldout", "lambada", "wikitext2"]
max_examples = 20
[sample]
max_new_tokens = 20
"""


def write_web(folder: Path, real_data: Path) -> list[str]:
    """The 181 pages under their real URLs, as a folder that the replay proxy answers from."""
    shutil.copytree(real_data / "web" / "html", folder / "html")
    truth = json.loads((real_data / "web" / "ground-truth.json").read_bytes())
    table = [
        {"url": page["url"].partition("#")[0], "file": f"html/{page_id}.html.gz"}
        for page_id, page in sorted(truth.items())
    ]
    lines = [orjson.dumps({**row, "content_type": "text/html"}) for row in table]
    (folder / "urls.ndjson").write_bytes(b"\n".join(lines))
    return [row["url"] for row in table]


def write_dump(path: Path, urls: list[str]) -> None:
    """A submission per page, each with a score of 3 or more, and as many with too low a score."""
    submissions = [
        {
            "id": f"p{index}{score}",
            "url": url,
            "score": score + index % 5,
            "created_utc": 1_500_000_000 + index,
            "subreddit": "news",
            "is_self": False,
            "over_18": False,
        }
        for index, url in enumerate(urls)
        for score in (3, -5)
    ]
    path.write_bytes(b"\n".join(map(orjson.dumps, submissions)))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_real_links_and_pages_become_a_scored_model(webtext, real_data: Path, tmp_path: Path):
    urls = write_web(tmp_path / "web", real_data)
    write_dump(tmp_path / "RS_pages.ndjson", urls)
    places = {
        "benchmarks": real_data / "benchmarks",
        "reddit": real_data / "reddit",
        "dump": tmp_path / "RS_pages.ndjson",
    }
    (tmp_path / "real.toml").write_text(RECIPE.format(**places))

    outcome = webtext("run", "real.toml")
    assert outcome.exit_code == 0, outcome.err

    data = tmp_path / "data"
    made = {stage: finished(data, stage)[-1][0] for stage in STAGES}
    check_funnel(made)
    check_that_nothing_vanished(made)
    check_results(made)
    check_records(data, corpus_hash(made["tokens"]))

    again = webtext("run", "real.toml")
    assert again.exit_code == 0, again.err
    assert [again.out.count(f"{stage}: done before") for stage in STAGES] == [1] * len(STAGES)
    assert find_corpus(data, corpus_hash(made["tokens"])[:6]) == made["tokens"]


def check_funnel(made: dict[str, Path]) -> None:
    counts = {stage: read_manifest(folder).counts for stage, folder in made.items()}
    # 181 pages twice, 103 + 1,079 real submissions; the latter give 833 links, as the test of the
    # links stage counts one by one.
    assert counts["links"].incoming == 2 * 181 + 103 + 1079
    assert counts["links"].out == 181 + 833
    assert counts["pages"].out == 181
    assert counts["pages"].rejects == {"http_404": 833}  # pages of 2005 that nobody archived
    assert counts["documents"].rejects["not_english"] >= 15  # 20 of the gold texts are not
    assert counts["documents"].out >= 155
    assert counts["unique"].out >= 145
    assert counts["tokens"].out == counts["unique"].out


def check_that_nothing_vanished(made: dict[str, Path]) -> None:
    """In = out + rejects, recounted from the shards and against the stage before."""
    before = {"pages": "links", "documents": "pages", "unique": "documents", "tokens": "unique"}
    for stage, folder in made.items():
        counts = read_manifest(folder).counts
        assert counts.incoming == counts.out + sum(counts.rejects.values()), stage
        assert counts.rejects == count_rejects(folder), stage
        if stage in before:
            rows = sum(num_rows(shard) for shard in data_shards(made[before[stage]]))
            assert counts.incoming == rows, stage


def check_results(made: dict[str, Path]) -> None:
    scores = {(row.task, row.metric): row.value for row in score_table(made["scores"])}
    assert {task for task, _ in scores} == {"heldout", "lambada", "wikitext2"}
    assert scores["heldout", "loss"] < 8
    overlap = {row.name: row for row in summarise(made["overlap"])}
    assert len(overlap) >= 4
    assert all(0 <= row.percent_found < 100 for row in overlap.values())
    report = (made["runs"] / "report.html").read_text()
    for text in ("http_404", "lambada", "wikitext2", "unigram_loss", "held-out split", "<svg"):
        assert text in report, text
    assert report.count("<blockquote>") == 3


def check_records(data: Path, corpus: str) -> None:
    """Prefect holds the flows and a table per stage; MLflow ties the runs by the corpus hash."""
    # Imported here: Prefect reads its settings on import, after the server is up.
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        flows = {flow.id: flow.name for flow in client.read_flows()}
        completed = [
            flows[run.flow_id]
            for run in client.read_flow_runs()
            if run.parameters.get("recipe", {}).get("name") == "real"
            and run.state_name == "Completed"
        ]
        tables = {artifact.key for artifact in client.read_artifacts()}
    names = ("build_corpus", "report_overlap", "train_model", "evaluate_model", "run_pipeline")
    assert sorted(completed) == sorted(names)
    assert tables >= set(STAGES)
    with sqlite3.connect(data / "mlflow" / "mlflow.db") as database:
        kinds = database.execute(
            "select kind.value from tags kind join tags hash using (run_uuid) "
            "where kind.key = 'kind' and hash.key = 'corpus_hash' and hash.value = ?",
            (corpus,),
        ).fetchall()
    assert sorted(kind for (kind,) in kinds) == ["corpus", "overlap", "scores", "train"]
    assert set(lineage(next(data.glob("scores/*")))) == {
        *("links", "pages", "documents", "unique", "tokens", "run", "scores")
    }
