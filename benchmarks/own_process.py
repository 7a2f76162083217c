"""Runs a module in a process of its own, without the servers that this shell may name."""

import os
import subprocess
import sys

_SERVERS = ("PREFECT_API_URL", "MLFLOW_TRACKING_URI")


def run_module(*words: str) -> str:
    """What `python -m WORDS` prints.

    Raises:
        SystemExit: it failed; with all that it said.
    """
    environment = {name: value for name, value in os.environ.items() if name not in _SERVERS}
    done = subprocess.run(
        [sys.executable, "-m", *words],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(words)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout
