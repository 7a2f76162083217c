"""Which corpus "latest" is, and what a corpus that is extended asks of the recipe."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest

from corpus.atomic import write_bytes
from corpus.errors import UsageError, WebtextError
from corpus.manifest import MANIFEST, WITHDRAWN, Times, read_manifest, write_manifest
from corpus.schema import DOCUMENTS, PAGES
from corpus.settings import Section
from corpus.stage import StageWriter
from corpus.tokenizer import Tokenizer
from corpus.tokens.stage import TokensConfig
from crawler.links.crawled import SIDECAR
from flows.corpora.summary import corpus_hash, documents_of
from flows.extend_corpus import Base, find_base, remember_recipe
from flows.link_sources import link_inputs
from flows.recipe import Recipe, load_recipe

TOKENS = TokensConfig(vocab_size=300, val_fraction=0.2)
MERGES = [("a", "b"), ("e", "f")]


def recipe(
    name: str = "mine", extends: str | None = "latest", tokens: TokensConfig = TOKENS
) -> Recipe:
    return Recipe(name=name, extends=extends, tokens=tokens)


def with_tokenizer(folder: Path) -> Recipe:
    return recipe(tokens=TOKENS.model_copy(update={"tokenizer": folder}))


class Corpora:
    """A data folder with corpora of no documents, each an hour younger than the one before."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self._hours = 0

    def add(self, name: str, for_recipe: str | None = "mine", base: Path | None = None) -> Path:
        """A corpus in `tokens/NAME` of pages and unique documents of its own."""
        pages = self._stage("pages", name, {}, [("pages-00000.arrow", PAGES)])
        shards = [("documents-00000.arrow", DOCUMENTS)]
        documents = self._stage("unique", name, {"pages": pages}, shards)
        if for_recipe:
            remember_recipe(recipe(for_recipe), documents)
        inputs = {"documents": documents}
        if base is not None:
            sources = inputs | {"base": documents_of(base)}
            extended = self._stage("extended", name, sources, shards)
            inputs = {"documents": extended, "base": base}
        Tokenizer.from_merges(MERGES).save(self.data / "tokens" / name / "tokenizer")
        return self._stage("tokens", name, inputs, [], TOKENS)

    def replace(self, old: Path, name: str) -> Path:
        """What a takedown does to a folder: a new version, and the old one's data is gone."""
        new = old.with_name(name)
        shutil.copytree(old, new, ignore=shutil.ignore_patterns(".*"))
        update = {"replaces": old.name, "times": self.times()}
        write_manifest(new, read_manifest(old).model_copy(update=update))
        record = read_manifest(old).model_copy(update={"replaced_by": name})
        write_bytes(old / WITHDRAWN, record.model_dump_json(by_alias=True).encode())
        (old / MANIFEST).unlink()
        return new

    def _stage(self, stage: str, name: str, inputs: dict, shards: list, config=None) -> Path:
        folder = self.data / stage / name
        writer = StageWriter(stage, config or Section(), inputs, folder)
        for shard, schema in shards:
            writer.write(shard, [], schema)
        manifest = writer.finish(0)
        write_manifest(folder, manifest.model_copy(update={"times": self.times()}))
        return folder

    def times(self) -> Times:
        self._hours += 1
        when = datetime(2018, 1, 1, tzinfo=UTC) + timedelta(hours=self._hours)
        return Times(started=when, finished=when)


@pytest.fixture
def corpora(tmp_path: Path) -> Corpora:
    return Corpora(tmp_path / "data")


def found(corpora: Corpora, wanted: Recipe) -> Path | None:
    base = find_base(wanted, corpora.data)
    return base and base.tokens


def test_latest_is_the_recipe_s_newest_and_the_first_build_has_none(corpora: Corpora, capsys):
    assert found(corpora, recipe()) is None
    assert "this build is the first" in capsys.readouterr().err
    corpora.add("a1")
    newest = corpora.add("a2")
    other = corpora.add("b1", for_recipe="other")
    assert found(corpora, recipe()) == newest
    assert found(corpora, recipe("other")) == other
    assert found(corpora, recipe("third")) is None
    assert found(corpora, recipe(extends=None)) is None
    corpora.add("b2", for_recipe="other", base=newest)
    assert found(corpora, recipe()) == newest, "another recipe's extension is not this recipe's"
    unknown = corpora.add("c1", for_recipe=None)
    assert found(corpora, recipe()) == found(corpora, recipe("third")) == unknown


def test_two_recipes_with_the_same_documents_both_know_them(corpora: Corpora):
    tokens = corpora.add("a1")
    remember_recipe(recipe("other"), documents_of(tokens))
    assert found(corpora, recipe()) == found(corpora, recipe("other")) == tokens


def test_after_a_takedown_latest_is_the_new_version_also_of_an_older_corpus(corpora: Corpora):
    first = corpora.add("a1")
    second = corpora.add("a2", base=first)
    third = corpora.replace(second, "a3")
    assert found(corpora, recipe()) == third
    corpora.add("a4", for_recipe="other")
    again = corpora.replace(third, "a5")
    # The old one, made anew after it, is no news: the other extends it.
    manifest = read_manifest(first)
    write_manifest(first, manifest.model_copy(update={"times": corpora.times()}))
    assert found(corpora, recipe()) == again


def test_a_new_version_of_the_documents_is_still_the_recipe_s(corpora: Corpora):
    tokens = corpora.add("a1")
    corpora.replace(documents_of(tokens), "a2")
    manifest = read_manifest(tokens)
    source = manifest.inputs["documents"]
    path = source.path.replace("a1", "a2")
    inputs = {"documents": source.model_copy(update={"path": path})}
    write_manifest(tokens, manifest.model_copy(update={"inputs": inputs}))
    assert found(corpora, recipe()) == tokens
    assert found(corpora, recipe("other")) is None


def test_a_withdrawn_base_names_what_took_its_place(corpora: Corpora):
    old = corpora.add("a1")
    new = corpora.replace(old, "a2")
    with pytest.raises(WebtextError, match="withdrawn by a takedown") as caught:
        find_base(recipe(extends=str(old)), corpora.data)
    assert str(new) in caught.value.hint


def test_a_corpus_is_named_by_hash_or_folder_and_lies_in_the_data_folder(
    corpora: Corpora, tmp_path: Path
):
    tokens = corpora.add("a1")
    assert found(corpora, recipe(extends=corpus_hash(tokens)[:8])) == tokens
    assert found(corpora, recipe(extends=str(tokens))) == tokens
    elsewhere = Corpora(tmp_path / "elsewhere").add("a2")
    for wrong in (documents_of(tokens), elsewhere):
        with pytest.raises(UsageError, match="is no corpus in"):
            find_base(recipe(extends=str(wrong)), corpora.data)
    with pytest.raises(UsageError, match="there is no corpus"):
        find_base(recipe(extends="ffff"), corpora.data)


@pytest.mark.parametrize(("key", "value"), [("val_fraction", 0.1), ("split_by", "document")])
def test_a_recipe_that_would_split_otherwise_is_an_error(corpora: Corpora, key: str, value: object):
    corpora.add("a1")
    otherwise = TOKENS.model_copy(update={key: value})
    with pytest.raises(UsageError, match=rf"tokens\.{key} is {value} in the recipe"):
        find_base(recipe(tokens=otherwise), corpora.data)


def test_the_tokenizer_is_the_base_s_and_a_given_one_must_be_the_same(
    corpora: Corpora, tmp_path: Path
):
    tokens = corpora.add("a1")
    assert Base(tokens).tokens_config(TOKENS).vocab_size == 259, "not the 300 that were asked for"
    same = with_tokenizer(tokens / "tokenizer")
    assert found(corpora, same) == tokens
    Tokenizer.from_merges(MERGES[:1]).save(tmp_path / "other")
    with pytest.raises(UsageError, match="is not the tokenizer of corpus"):
        find_base(with_tokenizer(tmp_path / "other"), corpora.data)


def test_every_round_is_known_to_the_next_one(corpora: Corpora):
    first = corpora.add("a1")
    third = corpora.add("a3", base=corpora.add("a2", base=first))
    names = ["a3", "a2", "a1"]
    assert [path.name for path in Base(third).kept] == names
    assert [path.name for path in Base(third).pages] == names


def test_a_round_that_was_given_up_is_no_reason_to_skip_its_links(corpora: Corpora, tmp_path: Path):
    (tmp_path / "urls.txt").write_text("http://a.example/\n")
    base = Base(corpora.add("a1"))
    corpora.add("given-up")
    source = f"links.urls=['{tmp_path}/urls.txt']"
    crawled = link_inputs(load_recipe("webtext", [source]), corpora.data, None, base.pages)
    assert num_folders(crawled) == 1
    any_build = load_recipe("webtext", [source, "links.skip_crawled=true"])
    assert num_folders(link_inputs(any_build, corpora.data, None)) == 2


def num_folders(inputs: dict[str, Path]) -> int:
    """Of how many folders of pages the filter of what was crawled is made."""
    return len(orjson.loads((inputs["crawled"] / SIDECAR).read_bytes())["manifests"])
