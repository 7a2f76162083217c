"""Takes addresses out of every corpus in a data folder: new versions come, then the old ones go."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson
from prefect.artifacts import create_table_artifact

from corpus.atomic import write_bytes
from corpus.errors import WebtextError
from corpus.manifest import is_finished, is_withdrawn, read_manifest
from corpus.parallel import map_tasks
from corpus.runtime import Runtime
from corpus.shards import file_sha256
from corpus.storage.files import fetch
from corpus.storage.hard_links import link_file
from corpus.storage.mirror import push
from corpus.takedown.versions import Version, write_version
from corpus.takedown.withdrawn import clear_withdrawn, withdraw
from crawler.archive.withdraw import Span, blank_records
from dedup.overlap.index import NgramsConfig
from flows.build_corpus import NGRAMS
from flows.commands.display import current_display
from flows.corpora.catalog import finished
from flows.corpora.dataset_card import CARD, write_card
from flows.corpora.summary import corpus_hash, documents_of
from flows.link_sources import TAKEDOWN
from flows.product import product
from flows.reports.difference_pages import difference_pages
from flows.run_stage import run_stage
from flows.takedown.keep_out import WITHDRAWING, alone
from flows.takedown.plan import Pending, Plan, plan_takedown, read_pending, source
from flows.track_runs import forget_pages, track_takedown

_NAME = "takedown"
_REPORT = "report.html"
# Beside the shards and no part of them: which recipes a folder was made for.
_NOTES = (".recipes",)


@dataclass(frozen=True)
class TakenDown:
    """What a takedown did."""

    plan: Plan
    corpora: list[tuple[str, str]]
    """Hash of each corpus concerned, before and after."""
    kept_pages: list[str]
    """Pages in MLflow that may quote what was taken down and could not be deleted."""


@product("take_down")
def take_down(entries: list[str], data: Path, workers: int = 1) -> TakenDown:
    """Put addresses on the takedown list, and take all that is on it out of every corpus.

    The list comes first: from then on every build obeys. Then new versions of the stage folders
    are written, and when all are there the old ones are withdrawn. Killed at any moment, the same
    command goes on: until the last new version is finished every old one is whole.

    Args:
        entries: Lines for the list; none: what is on it already.
        data: The data folder.
        workers: Worker processes.

    Raises:
        UsageError: an entry is no domain, URL or start of URLs.
        WebtextError: another command is at work in the data folder, a file is damaged, or no space
            is left.
    """
    display = current_display()
    with alone(data):
        _withdraw_all(data, read_pending(data))
        progress = display.stage(_NAME)
        plan = plan_takedown(data, entries, workers)
        write_bytes(data / TAKEDOWN, plan.listed.encode())
        _clear(plan.leftovers)
        progress.start(sum(version.num_shards for version in plan.versions), "shards")
        for version in plan.versions:
            _write(version, plan, Runtime(workers, progress))
        corpora = [(old, corpus_hash(version.new)) for old, version in plan.corpora]
        display.done(_NAME, f"{len(plan.versions)} folders without what was taken down")
        # Outside the lock on each folder: indexing takes its own.
        derived = _derive_anew(plan, data, workers)
        kept_pages = [page for name, _ in plan.corpora for page in forget_pages(name, data)]
        _delete_reports(plan, data)
        _withdraw_all(data, _pending(plan, derived))
    create_table_artifact(
        key=_NAME,
        table=[{"corpus": old, "now": new} for old, new in corpora],
        description=f"{len(plan.entries)} new entries on {data / TAKEDOWN}",
    )
    return TakenDown(plan, corpora, kept_pages)


def _clear(leftovers: Sequence[Path]) -> None:
    for folder in leftovers:
        if is_withdrawn(folder):
            clear_withdrawn(folder)
        else:
            shutil.rmtree(folder)


def _write(version: Version, plan: Plan, runtime: Runtime) -> None:
    if is_finished(version.new):
        runtime.progress.advance(version.num_shards, "done before")
        return
    archives = [
        (version.old / name, version.new / name, plan.concerned.spans[version.old / name])
        for name in version.items
        if version.old / name in plan.concerned.spans
    ]
    sha256 = {shard.name: shard.sha256 for shard in read_manifest(version.old).shards}
    fetch(version.old, [path.name for path, _, _ in archives])
    tasks = [(*each, sha256[each[0].name]) for each in archives if not each[1].exists()]
    for _ in map_tasks(_blank, tasks, min(runtime.workers, max(1, len(tasks)))):
        runtime.progress.advance()
    write_version(version, plan.concerned.gone, plan.data / TAKEDOWN, runtime)
    for note in _NOTES:
        if (version.old / note).is_file():
            link_file(version.old / note, version.new / note)
    push(version.new)


def _blank(task: tuple[Path, Path, Sequence[Span], str]) -> None:
    old, new, spans, sha256 = task
    if file_sha256(old) != sha256:
        raise WebtextError(
            f"{old} is damaged: its sha256 is not {sha256}",
            hint="Put a sound copy in its place and run the same command again.",
        )
    blank_records(old, new, spans)


def _derive_anew(plan: Plan, data: Path, workers: int) -> dict[Path, Path]:
    """Index the new corpora as the old ones were indexed, describe and record them."""
    made: dict[Path, Path] = {}
    for old_hash, version in plan.corpora:
        for folder, manifest in finished(data, NGRAMS.name):
            if source(folder, manifest.inputs["tokens"].path) == version.old:
                config = NgramsConfig.model_validate(manifest.config)
                inputs = {"documents": documents_of(version.new), "tokens": version.new}
                made[folder] = run_stage(NGRAMS, config, inputs, data, workers)
        track_takedown(version.new, old_hash, data)
        if (version.old / CARD).is_file():
            write_card(version.new)
    return made


def _delete_reports(plan: Plan, data: Path) -> None:
    """Pages of runs and of two corpora quote documents; `webtext report` makes them without."""
    old = {version.old for version in plan.versions}
    for folder, manifest in finished(data, "runs"):
        tokens = manifest.inputs.get("tokens")
        if tokens and source(folder, tokens.path) in old:
            (folder / _REPORT).unlink(missing_ok=True)
    for name, _ in plan.corpora:
        for page in difference_pages(data, name):
            page.unlink()


def _pending(plan: Plan, made: dict[Path, Path]) -> Pending:
    """What is withdrawn, and what takes its place: later stages before those they read."""
    derived = [(each, made.get(each)) for each in reversed(plan.derived)]
    old = [(version.old, version.new) for version in reversed(plan.versions)]
    return [("/".join(folder.parts[-2:]), new and new.name) for folder, new in [*derived, *old]]


def _withdraw_all(data: Path, pending: Pending) -> None:
    """Withdraw folders; what is noted before the first goes on after a kill."""
    if not pending:
        return
    write_bytes(data / WITHDRAWING, orjson.dumps(pending))
    for name, replaced_by in pending:
        if (data / name).is_dir():  # nobody has removed it in the meantime
            withdraw(data / name, replaced_by)
            push(data / name)
    (data / WITHDRAWING).unlink()
