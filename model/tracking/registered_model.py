"""The checkpoint of a finished training as a version of a registered model, without a pickle."""

import tempfile
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import url2pathname

from corpus.atomic import write_bytes
from corpus.storage.hard_links import link_file
from model.settings import CHECKPOINT
from model.tracking.store import Store

_MODEL = "model"
_LOADER = "model.tracking.served_model"


def register_model(store: Store, run_id: str, name: str, run: Path) -> None:
    """Keep `run/checkpoint` with its MLflow run, and register it, once per run.

    Where the artifacts lie in a folder the checkpoint's files are linked, whatever their size: no
    byte is copied. An artifact store behind a server or on S3 gets them; a file that is there
    already is not sent again.

    Args:
        store: MLflow.
        run_id: The training's run.
        name: The registered model; made if there is none.
        run: The training's folder.
    """
    client = store.client
    versions = client.search_model_versions(f"run_id = '{run_id}'")
    if any(version.name == name for version in versions) or not (run / CHECKPOINT).is_dir():
        return
    with tempfile.TemporaryDirectory() as scratch:
        described = Path(scratch) / "MLmodel"
        write_bytes(described, _mlmodel(run_id).encode())
        files = {_MODEL: [described], f"{_MODEL}/{CHECKPOINT}": _files(run / CHECKPOINT)}
        artifacts = str(client.get_run(run_id).info.artifact_uri)
        for where, paths in files.items():
            _put(store, run_id, artifacts, where, paths)
    _make_name(store, name)
    client.create_model_version(name, f"{artifacts}/{_MODEL}", run_id)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file())


def _mlmodel(run_id: str) -> str:
    """The MLmodel file of a python function: how to load it, and text in, text out."""
    from mlflow.models import Model, ModelSignature
    from mlflow.types import ColSpec, DataType, Schema

    texts = ModelSignature(
        inputs=Schema([ColSpec(DataType.string, "prompt")]),
        outputs=Schema([ColSpec(DataType.string)]),
    )
    model = Model(artifact_path=_MODEL, run_id=run_id, signature=texts)
    model.add_flavor("python_function", loader_module=_LOADER, data=CHECKPOINT)
    return model.to_yaml()


def _put(store: Store, run_id: str, artifacts: str, where: str, paths: list[Path]) -> None:
    address = urlparse(artifacts)
    if address.scheme in {"", "file"}:
        for path in paths:
            link_file(path, Path(url2pathname(address.path)) / where / path.name)
        return
    sizes = {file.path: file.file_size for file in store.client.list_artifacts(run_id, where)}
    for path in paths:
        if sizes.get(f"{where}/{path.name}") != path.stat().st_size:
            store.client.log_artifact(run_id, str(path), where)


def _make_name(store: Store, name: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        store.client.create_registered_model(name)
    except MlflowException as exc:
        if exc.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
