"""What `webtext corpus takedown` prints: what would go, and in the end what went."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from rich.console import Group, RenderableType
from rich.text import Text

from corpus.takedown.versions import Version
from flows.commands.terminal_text import printable
from flows.corpora.tables import plain_table
from flows.link_sources import TAKEDOWN
from flows.take_down import TakenDown
from flows.takedown.plan import Plan

_MAX_NAMED = 10

_NOT_REACHED = (
    "Not reached: copies of the data folder that were given away or backed up. docs/takedown.md"
)


def plan_lines(plan: Plan) -> RenderableType:
    """What a takedown would do, before it does."""
    if plan.is_empty:
        lines = [f"No corpus in {plan.data} holds anything of it."]
        if plan.entries:
            lines.append(f"On {plan.data / TAKEDOWN} it keeps later builds from taking it in.")
        return Group(*lines, *_warnings(plan))
    table = plain_table("stage", "folder", "documents>", "shards anew>", "of>")
    for version in plan.versions:
        num_items, num_shards = _num_items(version), len(version.items)
        table.add_row(
            version.old.parent.name,
            version.old.name,
            f"{num_items:,}",
            f"{num_shards:,}",
            f"{version.num_shards:,}",
        )
    corpora = ", ".join(name for name, _ in plan.corpora) or "none: no tokens were made of it yet"
    return Group(
        *([table] if plan.versions else []),
        f"Corpora that get a new version, and whose old one is withdrawn: {corpora}.",
        *_warnings(plan),
        "What is withdrawn cannot be brought back.",
    )


def closing_lines(done: TakenDown) -> RenderableType:
    """What a takedown did."""
    plan = done.plan
    num_anew = sum(len(version.items) for version in plan.versions)
    num_shards = sum(version.num_shards for version in plan.versions)
    lines = [
        f"{plan.data / TAKEDOWN}: {len(plan.entries)} new entries, obeyed by every later build",
        f"{num_anew:,} shards written anew, {num_shards - num_anew:,} linked as they were",
        *(f"corpus {old} is now {new}" for old, new in done.corpora),
    ]
    kept = _named("Delete these by hand: MLflow could not, and they may quote it", done.kept_pages)
    return Group(*map(Text, lines), *_warnings(plan), *kept, Text(_NOT_REACHED))


def _num_items(version: Version) -> int:
    """Documents or links; some shards know a document by its id, others by its address."""
    items = {item for items in version.items.values() for item in items}
    num_addresses = sum("://" in item for item in items)
    return max(num_addresses, len(items) - num_addresses)


def _warnings(plan: Plan) -> Iterator[Text]:
    concerned = plan.concerned
    yield from _named(
        "These go too, dropped as copies of what goes; the list does not name them, so a later "
        "build may take them in: add them",
        concerned.copies,
    )
    yield from _named(
        "These stay, although what goes was dropped as a copy of them: add them if they must go",
        concerned.survivors,
    )
    yield from _named(
        "Models that were trained on what goes: they cannot forget it. Train anew, delete these",
        _places(plan.runs),
    )
    yield from _named("Your own archives that hold it: they are left alone", _places(plan.foreign))
    yield from _named(
        "Not looked into, because their stage has not ended: finish it and run this again, or "
        "remove them",
        _places(plan.unfinished),
    )
    yield from _named("Left by a killed takedown, and cleared", _places(plan.leftovers))


def _places(paths: Sequence[Path]) -> list[str]:
    return [str(path) for path in paths]


def _named(what: str, names: Iterable[str]) -> Iterator[Text]:
    known = sorted(names)
    if known:
        yield Text(f"{what}:")
        for name in known[:_MAX_NAMED]:
            yield Text(f"  {printable(name)}")
        if len(known) > _MAX_NAMED:
            yield Text(f"  and {len(known) - _MAX_NAMED:,} more")
