"""Our checkpoint as a python function of MLflow: `mlflow.pyfunc.load_model(...).predict(texts)`.

An MLmodel file names this module as its loader, so a registered model holds no pickled code.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from model.checkpoint import Checkpoint, fastest_device, load_checkpoint
from model.generation.settings import SampleConfig
from model.generation.text import write_texts

if TYPE_CHECKING:
    from pandas import DataFrame


class ServedModel:
    """Writes on from prompts."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._checkpoint = checkpoint

    def predict(self, model_input: "DataFrame") -> list[str]:
        """What the model writes after each text in the column `prompt`, the prompt not repeated."""
        prompts = [str(prompt) for prompt in model_input["prompt"]]
        texts = write_texts(self._checkpoint, prompts, SampleConfig())
        return ["".join(pieces) for pieces in texts]


def _load_pyfunc(path: str) -> ServedModel:
    """Called by MLflow with the path of the checkpoint folder."""
    return ServedModel(load_checkpoint(Path(path), fastest_device()))
