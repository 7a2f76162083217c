"""Which weights a name means: those of a run, finished or still training, or any others."""

from pathlib import Path

from corpus.errors import UsageError, WebtextError
from corpus.manifest import is_finished
from corpus.storage.files import fetch_files
from model.hub import resolve_weights
from model.settings import CHECKPOINT, CONFIG_FILE
from model.training.training_state import RUN_CHECKPOINTS, newest


def find_weights(data: Path, name: str) -> Path:
    """The checkpoint folder that `name` means; of a run that still trains, the newest one.

    Args:
        data: The data folder, in which runs are looked for.
        name: A run's folder or the beginning of its id, a checkpoint or Hugging Face folder, or a
            GPT-2 of the Hugging Face hub.

    Raises:
        UsageError: it means none of these, or several runs.
        WebtextError: the run has no checkpoint yet, or the hub cannot be reached.
    """
    run = _find_run(data, name)
    if run is None:
        return _other_weights(data, name)
    fetch_files(run)
    if (run / CHECKPOINT).is_dir():
        return run / CHECKPOINT
    checkpoint = newest(run)
    if checkpoint is None:
        raise WebtextError(
            f"the run {run} has no checkpoint yet",
            hint="Wait for its first one (train.checkpoint_every says when), or name another run.",
        )
    return checkpoint


def find_final_weights(data: Path, name: str) -> Path:
    """As `find_weights`, and what it finds stays so: a training resumes from nothing else.

    Raises:
        UsageError: the run still trains; or as `find_weights`.
    """
    found = find_weights(data, name)
    run = found.parents[1]
    is_named = Path(name).resolve() == found.resolve()
    if found.parent.name == RUN_CHECKPOINTS and not is_finished(run) and not is_named:
        raise UsageError(
            f"the run {name} still trains, and its weights change",
            hint=f"Wait for its end, or name a checkpoint of it: --init-from {found}",
        )
    return found


def _find_run(data: Path, name: str) -> Path | None:
    if _is_run(Path(name)):
        return Path(name)
    runs = sorted(path for path in (data / "runs").glob("*") if _is_run(path))
    matches = [path for path in runs if path.name.startswith(name)]
    if len(matches) > 1:
        raise UsageError(
            f"there is more than one run in {data / 'runs'} called {name}",
            hint=f"Write more of its id: {', '.join(path.name for path in matches)}.",
        )
    return matches[0] if matches else None


def _other_weights(data: Path, name: str) -> Path:
    try:
        return resolve_weights(name)
    except UsageError as exc:
        raise UsageError(
            f"there is no run in {data / 'runs'}, no folder and no model of the hub called {name}",
            hint=f"See: ls {data / 'runs'}. {exc.hint}",
        ) from exc


def _is_run(path: Path) -> bool:
    # Of what lies in S3 only, no more is here than the manifest.
    is_stored = path.parent.name == "runs" and is_finished(path)
    is_begun = (path / CONFIG_FILE).is_file() or (path / RUN_CHECKPOINTS).is_dir()
    return is_stored or is_begun or (path / CHECKPOINT).is_dir()
