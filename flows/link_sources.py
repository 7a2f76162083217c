"""Where a recipe's links come from: a demo web, dumps, URL tables, what was harvested."""

from collections.abc import Sequence
from pathlib import Path

from corpus.errors import UsageError
from crawler.links.crawled import refresh_crawled
from crawler.reddit.store import sealed_dumps
from flows.harvest_links import FOLDER
from flows.recipe import Recipe

TAKEDOWN = "takedown.txt"
"""Below the data folder: addresses that no later build takes in."""
_CRAWLED = "crawled"


def link_inputs(
    recipe: Recipe, data: Path, web: Path | None, base_pages: Sequence[Path] | None = None
) -> dict[str, Path]:
    """The inputs of stage "links" by role: `dump-0`, `urls-0`, `takedown`, `crawled`.

    Args:
        recipe: Its `links` names the sources.
        data: The data folder: the harvest, the takedown list and the crawled pages lie there.
        web: The demo web, where the recipe has one.
        base_pages: Where the build extends a corpus, the folders of pages that it was made of:
            these are left out. Not all that were ever crawled into the data folder: pages of
            another recipe, or of a round that was given up, would then be in no corpus.

    Raises:
        UsageError: the recipe names no source, or asks for a harvest that was never made.
    """
    sources = _sources(recipe, data, web)
    if base_pages is not None:
        crawled, pages = data / f"{_CRAWLED}-{recipe.name}", base_pages
    elif recipe.links.skip_crawled:
        crawled, pages = data / _CRAWLED, sorted((data / "pages").glob("*"))
    else:
        return sources | takedown_input(data)
    refresh_crawled(crawled, pages)
    return sources | {"crawled": crawled} | takedown_input(data)


def _sources(recipe: Recipe, data: Path, web: Path | None) -> dict[str, Path]:
    if web is not None:
        return {"dump-0": web / "dump" / "RS_demo.zst"}
    config = recipe.links
    dumps = [*config.dumps, *(_harvested(recipe, data) if config.harvested else ())]
    if not dumps and not config.urls:
        raise UsageError(
            f"recipe {recipe.name} names no submission dumps and no other source of links",
            hint="Say where they are: --set 'links.dumps=[\"RS_2017-12.zst\"]', or links.urls for "
            "a table of URLs, or links.harvested=true for what `webtext harvest` gathered.",
        )
    inputs = {f"dump-{index}": path for index, path in enumerate(dumps)}
    return inputs | {f"urls-{index}": path for index, path in enumerate(config.urls)}


def takedown_input(data: Path) -> dict[str, Path]:
    """The takedown list as an input, if there is one."""
    path = data / TAKEDOWN
    return {"takedown": path} if path.is_file() else {}


def _harvested(recipe: Recipe, data: Path) -> list[Path]:
    found = sealed_dumps(data / FOLDER, recipe.links.harvested_before)
    if not found:
        raise UsageError(
            f"{data / FOLDER} holds no finished day of harvested submissions",
            hint=f"Run `webtext harvest {recipe.name} --every 10` for some days: a submission is "
            f"kept {recipe.harvest.maturity_h:.0f} hours after it was posted, and a day's file is "
            "finished when the day is over.",
        )
    return found
