"""Reddit's API -> sealed day files of submissions, which a build reads like any other dump."""

import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from prefect.artifacts import create_table_artifact

from corpus.errors import UsageError, WebtextError
from corpus.runtime import Runtime
from crawler.reddit.api import RedditApi
from crawler.reddit.harvest import HarvestReport, harvest
from flows.commands.display import current_display
from flows.product import product
from flows.recipe import Recipe

FOLDER = "reddit"
"""Below the data folder: the harvest's memory and its day files."""


@product("harvest_links")
def harvest_links(recipe: Recipe, data: Path, until: datetime | None = None) -> HarvestReport:
    """Run one round of the recipe's harvest.

    Args:
        recipe: Its `harvest` says what to read.
        data: The data folder.
        until: When the next round is due, if one is; this one then leaves it the rest.

    Raises:
        UsageError: no contact, or no credentials, or Reddit does not accept them.
        WebtextError: Reddit does not answer, or another process harvests into the same folder.
    """
    config = recipe.harvest
    if not config.contact:
        config = config.model_copy(update={"contact": recipe.crawl.contact})
    display = current_display()
    with closing(RedditApi(config.contact)) as api:
        runtime = Runtime(progress=display.stage("harvest"))
        report = harvest(config, data / FOLDER, api, runtime, until=until)
    phrase = report_phrase(report)
    display.done("harvest", phrase + _next_phrase(until))
    create_table_artifact(key="harvest", table=_artifact_rows(report), description=phrase)
    return report


def harvest_rounds(
    recipe: Recipe, data: Path, every_min: float | None = None
) -> Iterator[HarvestReport]:
    """Run one round, or one every so many minutes for ever, and yield what each did.

    A first round that fails ends it all: somebody is there to see it. A later one may fail because
    Reddit or the network is down for an hour, and the next may find it up again.

    Raises:
        WebtextError: the first round failed; or a later one, for a reason that will stay.
    """
    due = _next(every_min)
    yield harvest_links(recipe, data, due)
    while due is not None:
        time.sleep(max(0.0, (due - datetime.now(UTC)).total_seconds()))
        due = _next(every_min)
        try:
            yield harvest_links(recipe, data, due)
        except UsageError:
            raise
        except WebtextError as exc:
            current_display().done("harvest", f"failed: {exc.message}{_next_phrase(due)}")


def report_phrase(report: HarvestReport) -> str:
    """`1,000 seen, 940 new; 800 kept, dropped: deleted 12; 41,203 held; 21 requests`."""
    dropped = ", ".join(f"{reason} {count:,}" for reason, count in report.dropped.most_common())
    parts = [
        f"{report.num_seen:,} seen, {report.num_new:,} new",
        f"{report.num_kept:,} kept" + (f", dropped: {dropped}" if dropped else ""),
        f"{report.num_held:,} held" + (f", {report.num_due:,} due" if report.num_due else ""),
        f"{report.num_requests:,} requests",
        *(f"sealed {path.name}" for path in report.sealed),
    ]
    return "; ".join(parts)


def _artifact_rows(report: HarvestReport) -> list[dict[str, object]]:
    figures = {
        "seen": report.num_seen,
        "new": report.num_new,
        "kept": report.num_kept,
        **{f"dropped: {reason}": count for reason, count in report.dropped.most_common()},
        "held": report.num_held,
        "due": report.num_due,
        "requests": report.num_requests,
        "seconds waited": round(report.waited_s, 1),
    }
    pairs: list[tuple[str, object]] = [
        *figures.items(),
        *(("sealed", path.name) for path in report.sealed),
        *(("problem", problem) for problem in report.problems),
    ]
    return [{"what": what, "value": value} for what, value in pairs]


def _next(every_min: float | None) -> datetime | None:
    return None if every_min is None else datetime.now(UTC) + timedelta(minutes=every_min)


def _next_phrase(due: datetime | None) -> str:
    return "" if due is None else f"; next at {due:%H:%M:%S} UTC"
