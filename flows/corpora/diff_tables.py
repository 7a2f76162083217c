"""The difference of two corpora, as `webtext corpus diff` prints it."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from flows.commands.terminal_text import printable
from flows.corpora.diff import Changes, CorpusDiff, CorpusSize, Difference
from flows.corpora.summary import show_bytes
from flows.corpora.tables import plain_table


def describe_diff(diff: CorpusDiff) -> RenderableType:
    """Both sizes, what became of the documents and why, and what was set otherwise."""
    parts: list[RenderableType] = [_sizes(diff.old, diff.new), ""]
    if diff.changes is None:
        gone = " and ".join(s.hash for s in (diff.old, diff.new) if s.is_withdrawn)
        parts.append(f"The documents of {gone} were withdrawn: only counts can be compared.")
    else:
        parts += [_changes(diff.changes)]
    if diff.rejects:
        parts += ["", _differences("dropped on the way", diff.rejects)]
    parts += ["", _differences("setting", diff.settings) if diff.settings else "same settings"]
    return Group(*parts)


def _sizes(old: CorpusSize, new: CorpusSize) -> Table:
    table = plain_table("", f"{old.hash}>", f"{new.hash}>", "difference>")
    for name in ("documents", "train_tokens", "val_tokens"):
        before, after = getattr(old, f"num_{name}"), getattr(new, f"num_{name}")
        grown = f"{after - before:+,}" if after != before else ""
        table.add_row(name.replace("_", " "), f"{before:,}", f"{after:,}", grown)
    grown = ("-" if new.bytes < old.bytes else "+") + show_bytes(abs(new.bytes - old.bytes))
    table.add_row("on disk", show_bytes(old.bytes), show_bytes(new.bytes), grown)
    return table


def _changes(changes: Changes) -> Table:
    table = plain_table("documents", "number>", "reason, and some of them")
    table.add_row("kept", f"{changes.num_kept:,}", "")
    others = {"other_text": changes.num_changed} if changes.num_changed else {}
    groups = {"changed": others, "dropped": changes.dropped, "added": changes.added}
    for name, counts in groups.items():
        for row in _rows(name, counts, changes):
            table.add_row(*row)
        if not counts:
            table.add_row(name, "0", "")
    return table


def _rows(name: str, counts: dict[str, int], changes: Changes) -> Iterator[tuple[str, str, Text]]:
    for reason, count in counts.items():
        urls = changes.examples[name].get(reason, [])
        yield name, f"{count:,}", Text("\n  ".join([reason, *map(printable, urls)]))


def _differences(name: str, differences: list[Difference]) -> Table:
    table = plain_table(name, "old → new")
    for each in differences:
        table.add_row(Text(each.name), Text(f"{_show(each.old)} → {_show(each.new)}"))
    return table


def _show(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)
