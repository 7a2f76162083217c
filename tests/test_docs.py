"""What the documents list must be what the code has."""

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from corpus.settings import Section
from crawler.pages.outcomes import Reason
from flows.commands.app import app
from flows.recipe import Recipe, load_recipe

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    *(f"docs/{path.name}" for path in sorted(DOCS.glob("*.md"))),
]


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


@pytest.mark.parametrize("page", PAGES)
def test_each_file_and_module_that_a_page_names_is_there(page: str):
    text = (ROOT / page).read_text(encoding="utf-8")
    # Of a data folder, or to be written by a reader: nothing of this repository.
    foreign = {"data/takedown.txt", "evaluation/tasks/NAME.py", "benchmarks.NAME"}
    links = {(Path(page).parent / link).as_posix() for link in re.findall(r"\]\(([\w./-]+)", text)}
    files = set(re.findall(r"`([\w.-]+(?:/[\w.-]+)+\.(?:py|md|toml|txt|svg|j2))`", text))
    pages = set(re.findall(r"\bdocs/[\w-]+\.md\b", text))
    modules = set(re.findall(r"python -m ([a-z_]+\.[\w.]+)", text)) - foreign
    named = {module.replace(".", "/") for module in modules}
    assert [n for n in (links | files | pages) - foreign if not (ROOT / n).exists()] == []
    assert [n for n in named if not ((ROOT / n).is_dir() or (ROOT / f"{n}.py").exists())] == []


@pytest.mark.parametrize("page", PAGES)
def test_each_heading_that_a_page_points_to_is_there(page: str):
    text = (ROOT / page).read_text(encoding="utf-8")
    for name, heading in re.findall(r"([\w-]+\.md)\)?, \"([A-Z][^\"]+)\"", text):
        there = (DOCS / name).read_text(encoding="utf-8")
        assert re.search(rf"^#+ {re.escape(heading)}", there, re.MULTILINE), f"{name}: {heading}"


@pytest.mark.parametrize("page", PAGES)
def test_each_key_of_a_recipe_that_a_page_names_exists(page: str):
    text = (ROOT / page).read_text(encoding="utf-8")
    demo = load_recipe("demo")
    kinds = {name: type(getattr(demo, name)) for name in Recipe.model_fields}
    sections = {name: kind for name, kind in kinds.items() if issubclass(kind, Section)}
    keys = re.findall(r"--set '?(\w+)\.(\w+)|`(\w+)\.(\w+)(?: ?=[^`]*)?`", text)
    for section, key in ((a or c, b or d) for a, b, c, d in keys):
        # `train.log` is a file and `model.train_on_ray` a module: no keys.
        is_other = (
            key in {"py", "db", "html", "log", "safetensors"}
            or (ROOT / section / f"{key}.py").exists()
        )
        if section in sections and not is_other:
            assert key in sections[section].model_fields, f"{section}.{key}"


def test_the_recipe_of_the_page_on_extending_is_one(tmp_path: Path):
    text = (DOCS / "extend.md").read_text(encoding="utf-8")
    lines = text.partition("\n    [links]\n")[2].partition("\n\n")[0]
    recipe = tmp_path / "my-recipe.toml"
    recipe.write_text("[links]\n" + textwrap.dedent(lines))
    assert load_recipe(str(recipe)).model.n_layer == 6
