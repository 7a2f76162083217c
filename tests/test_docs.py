"""What the documents list must be what the code has."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from crawler.pages.outcomes import Reason
from flows.commands.app import app

DOCS = Path(__file__).parents[1] / "docs"


def test_each_outcome_of_a_link_is_explained():
    text = (DOCS / "data-format.md").read_text(encoding="utf-8")
    missing = [r.code for r in Reason if f"| `{r.code}` | {r.meaning} |" not in text]
    assert not missing


def calls(text: str) -> Iterator[tuple[str, str]]:
    """The command and what follows it, of each call that a block or a span begins with."""
    for line in re.findall(r"^ {4}(?:\w+=\w+ )*webtext (\S.*)$|`webtext ([^`\n]+)`", text, re.M):
        command, _, rest = "".join(line).partition(" ")
        if re.fullmatch(r"[a-z][a-z-]*", command):
            yield command, re.split(r" +# | \| | 2> |`", rest)[0]


@pytest.mark.parametrize("page", sorted(path.name for path in DOCS.glob("*.md")))
def test_each_command_in_the_docs_exists_with_its_options(page: str):
    commands = typer.main.get_command(app).commands  # pyright: ignore[reportAttributeAccessIssue]
    for name, rest in calls((DOCS / page).read_text(encoding="utf-8")):
        assert name in commands, f"webtext {name} {rest}"
        below = getattr(commands[name], "commands", {})
        named = [verb for verb in rest.partition(" ")[0].split("|") if below]
        assert set(named) <= set(below), f"webtext {name} {rest}"
        called = [below[verb] for verb in named] or [commands[name]]
        taken = {option for each in called for param in each.params for option in param.opts}
        options = set(re.findall(r"(?<![\w-])--[a-z][\w-]*", rest))
        assert options <= taken | {"--help"}, f"webtext {name} {rest}"
