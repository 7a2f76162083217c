"""A recipe: a TOML file that says which corpus to build, which GPT-2 to train, how to score it."""

import difflib
import tomllib
from pathlib import Path
from typing import get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from corpus.errors import UsageError
from corpus.runner import RunnerConfig
from corpus.settings import Section
from corpus.tokens.stage import TokensConfig
from crawler.documents.stage import ExtractConfig
from crawler.links.submissions import LinksConfig
from crawler.pages.archived import ArchivesConfig
from crawler.pages.settings import CrawlConfig
from crawler.reddit.harvest import HarvestConfig
from dedup.decontamination.cuts import DecontaminationConfig
from dedup.matches.stage import MatchesConfig
from dedup.overlap.index import NgramsConfig
from dedup.paragraphs.stage import ParagraphsConfig
from dedup.unique.stage import DedupConfig
from evaluation.settings import EvaluateConfig
from flows.demo.web import DemoWebConfig
from flows.recipe_files import RECIPE_FOLDERS, recipe_names
from flows.settings import MemorisationConfig, ScalingConfig, ScheduleConfig
from model.generation.settings import SampleConfig
from model.settings import ModelConfig, TrainConfig


class Recipe(Section):
    """Everything that decides a corpus, a model and its scores; a section per stage."""

    name: str
    """Short name, used for runs and reports."""
    benchmarks: Path | None = None
    """Folder of benchmark files, one sub-folder per set: docs/data-format.md has the layout."""
    extends: str | None = None
    """The corpus that a build adds to: the beginning of its hash, its tokens folder, or "latest",
    this recipe's newest in the data folder; where there is none yet, the build is a full one."""
    web: DemoWebConfig | None = None
    """Make a small web and a dump that links to it, and crawl that instead of the real one."""
    harvest: HarvestConfig = HarvestConfig()
    """What is gathered from Reddit's API, by `webtext harvest`."""
    links: LinksConfig = LinksConfig()
    """Which submissions become links."""
    crawl: CrawlConfig = CrawlConfig()
    """How links become pages."""
    archives: ArchivesConfig = ArchivesConfig()
    """WARC files to take the pages from, instead of links and a crawl."""
    extract: ExtractConfig = ExtractConfig()
    """How pages become documents."""
    dedup: DedupConfig = DedupConfig()
    """Which documents count as the same."""
    paragraphs: ParagraphsConfig = ParagraphsConfig()
    """Which paragraphs are boilerplate and go."""
    tokens: TokensConfig = TokensConfig()
    """The tokenizer, and the share of documents held out."""
    ngrams: NgramsConfig = NgramsConfig()
    """The index of the train split that tells the overlap of texts with it."""
    matches: MatchesConfig = MatchesConfig()
    """What counts as found where the training documents are searched themselves."""
    decontaminate: DecontaminationConfig = DecontaminationConfig()
    """What goes with a match."""
    model: ModelConfig = ModelConfig()
    """The size of the GPT-2."""
    train: TrainConfig = TrainConfig()
    """How it is trained."""
    evaluate: EvaluateConfig = EvaluateConfig()
    """The tasks it is scored on."""
    sample: SampleConfig = SampleConfig()
    """The texts it writes for the report."""
    scaling: ScalingConfig = ScalingConfig()
    """Sizes to train in place of one, and to compare: `webtext scaling`."""
    memorisation: MemorisationConfig = MemorisationConfig()
    """How many texts are looked through for repeats of the training split."""
    runner: RunnerConfig = RunnerConfig()
    """Who does the stages' tasks: processes of this machine, or Ray."""
    schedule: ScheduleConfig = ScheduleConfig()
    """When `webtext serve` and `webtext deploy` rebuild the corpus."""


def load_recipe(name_or_path: str, overrides: list[str] | None = None) -> Recipe:
    """Read a recipe and apply overrides such as `crawl.per_host_delay_s=2`.

    Args:
        name_or_path: A TOML file, or the name of one that comes with webtext: `demo`.
        overrides: `section.key=value` each; the value is TOML, or else a string.

    Raises:
        UsageError: no such recipe, not TOML, an unknown key (the nearest one is named) or a
            value of the wrong type.
    """
    path = _find(name_or_path)
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as exc:
        raise UsageError(f"{path} is not TOML: {exc}", hint="Mend it there.") from exc
    except UnicodeDecodeError as exc:
        raise UsageError(f"{path} is no text in UTF-8", hint="Save it as UTF-8.") from exc
    except OSError as exc:
        raise UsageError(
            f"{path} cannot be read: {exc.strerror}", hint="Check who may read it."
        ) from exc
    for override in overrides or []:
        _apply(tree, override)
    try:
        return Recipe.model_validate({"name": path.stem, **tree})
    except ValidationError as exc:
        culprit = _override_of(exc, overrides or []) or path
        raise UsageError(f"{culprit}: {_explain(exc)}", hint=_remedy(exc)) from exc


def _find(name_or_path: str) -> Path:
    candidates = [Path(name_or_path), *(f / f"{name_or_path}.toml" for f in RECIPE_FOLDERS)]
    for path in candidates:
        if path.is_file():
            return path
    raise UsageError(
        f"there is no recipe {name_or_path}",
        hint=f"Name a TOML file, or one of: {', '.join(recipe_names())}.",
    )


def _apply(tree: dict, override: str) -> None:
    key, equals, value = override.partition("=")
    *sections, name = key.strip().split(".")
    if not equals or not name:
        raise UsageError(
            f"--set {override} is not of the form key=value",
            hint="Write for example: --set crawl.per_host_delay_s=2",
        )
    for section in sections:
        tree = tree.setdefault(section, {})
        if not isinstance(tree, dict):
            raise UsageError(
                f"--set {override}: {section} is a value, not a section",
                hint="See docs/architecture.md for the sections of a recipe.",
            )
    try:
        tree[name] = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        tree[name] = value.strip()


def _override_of(error: ValidationError, overrides: list[str]) -> str | None:
    """The override that set what is wrong: the file is not to be searched for it."""
    wrong = f"{_key(error.errors()[0])}."
    for override in reversed(overrides):
        key = f"{override.partition('=')[0].strip()}."
        if key.startswith(wrong) or wrong.startswith(key):  # its section, or a place in its list
            return f"--set {override}"
    return None


def _key(error: ErrorDetails) -> str:
    return ".".join(map(str, error["loc"]))


def _explain(error: ValidationError) -> str:
    first = error.errors()[0]
    key = _key(first)
    if first["type"] == "extra_forbidden":
        return f"unknown key {key}"
    if _concerns_several(first):
        return f"{key}: {first['msg'].removeprefix('Value error, ')}"
    return f"{key}: {first['msg']}, got {first['input']!r}"


def _concerns_several(error: ErrorDetails) -> bool:
    """Whether values do not go together, each of which would do with others."""
    return error["type"] == "value_error" and isinstance(error["input"], dict)


def _remedy(error: ValidationError) -> str:
    first = error.errors()[0]
    if _concerns_several(first):
        return "Change one of the values that it names."
    if first["type"] != "extra_forbidden":
        return "Give it a value of that kind."
    *sections, name = map(str, first["loc"])
    known = _fields(sections)
    nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if nearest:
        return f"Did you mean {'.'.join([*sections, nearest[0]])}?"
    return f"Known keys there: {', '.join(known)}."


def _fields(sections: list[str]) -> list[str]:
    model: type[BaseModel] = Recipe
    for section in sections:
        if section.isdigit():  # a place in a list of sections
            continue
        annotation = model.model_fields[section].annotation
        kinds = (annotation, *get_args(annotation))
        model = next(k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel))
    return list(model.model_fields)
