"""A takedown: what was asked for is gone everywhere, and nothing else is touched."""

import fcntl
from pathlib import Path

import pytest

from corpus.atomic import write_bytes
from corpus.errors import UsageError, WebtextError
from corpus.manifest import is_withdrawn, read_manifest, read_record
from corpus.runtime import Runtime
from corpus.schema import DOCUMENTS, LINEAGE
from corpus.settings import Section
from corpus.shards import read_rows, shard_name, write_shard
from corpus.stage import StageWriter, data_shards
from crawler.documents.stage import document_id
from crawler.links.rules import Rules, RulesConfig
from tests.flows.takedown.takedown_corpus import (
    COPY_URL,
    DEAD_URL,
    SECRET,
    SECRET_URL,
    corpora,
    document,
    documents_of,
    files_with,
    inodes,
    make_data,
    number_of,
    tokenizer_of,
    urls_in,
    write_tokens,
    write_unique,
    written_anew,
)

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


def check_gone(data: Path, take_down) -> None:
    tokenizer = tokenizer_of(data)
    found = files_with(data, SECRET, tokenizer)
    stages = {place.partition("/")[0] for place in found}
    kinds = {place.rpartition(" ")[2] for place in found}
    assert stages == {"pages", "documents", "unique", "tokens"}, "the search finds what is there"
    assert kinds == {"column", "inflated", "decoded", "ids"}
    number = number_of(SECRET_URL, data / "unique" / "u1")
    copy_number = number_of(COPY_URL, data / "documents" / "d1")
    before = inodes(data)

    take_down([SECRET_URL], data)

    assert files_with(data, SECRET, tokenizer) == set()
    after = inodes(data)
    kinds = ("documents", "lineage", "rejects")
    both = {f"{kind}-{n}.arrow" for kind in kinds for n in (number, copy_number)}
    assert written_anew(before, after, "documents") == both
    # The copy was dropped there: only its row among the rejects changes.
    mine = {f"documents-{number}.arrow", f"rejects-{number}.arrow", f"rejects-{copy_number}.arrow"}
    assert written_anew(before, after, "unique") == mine
    tokens = written_anew(before, after, "tokens")
    assert f"rejects-{number}.arrow" in tokens
    assert len(tokens) == 2
    assert tokens <= {f"{kind}-{number}.arrow" for kind in ("rejects", "train", "val")}
    assert len([name for name in written_anew(before, after, "pages") if "warc" in name]) <= 2


def test_a_text_is_gone_from_every_byte_and_only_its_shards_are_written_anew(data, take_down):
    check_gone(data, take_down)


@pytest.mark.slow
def test_the_same_of_a_hundred_shards(tmp_path, take_down):
    check_gone(make_data(tmp_path / "data", 200, 100), take_down)


def test_the_new_version_is_whole_and_the_old_one_says_what_took_its_place(data, take_down):
    from flows.corpora.catalog import find_corpus, verify_lineage
    from flows.corpora.summary import corpus_hash

    old, old_hash = data / "tokens" / "t1", corpus_hash(data / "tokens" / "t1")
    done = take_down([SECRET_URL], data)
    (new,) = corpora(data)
    assert done.corpora == [(old_hash, corpus_hash(new))]
    assert find_corpus(data, corpus_hash(new)) == new
    assert verify_lineage(new)[0] > 0
    assert SECRET_URL not in documents_of(new)
    assert len(documents_of(new)) == 38
    assert is_withdrawn(old)
    assert read_record(old).replaced_by == new.name
    assert read_manifest(new).replaces == old.name
    with pytest.raises(UsageError, match="was withdrawn by a takedown") as caught:
        find_corpus(data, old_hash)
    assert corpus_hash(new) in caught.value.hint
    with pytest.raises(WebtextError, match="was withdrawn"):
        verify_lineage(old)


def test_counts_and_figures_are_those_of_what_is_left(data, take_down):
    take_down([SECRET_URL, DEAD_URL], data)
    (tokens,) = corpora(data)
    manifest = read_manifest(tokens)
    assert manifest.counts.incoming == 39
    assert manifest.counts.rejects == {"takedown": 1}
    rows = {s: list(data_shards(tokens, s)) for s in ("train", "val")}
    num = {s: sum(len(list(read_rows(p, ["id"]))) for p in paths) for s, paths in rows.items()}
    assert manifest.figures["num_train_documents"] == num["train"]
    assert manifest.figures["num_val_documents"] == num["val"]
    pages = [f for f in (data / "pages").iterdir() if not is_withdrawn(f)]
    assert read_manifest(pages[0]).counts.rejects == {"takedown": 3}


def test_a_takedown_leaves_nothing_to_take_down(data, take_down, plan):
    take_down([SECRET_URL], data)
    before = inodes(data)
    again = plan(data, [SECRET_URL])
    assert again.is_empty
    assert again.entries == []
    assert take_down([SECRET_URL], data).corpora == []
    after = inodes(data)
    # The list is written again, with the same bytes.
    assert {p: i for p, i in after.items() if "/" in p} == {
        p: i for p, i in before.items() if "/" in p
    }


def test_later_builds_obey_the_list_and_comments_in_it_stay(data, take_down):
    listed = data / "takedown.txt"
    listed.write_text("# by mail\nelsewhere.org  # in May")
    take_down([SECRET_URL, f"{SECRET_URL}/", "other.org # in June"], data)
    assert listed.read_text() == (
        f"# by mail\nelsewhere.org  # in May\n{SECRET_URL}\nother.org # in June\n"
    )
    rejection = Rules(RulesConfig(), listed).reject_url(SECRET_URL.replace("http:", "https:"))
    assert rejection
    assert (rejection.reason, rejection.detail) == ("takedown", "takedown.txt:3")


@pytest.mark.parametrize(
    ("entry", "gone"),
    [
        ("https://www.host2.example/page/12/", {SECRET_URL}),
        ("host2.example", {f"http://host2.example/page/{n}" for n in (2, 12, 22, 32)}),
        ("http://host2.example/page/2*", {f"http://host2.example/page/{n}" for n in (2, 22)}),
        (COPY_URL, set()),
    ],
    ids=["a variant", "a domain", "a prefix", "a dropped copy"],
)
def test_an_entry_takes_what_it_names(data, plan, entry, gone):
    found = plan(data, [entry])
    before = documents_of(data / "tokens" / "t1")
    assert {url for url in before if url in found.concerned.gone} == gone


def test_a_copy_goes_with_its_survivor_and_a_survivor_is_named(data, plan):
    found = plan(data, [SECRET_URL]).concerned
    assert found.copies == {COPY_URL: document_id(SECRET_URL)}
    assert found.gone[COPY_URL] == f"takedown.txt:1 copy of {document_id(SECRET_URL)}"
    found = plan(data, [COPY_URL]).concerned
    assert found.survivors == {SECRET_URL}
    assert SECRET_URL not in found.gone


def test_what_is_in_no_corpus_is_put_on_the_list_and_changes_nothing_else(data, take_down):
    before = inodes(data)
    done = take_down(["https://nowhere.example/"], data)
    assert done.plan.is_empty
    assert (data / "takedown.txt").read_text() == "https://nowhere.example/\n"
    after = inodes(data)
    assert {path for path in after if not path.startswith(".")} - before.keys() == {"takedown.txt"}


def test_an_entry_that_is_none_is_refused_before_anything_is_done(data, plan):
    with pytest.raises(UsageError, match="cannot be taken down"):
        plan(data, ["ftp://host2.example/page"])
    assert not (data / "takedown.txt").exists()


def test_two_corpora_of_the_same_documents_both_get_a_new_version(data, take_down):
    other = write_unique(data, data / "documents" / "d1", {COPY_URL: SECRET_URL}, "u2")
    decontaminated = StageWriter(
        "decontaminated", Section(), {"documents": other}, data / "decontaminated" / "c2"
    )
    for index, shard in enumerate(data_shards(other)):
        rows = [row for row in read_rows(shard) if row["url"] != SECRET_URL]
        if len(rows) < len(list(read_rows(shard))):
            rows += [
                document(SECRET_URL, f"{SECRET} {n}") | {"id": f"{document_id(SECRET_URL)}-{n}"}
                for n in (1, 2)
            ]
        decontaminated.write(shard_name("documents", index), rows, DOCUMENTS)
    decontaminated.finish(39, num_out=39)
    write_tokens(data, decontaminated.output, "t2")
    take_down([SECRET_URL], data)
    assert len(corpora(data)) == 2
    assert all(SECRET_URL not in documents_of(tokens) for tokens in corpora(data))
    assert files_with(data, SECRET, tokenizer_of(data)) == set()
    (pieces,) = [f for f in (data / "decontaminated").iterdir() if not is_withdrawn(f)]
    counts = read_manifest(pieces).counts
    assert (counts.incoming, counts.out, counts.rejects) == (39, 38, {"takedown": 1})


def test_an_index_is_made_anew_and_what_quotes_the_corpus_goes(data, take_down, mlflow_uri):
    from mlflow import MlflowClient

    from dedup.overlap import index
    from flows.corpora.catalog import finished
    from flows.corpora.summary import corpus_hash
    from model.tracking.tracker import MLflowTracker

    tokens, old_hash = data / "tokens" / "t1", corpus_hash(data / "tokens" / "t1")
    sources = {"documents": data / "unique" / "u1", "tokens": tokens}
    config = index.NgramsConfig(n=3, error_rate=1e-4)
    index.run(config, sources, data / "ngrams" / "n1", Runtime())
    inputs = {"ngrams": data / "ngrams" / "n1", "tokens": tokens}
    measured = StageWriter("overlap", Section(), inputs, data / "overlap" / "o1")
    measured.finish(0)
    report = data / "overlap" / "o1" / "report.html"
    run = StageWriter("run", Section(), {"tokens": tokens}, data / "runs" / "r1")
    run.finish(0)
    for path in (report, data / "runs" / "r1" / "report.html", tokens / "README.md"):
        path.write_text(SECRET)
    MLflowTracker(mlflow_uri).record_run("matches o1", {"corpus_hash": old_hash}, {}, {}, [report])

    done = take_down([SECRET_URL], data)

    assert files_with(data, SECRET) == set()
    (made,) = [manifest for _, manifest in finished(data, "ngrams")]
    assert made.config == config.model_dump()
    assert made.inputs["tokens"].hash == read_manifest(corpora(data)[0]).hash
    assert read_record(data / "ngrams" / "n1").replaced_by == finished(data, "ngrams")[0][0].name
    assert is_withdrawn(data / "overlap" / "o1")
    assert done.corpora[0][1] in (corpora(data)[0] / "README.md").read_text()
    assert done.plan.runs == [data / "runs" / "r1"]
    assert read_manifest(data / "runs" / "r1"), "the model stays"
    client = MlflowClient(mlflow_uri)
    runs = client.search_runs(["1"], f"tags.corpus_hash = '{old_hash}'")
    assert [file for each in runs for file in client.list_artifacts(each.info.run_id)] == []
    assert done.kept_pages == []
    (recorded, *_) = client.search_runs(["1"], f"tags.replaces = '{old_hash}'")
    assert recorded.data.tags["corpus_hash"] == done.corpora[0][1]
    assert recorded.data.metrics["tokens.rejected.takedown"] == 1


def test_the_report_of_a_run_shows_counts_and_no_document_of_what_was_withdrawn(data, take_down):
    from flows.corpora.summary import corpus_hash
    from flows.reports.difference_pages import difference_page
    from flows.reports.render_report import render_report

    run = StageWriter("run", Section(), {"tokens": data / "tokens" / "t1"}, data / "runs" / "r1")
    (run.output / "metrics.jsonl").write_text('{"step": 1, "loss": 5.5}\n')
    run.finish(0, figures={"num_parameters": 124})
    before = render_report(run.output).read_text()
    assert "ginkgo" in before
    compared = difference_page(data, corpus_hash(data / "tokens" / "t1"), "0123456789abcdef")
    write_bytes(compared, b"ginkgo")
    take_down([SECRET_URL], data)
    assert not compared.exists()
    assert not (run.output / "report.html").exists()
    after = render_report(run.output).read_text()
    assert "was withdrawn by a takedown" in after
    assert "took its place" in after
    assert "ginkgo" not in after
    assert ">40<" in after.replace(" ", ""), "the funnel of the corpus that it was trained on"


def test_a_second_takedown_names_the_models_of_every_earlier_version(data, take_down, plan):
    run = StageWriter("run", Section(), {"tokens": data / "tokens" / "t1"}, data / "runs" / "r1")
    run.finish(0)
    train = {
        row["id"] for p in data_shards(data / "tokens" / "t1", "train") for row in read_rows(p)
    }
    urls = sorted(urls_in(data / "unique" / "u1"))
    first, second = [url for url in urls if document_id(url) in train][:2]
    take_down([first], data)
    assert plan(data, [second]).runs == [data / "runs" / "r1"]


def test_unfinished_stages_and_a_person_s_own_archives_are_named(data, plan):
    (data / "documents" / "half").mkdir()
    (data / "documents" / "half" / "documents-00000.arrow").write_text("half")
    lineage = data / "pages" / "p1" / "lineage-00000.arrow"
    rows = [row | {"warc": "/home/me/CC-MAIN.warc.gz"} for row in read_rows(lineage)]
    write_shard(lineage, rows, LINEAGE)
    found = plan(data, [SECRET_URL])
    assert found.unfinished == [data / "documents" / "half"]
    assert found.foreign == [Path("/home/me/CC-MAIN.warc.gz")]


def test_another_command_at_work_in_the_data_folder_keeps_it_out(data, take_down):
    with (data / "unique" / "u1" / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(WebtextError, match=r"at work in .*u1"):
            take_down([SECRET_URL], data)
    assert not (data / "takedown.txt").exists()


def test_a_damaged_shard_is_named_and_nothing_is_withdrawn(data, take_down):
    number = number_of(SECRET_URL, data / "unique" / "u1")
    shard = data / "unique" / "u1" / f"rejects-{number}.arrow"
    shard.write_bytes(shard.read_bytes() + b"x")
    with pytest.raises(WebtextError, match=f"rejects-{number}.arrow is damaged"):
        take_down([SECRET_URL], data)
    assert corpora(data) == [data / "tokens" / "t1"]
    assert not any(is_withdrawn(folder) for folder in data.glob("*/*"))
