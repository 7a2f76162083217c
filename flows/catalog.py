"""Finds corpora and runs in the data folder by folder or by hash, and checks their bytes."""

from pathlib import Path

from corpus.errors import UsageError
from corpus.manifest import Manifest, is_finished, read_manifest
from corpus.verify import verify_folder
from flows.summary import corpus_hash, lineage


def finished(data: Path, stage: str) -> list[tuple[Path, Manifest]]:
    """The finished folders of one stage with their manifests, oldest first."""
    folders = [path for path in (data / stage).glob("*") if is_finished(path)]
    found = [(folder, read_manifest(folder)) for folder in folders]
    return sorted(found, key=lambda pair: pair[1].times.finished)


def find_corpus(data: Path, name: str) -> Path:
    """The tokens folder that `name` means: a path, or the beginning of a corpus hash.

    Raises:
        UsageError: none or several match.
    """
    if is_finished(Path(name)):
        return Path(name)
    known = {corpus_hash(folder): folder for folder, _ in finished(data, "tokens")}
    return _only(known, name, f"corpus in {data}", "webtext corpus list")


def find_run(data: Path, name: str) -> Path:
    """The run folder that `name` means: a path, or the beginning of a run id.

    Raises:
        UsageError: none or several match.
    """
    if is_finished(Path(name)):
        return Path(name)
    known = {folder.name: folder for folder, _ in finished(data, "runs")}
    return _only(known, name, f"finished run in {data / 'runs'}", f"ls {data / 'runs'}")


def results_of(folder: Path, stage: str, role: str) -> list[Path]:
    """The finished folders of `stage` whose input `role` is this folder, oldest first."""
    wanted = read_manifest(folder).hash
    return [
        result
        for result, manifest in finished(folder.parents[1], stage)
        if manifest.inputs[role].hash == wanted
    ]


def verify_lineage(folder: Path) -> tuple[int, int]:
    """Check each file of a corpus and of the stages before it against the manifests' sha256.

    Returns:
        How many files and bytes were read.

    Raises:
        WebtextError: a file is missing or its bytes are not what was written.
    """
    sizes = [size for stage in lineage(folder).values() for size in verify_folder(stage)]
    return len(sizes), sum(sizes)


def _only(known: dict[str, Path], name: str, what: str, listing: str) -> Path:
    matches = [path for key, path in known.items() if key.startswith(name)]
    if len(matches) == 1:
        return matches[0]
    problem = "there is no" if not matches else "there is more than one"
    raise UsageError(f"{problem} {what} called {name}", hint=f"See: {listing}")
