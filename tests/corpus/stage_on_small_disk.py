"""Runs a stage on a real disk of its own that is too small at first, then grown step by step.

Its `main`, in a mount namespace where it may mount, writes a line of JSON per size: what the stage
said and which files it left.
"""

import json
import subprocess
import sys
from pathlib import Path

from corpus.errors import WebtextError
from tests.corpus.small_corpus import run_stage


def main() -> None:
    """Called with the arguments STAGE DATA DISK KIB..."""
    stage, data, disk = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    folders = {path.parent.name: path for path in data.glob("*/*")}
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", disk], check=True)
    for size in sys.argv[4:]:
        subprocess.run(["mount", "-o", f"remount,size={size}k", disk], check=True)
        said = {"error": "", "hint": "", "hash": ""}
        try:
            said["hash"] = run_stage(stage, folders, disk / "out").hash
        except WebtextError as exc:
            said |= {"error": exc.message, "hint": exc.hint}
        names = [path.name for path in disk.rglob("*")]
        unfinished = [name for name in names if name.endswith(".part")]
        scratch = [name for name in names if name.startswith(".")]
        shards = [name for name in names if name.endswith(".arrow") and name not in scratch]
        found = {"unfinished": unfinished, "scratch": scratch, "shards": shards}
        sys.stdout.write(f"{json.dumps(said | found)}\n")
