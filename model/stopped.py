"""How a training that was asked to stop ends."""

from pathlib import Path


class TrainingStoppedError(KeyboardInterrupt):
    """The training was asked to stop, and did, with a checkpoint; nothing is lost.

    A KeyboardInterrupt, as that is what it began as: nothing that goes on after an error may go on
    after this.

    Args:
        folder: The run's folder.
        step: Steps that are done and saved.
    """

    def __init__(self, folder: Path, step: int) -> None:
        super().__init__(f"stopped after step {step}")
        self.folder = folder
        self.step = step
