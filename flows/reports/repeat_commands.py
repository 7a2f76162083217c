"""The commands that would make a corpus and a run again, from what their manifests recorded."""

import json
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from corpus.manifest import Manifest, is_finished, read_record
from corpus.settings import Section
from flows.corpora.history import origin
from flows.corpora.summary import corpus_hash, lineage
from flows.extend_corpus import recipes_of
from flows.recipe import load_recipe, recipe_names

SECTIONS: Final[Mapping[str, str]] = {
    "links": "links",
    "pages": "crawl",
    "documents": "extract",
    "unique": "dedup",
    "trimmed": "paragraphs",
    "tokens": "tokens",
    "ngrams": "ngrams",
    "scores": "evaluate",
    "samples": "sample",
}
"""The recipe's section by the stage that reads it."""


def recipe_of(tokens: Path) -> str:
    """The recipe that a corpus was built with, or of those that we ship the nearest."""
    folders = lineage(tokens)
    unique = folders.get("unique")
    names = recipes_of(unique) if unique and is_finished(unique) else set()
    known = sorted(names.intersection(recipe_names()))
    return known[0] if known else "demo" if "web" in folders else "webtext"


def repeat_commands(folder: Path, results: list[Path]) -> list[str]:
    """What to enter, in order, to make all of it again.

    Args:
        folder: A run, or a tokens folder.
        results: The folders of what was measured of it: "overlap", "scores", "samples".
    """
    folders = lineage(folder)
    tokens = folders["tokens"]
    commands = [_build(tokens)]
    for record in map(read_record, results):
        if record.stage == "overlap":
            commands.append(_line("overlap", corpus_hash(tokens), *_benchmarks(record)))
    if "run" in folders:
        run, recipe = folders["run"], recipe_of(tokens)
        settings = _settings(overrides(read_record(run), recipe))
        corpus = ("--corpus", corpus_hash(tokens))
        commands.append(_line("train", recipe, *corpus, *settings))
        commands += _evaluate(run.name, recipe, results)
        commands.append(_line("report", run.name))
    else:
        commands.append(_line("report", corpus_hash(tokens)))
    return list(dict.fromkeys(commands))


def overrides(record: Manifest, recipe: str) -> list[str]:
    """The settings of a stage that are not the recipe's, as `section.key=value`.

    What TOML cannot say, that a setting is unset, is left out.
    """
    known = load_recipe(recipe)
    if record.stage == "run":
        sections = dict(record.config)
    elif record.stage == "pages" and "files" in record.config:
        sections = {"archives": record.config}
    else:
        sections = {SECTIONS[record.stage]: record.config} if record.stage in SECTIONS else {}
    return [
        f"{name}.{key}={_toml(value)}"
        for name, config in sections.items()
        for key, value in _differing(config, getattr(known, name))
    ]


def _build(tokens: Path) -> str:
    step, recipe = origin(tokens), recipe_of(tokens)
    if step is not None and step.how == "decontaminated":
        return _line("overlap", step.name, "--mode", "spans")
    extended = ("--extend", step.name) if step is not None and step.how == "extended" else ()
    records = map(read_record, lineage(tokens).values())
    settings = [each for record in records for each in overrides(record, recipe)]
    return _line("build", recipe, *extended, *_settings(settings))


def _evaluate(run: str, recipe: str, results: list[Path]) -> Iterator[str]:
    settings = [each for folder in results for each in overrides(read_record(folder), recipe)]
    for record in map(read_record, results):
        if record.stage == "scores":
            name = () if recipe == "webtext" else ("--recipe", recipe)
            yield _line("evaluate", run, *name, *_benchmarks(record), *_settings(settings))


def _benchmarks(record: Manifest) -> tuple[str, ...]:
    source = record.inputs.get("benchmarks")
    return () if source is None else ("--benchmarks", source.path)


def _settings(given: list[str]) -> list[str]:
    return [word for each in given for word in ("--set", each)]


def _line(*words: str) -> str:
    return shlex.join(["webtext", *words])


def _differing(config: object, section: Section) -> Iterator[tuple[str, object]]:
    ours = section.model_dump(mode="json")
    for key, value in config.items() if isinstance(config, dict) else ():
        if key in ours and value is not None and value != ours[key]:
            yield key, value


def _toml(value: object) -> str:
    if isinstance(value, dict):
        pairs = (f"{json.dumps(str(key))} = {_toml(each)}" for key, each in value.items())
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value, ensure_ascii=False)
