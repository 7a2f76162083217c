"""What the README promises is there: its commands, its recipes, its files."""

import re
from pathlib import Path

from flows.commands.app import app, corpus_app
from flows.recipe import recipe_names

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_it_is_short():
    assert len(README.splitlines()) < 150


def test_its_table_names_exactly_the_commands_that_exist():
    named = re.findall(r"^\| `webtext (\w+)", README, re.MULTILINE)
    commands = {
        command.callback.__name__ for command in app.registered_commands if command.callback
    }
    assert {*commands, "corpus", "benchmarks"} == set(named)
    verbs = re.search(r"`webtext corpus ([\w\\|]+)`", README)
    assert verbs is not None
    assert verbs[1].split("\\|") == [
        command.name for command in corpus_app.registered_commands if command.name
    ]


def test_its_recipes_exist():
    named = set(re.findall(r"`(demo|webtext|gpt2-\w+)`", README)) - {"webtext"}
    assert named <= set(recipe_names())


def test_its_map_and_its_targets_exist():
    folders = re.findall(r"^(\w+)/ {2,}", README, re.MULTILINE)
    assert len(folders) == 10
    files = re.findall(r"\b([\w-]+\.(?:md|yml)|constraints\.txt)\b", README)
    for name in (*folders, *files):
        assert (ROOT / name).exists() or (ROOT / "docs" / name).exists(), name
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"`?make (\w+)", README):
        assert f"\n{target}: " in makefile, target
