"""Where a corpus comes from: the corpora that it was made of, back to the first one."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from corpus.errors import UsageError
from corpus.manifest import is_finished, is_withdrawn, read_record
from flows.corpora.summary import corpora, corpus_hash, documents_of, source_of

_MADE_OF = {"extended": "base", "decontaminated": "documents"}
"""The stages that make a corpus of another one's documents, and their role for these."""


class Origin(NamedTuple):
    """One step back in a corpus's history."""

    how: str
    """`extended`, `decontaminated`, or `without what was taken down`."""
    name: str
    """Of the corpus that it was made of: its hash, or a folder's name if its record is gone."""
    tokens: Path | None
    """That corpus; None: its record is gone."""

    def __str__(self) -> str:
        return f"{self.how} from {self.name}"


def origin(tokens: Path) -> Origin | None:
    """The corpus that this one was made of; None: it was made of links or archives.

    Args:
        tokens: A finished or withdrawn tokens folder.
    """
    if replaced := read_record(tokens).replaces:
        folder = tokens.with_name(replaced)
        return _origin("without what was taken down", folder, folder if _is_known(folder) else None)
    documents = documents_of(tokens)
    if not _is_known(documents):
        return None
    stage = read_record(documents).stage
    if stage not in _MADE_OF:
        return None
    source = source_of(documents, _MADE_OF[stage])
    return _origin(stage, source, _corpus_of(source, tokens))


def history(tokens: Path) -> Iterator[Origin]:
    """What a corpus comes from, the latest step first."""
    folder: Path | None = tokens
    while folder and (step := origin(folder)):
        yield step
        folder = step.tokens


def successor(tokens: Path) -> str:
    """The name of the corpus that took a withdrawn one's place; empty: none did."""
    replaced_by = read_record(tokens).replaced_by
    if not replaced_by:
        return ""
    folder = tokens.with_name(replaced_by)
    return corpus_hash(folder) if _is_known(folder) else replaced_by


def _origin(how: str, source: Path, tokens: Path | None) -> Origin:
    return Origin(how, corpus_hash(tokens) if tokens else source.name, tokens)


def _corpus_of(documents: Path, later: Path) -> Path | None:
    """The last corpus that was made of these documents before the corpus `later`."""
    end = read_record(later).times.finished
    made = [
        folder
        for folder, record in corpora(later.parents[1])
        if record.times.finished < end and documents_of(folder) == documents
    ]
    return made[-1] if made else None


def _is_known(folder: Path) -> bool:
    return is_finished(folder) or is_withdrawn(folder)


def find_recorded(data: Path, name: str) -> Path:
    """The tokens folder that `name` means: a path, or the beginning of a hash; withdrawn ones too.

    Raises:
        UsageError: none or several match.
    """
    if _is_known(Path(name)):
        return Path(name)
    matches = [folder for folder, _ in corpora(data) if corpus_hash(folder).startswith(name)]
    if len(matches) == 1:
        return matches[0]
    problem = "there is more than one" if matches else "there is no"
    raise UsageError(
        f"{problem} corpus in {data} called {name}", hint=f"See: webtext corpus list --data {data}"
    )
