"""The stage unique documents -> documents without what a benchmark holds (GPT-3, appendix C)."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa

from corpus.manifest import Manifest, read_manifest
from corpus.runtime import Runtime
from corpus.schema import DOCUMENTS
from corpus.shards import num_rows, read_rows, shard_name
from corpus.stage import Inputs, StageWriter, data_shards, reject
from dedup.decontamination.cuts import DecontaminationConfig, judge
from dedup.decontamination.plan import contaminated_documents, plan

STAGE: Final = "decontaminated"
LIBRARIES: Final = ("webtext",)

CONTAMINATED: Final = "contaminated"

CUTS: Final = pa.schema(
    [
        ("id", pa.string()),  # of the document as it was
        ("url", pa.string()),
        ("start", pa.int64()),  # what was cut out, in characters of that document's text
        ("end", pa.int64()),
        ("because", pa.list_(pa.string())),  # "lambada:12 text": what matched in it
    ]
)

_MAX_REASONS: Final = 3


@dataclass(frozen=True)
class _Task:
    """One documents shard for a worker process."""

    documents: Path
    matches: Path
    number: int
    num_rows: int
    config: DecontaminationConfig
    inputs: dict[str, Path]
    output: Path


def run(config: DecontaminationConfig, inputs: Inputs, output: Path, runtime: Runtime) -> Manifest:
    """Write the documents anew without what the matches say is a benchmark's.

    A document that is touched falls into pieces: documents of their own with the ids ID-1, ID-2,
    ... and everything else unchanged but the text. All others are copied as they are.

    Args:
        config: The rule.
        inputs: `documents`, the unique documents, and `matches`, found in them.
        output: Receives `documents-*.arrow` with the input's schema and shard numbers; rejects
            with the reason `contaminated`, of which nothing is left; and `lineage-*.arrow` (schema
            `CUTS`), what was cut out of which document and why.
        runtime: Worker processes and progress.

    Raises:
        UsageError: the matches are of other documents.
        WebtextError: an input is unfinished or damaged, or the disk is full.
    """
    planned = plan(config, inputs)
    writer = StageWriter(STAGE, config, inputs, output)
    tasks = [
        _task(path, config, inputs, output)
        for path in data_shards(inputs["documents"], "documents-")
    ]
    runtime.progress.start(planned.num_documents, "documents")
    for count in runtime.runner.map(_write_shard, tasks, runtime.workers):
        runtime.progress.advance(count)
    return writer.finish(
        planned.num_documents,
        num_out=planned.num_documents - planned.num_dropped,
        libraries=LIBRARIES,
        figures=planned.figures(),
        problems=_problems(inputs),
    )


def _task(documents: Path, config: DecontaminationConfig, inputs: Inputs, output: Path) -> _Task:
    # A shard's matches have its number: no worker needs those of the whole corpus.
    number = int(documents.stem.rpartition("-")[2])
    matches = inputs["matches"] / shard_name("matches", number)
    return _Task(documents, matches, number, num_rows(documents), config, dict(inputs), output)


def _write_shard(task: _Task) -> int:
    writer = StageWriter(STAGE, task.config, task.inputs, task.output)
    name = shard_name("documents", task.number)
    if not writer.is_done(name):
        writer.write_rejects(task.number, _rejects(task))
        writer.write(shard_name("lineage", task.number), _cuts(task), CUTS)
        writer.write(name, _documents(task), DOCUMENTS)
    return task.num_rows


def _documents(task: _Task) -> Iterator[dict]:
    contaminated = contaminated_documents(task.matches)
    matches = next(contaminated, None)
    for row in read_rows(task.documents):
        # The matches come in the order of their documents.
        if matches is None or row["id"] != matches[0]["document"]:
            yield row
            continue
        pieces = judge(matches, task.config).pieces
        for number, piece in enumerate(pieces, start=1):
            text = row["text"][piece.start : piece.end].strip()
            yield row | {"id": f"{row['id']}-{number}", "text": text}
        matches = next(contaminated, None)


def _rejects(task: _Task) -> Iterator[dict[str, str]]:
    for matches in contaminated_documents(task.matches):
        if not judge(matches, task.config).pieces:
            names = list(dict.fromkeys(map(_name, matches)))
            more = f" and {len(names) - _MAX_REASONS} more" if len(names) > _MAX_REASONS else ""
            detail = ", ".join(names[:_MAX_REASONS]) + more
            yield reject(matches[0]["document"], CONTAMINATED, detail)


def _cuts(task: _Task) -> Iterator[dict]:
    for matches in contaminated_documents(task.matches):
        for cut in judge(matches, task.config).cuts:
            inside = [m for m in matches if cut.start <= m["start"] and m["end"] <= cut.end]
            yield {
                "id": matches[0]["document"],
                "url": matches[0]["url"],
                "start": cut.start,
                "end": cut.end,
                "because": list(dict.fromkeys(map(_name, inside))),
            }


def _name(match: dict) -> str:
    return f"{match['text_set']}:{match['example']} {match['part']}"


def _problems(inputs: Inputs) -> list[str]:
    missing = read_manifest(inputs["matches"]).figures.get("not_available")
    if not missing:
        return []
    return [f"Nothing was looked for in benchmarks whose files were not there: {missing}."]
