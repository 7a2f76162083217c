"""Finds corpora and runs in the data folder by folder or by hash, and checks their bytes."""

from pathlib import Path

from corpus.errors import UsageError, WebtextError
from corpus.manifest import Manifest, is_finished, is_withdrawn, read_manifest, read_record
from corpus.takedown.withdrawn import current_version
from corpus.verify import verify_folder
from flows.corpora.summary import corpora, corpus_hash, lineage, source_of


def finished(data: Path, stage: str) -> list[tuple[Path, Manifest]]:
    """The finished folders of one stage with their manifests, oldest first; no withdrawn ones."""
    folders = [path for path in (data / stage).glob("*") if is_finished(path)]
    found = [(folder, read_manifest(folder)) for folder in folders]
    return sorted(found, key=lambda pair: pair[1].times.finished)


def find_corpus(data: Path, name: str) -> Path:
    """The tokens folder that `name` means: a path, or the beginning of a corpus hash.

    Raises:
        UsageError: none or several match, or it was withdrawn by a takedown.
    """
    if is_finished(Path(name)):
        return Path(name)
    known = {corpus_hash(folder): folder for folder, _ in finished(data, "tokens")}
    if not any(key.startswith(name) for key in known):
        for folder in _withdrawn(data, name):
            newer = current_version(folder)
            raise UsageError(
                f"corpus {corpus_hash(folder)} was withdrawn by a takedown: its data is gone",
                hint=f"Use {corpus_hash(newer)}, which took its place."
                if is_finished(newer)
                else "Build it again from its recipe; the takedown list is obeyed.",
            )
    return _only(known, name, f"corpus in {data}", f"webtext corpus list --data {data}")


def find_run(data: Path, name: str) -> Path:
    """The run folder that `name` means: a path, or the beginning of a run id.

    Raises:
        UsageError: none or several match.
    """
    if is_finished(Path(name)):
        return Path(name)
    known = {folder.name: folder for folder, _ in finished(data, "runs")}
    return _only(known, name, f"finished run in {data / 'runs'}", f"ls {data / 'runs'}")


def find_subject(data: Path, name: str) -> Path:
    """The run or the corpus that `name` means: a folder, or the beginning of an id or a hash.

    Raises:
        UsageError: none or several match, or the folder is of another kind.
    """
    folder = Path(name)
    if is_finished(folder):
        if read_manifest(folder).stage in {"run", "tokens"}:
            return folder
        raise UsageError(
            f"{folder} is neither a run nor a corpus",
            hint=f"Name a folder in {data / 'runs'} or {data / 'tokens'}.",
        )
    known = {corpus_hash(folder): folder for folder, _ in finished(data, "tokens")}
    known |= {folder.name: folder for folder, _ in finished(data, "runs")}
    listing = f"webtext corpus list --data {data}; ls {data / 'runs'}"
    return _only(known, name, f"finished run or corpus in {data}", listing)


def results_of(folder: Path, stage: str, role: str) -> list[Path]:
    """The finished folders of `stage` whose input `role` is this folder, oldest first."""
    wanted = read_record(folder).hash
    return [
        result
        for result, manifest in finished(folder.parents[1], stage)
        if role in manifest.inputs and manifest.inputs[role].hash == wanted
    ]


def verify_lineage(folder: Path) -> tuple[int, int]:
    """Check each file of a corpus and of the stages before it against the manifests' sha256.

    What a takedown withdrew, such as the matches behind a decontaminated corpus, has no files.

    Returns:
        How many files and bytes were read.

    Raises:
        WebtextError: a file is missing, its bytes are not what was written, a stage is not the one
            that the next was made from, or the corpus was withdrawn.
    """
    read_manifest(folder)  # must not be withdrawn itself
    stages = [stage for stage in lineage(folder).values() if not is_withdrawn(stage)]
    for stage in stages:
        _check_inputs(stage)
    sizes = [size for stage in stages for size in verify_folder(stage)]
    return len(sizes), sum(sizes)


def _check_inputs(folder: Path) -> None:
    """See that the stages a folder was made from are the ones that lie there now."""
    for role, recorded in read_manifest(folder).inputs.items():
        path = source_of(folder, role)
        if (is_finished(path) or is_withdrawn(path)) and read_record(path).hash != recorded.hash:
            raise WebtextError(
                f"{path} is not what {folder} was made from: its manifest has another hash",
                hint=f"Put the right version back in its place; or remove {folder} and every "
                "later one that was made from it, and build again.",
            )


def _withdrawn(data: Path, name: str) -> list[Path]:
    """The withdrawn corpora that a name may mean, the newest first."""
    gone = [folder for folder, _ in reversed(corpora(data)) if is_withdrawn(folder)]
    if is_withdrawn(Path(name)):
        return [Path(name)]
    return [folder for folder in gone if corpus_hash(folder).startswith(name)]


def _only(known: dict[str, Path], name: str, what: str, listing: str) -> Path:
    matches = [path for key, path in known.items() if key.startswith(name)]
    if len(matches) == 1:
        return matches[0]
    problem = "there is no" if not matches else "there is more than one"
    raise UsageError(f"{problem} {what} called {name}", hint=f"See: {listing}")
