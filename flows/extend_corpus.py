"""Which corpus a build extends, and what of it the new round must know."""

from dataclasses import dataclass
from pathlib import Path

from corpus.atomic import write_bytes
from corpus.errors import UsageError
from corpus.manifest import is_finished, is_withdrawn, read_manifest
from corpus.stage import data_shards
from corpus.storage.files import fetch
from corpus.tokenizer import Tokenizer
from corpus.tokens.stage import TOKENIZER_FOLDER, TokensConfig
from flows.commands.display import current_display
from flows.corpora.catalog import find_corpus, finished
from flows.corpora.summary import ancestors, corpus_hash, documents_of, source_of
from flows.recipe import Recipe

EXTENDS = "extends"
LATEST = "latest"

# Beside the unique documents, the names of the recipes that they were made for, a line each.
_RECIPES = ".recipes"
_FREE = frozenset({"vocab_size", "tokenizer"})
"""Settings of [tokens] that an extension takes from the base without a word."""


@dataclass(frozen=True)
class Base:
    """A corpus that is to be extended."""

    tokens: Path
    """Its tokens folder."""

    @property
    def documents(self) -> Path:
        """Its documents: what the new ones are put behind."""
        return documents_of(self.tokens)

    @property
    def tokenizer(self) -> Path:
        """The folder of its tokenizer."""
        return self.tokens / TOKENIZER_FOLDER

    @property
    def pages(self) -> list[Path]:
        """The folders of pages that it was made of."""
        return [each for each in ancestors(self.tokens).get("pages", []) if is_finished(each)]

    @property
    def kept(self) -> list[Path]:
        """The documents that new ones must not be copies of.

        Those of each round as they were found: a text that was trimmed, or taken out because a
        benchmark holds it, is known in full.
        """
        rounds = ancestors(self.tokens).get("unique", [])
        return rounds if rounds and all(map(is_finished, rounds)) else [self.documents]

    def tokens_config(self, wanted: TokensConfig) -> TokensConfig:
        """How to make tokens of the extended corpus: as the base's were made.

        Args:
            wanted: The recipe's.

        Raises:
            UsageError: the recipe would split or encode the documents otherwise.
        """
        made = read_manifest(self.tokens)
        for key, value in wanted.identity().items():
            if key not in _FREE and made.config.get(key) != value:
                raise UsageError(
                    f"tokens.{key} is {value} in the recipe, and {made.config.get(key)} in corpus "
                    f"{corpus_hash(self.tokens)}, which it extends",
                    hint="An extended corpus keeps its held-out split: set tokens."
                    f"{key} to the corpus's value, or build a corpus of its own.",
                )
        if wanted.tokenizer is not None:
            self._check_tokenizer(wanted.tokenizer)
        vocab_size = Tokenizer.load(self.tokenizer).vocab_size
        return wanted.model_copy(update={"vocab_size": vocab_size})

    def _check_tokenizer(self, given: Path) -> None:
        if Tokenizer.load(given).fingerprint != Tokenizer.load(self.tokenizer).fingerprint:
            raise UsageError(
                f"tokens.tokenizer, {given}, is not the tokenizer of corpus "
                f"{corpus_hash(self.tokens)}, which the recipe extends",
                hint="Leave tokens.tokenizer out: an extended corpus keeps its tokenizer.",
            )


def find_base(recipe: Recipe, data: Path) -> Base | None:
    """The corpus that the recipe extends; None: it extends none, or this is its first build.

    Raises:
        UsageError: there is no such corpus, or not in this data folder.
        WebtextError: it was withdrawn by a takedown.
    """
    if recipe.extends is None:
        return None
    tokens = (
        latest_corpus(recipe, data) if recipe.extends == LATEST else _named(recipe.extends, data)
    )
    display = current_display()
    if tokens is None:
        display.done(EXTENDS, f"no corpus of recipe {recipe.name} yet: this build is the first")
        return None
    base = Base(tokens)
    vocabulary = data_shards(tokens, f"{TOKENIZER_FOLDER}/")
    fetch(tokens, [f"{TOKENIZER_FOLDER}/{path.name}" for path in vocabulary])
    base.tokens_config(recipe.tokens)  # before a page is fetched for nothing
    num_documents = read_manifest(tokens).counts.out
    display.done(EXTENDS, f"corpus {corpus_hash(tokens)} of {num_documents:,} documents")
    return base


def latest_corpus(recipe: Recipe, data: Path) -> Path | None:
    """The tokens folder of the recipe's newest corpus; None: it has none."""
    mine = [tokens for tokens, _ in finished(data, "tokens") if _is_of(recipe, tokens)]
    # A takedown makes old corpora anew too: what was extended since is not the latest.
    extended = {
        source_of(tokens, "base") for tokens in mine if "base" in read_manifest(tokens).inputs
    }
    return next((tokens for tokens in reversed(mine) if tokens not in extended), None)


def remember_recipe(recipe: Recipe, unique: Path) -> None:
    """Note that these unique documents were made for `recipe`: "latest" asks for it."""
    names = recipes_of(unique) | {recipe.name}
    write_bytes(unique / _RECIPES, "".join(f"{name}\n" for name in sorted(names)).encode())


def _named(name: str, data: Path) -> Path:
    if is_withdrawn(Path(name)):
        read_manifest(Path(name))  # says which version took its place
    tokens = find_corpus(data, name)
    if read_manifest(tokens).stage != "tokens" or tokens.parents[1].resolve() != data.resolve():
        raise UsageError(
            f"{tokens} is no corpus in {data}",
            hint="Name a tokens folder of this data folder, or the beginning of a corpus hash: "
            f"webtext corpus list --data {data}",
        )
    return tokens


def _is_of(recipe: Recipe, tokens: Path) -> bool:
    rounds = ancestors(tokens).get("unique", [])
    names = {name for each in rounds[:1] for name in recipes_of(each)}
    # Of a corpus whose recipe nobody noted, an earlier version's, any may be the one.
    return not names or recipe.name in names


def recipes_of(unique: Path) -> set[str]:
    """The recipes of unique documents, or of those that they are a later version of."""
    path = unique / _RECIPES
    if path.is_file():
        return set(path.read_text(encoding="utf-8").splitlines())
    replaced = read_manifest(unique).replaces if is_finished(unique) else None
    return recipes_of(unique.with_name(replaced)) if replaced else set()
