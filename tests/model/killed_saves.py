"""Saves a checkpoint over another one and is killed before the 1st, the 2nd, ... file is in place.

Prints, for each kill, [step, value of the weights] of what is there, or "missing".
"""

import json
import os
import shutil
import signal
import sys
from pathlib import Path
from unittest import mock

import torch

from corpus.errors import WebtextError
from corpus.tokenizer import Tokenizer
from model.checkpoint import load_checkpoint, save_weights
from model.gpt2 import GPT2
from model.settings import GPT2Config

CONFIG = GPT2Config(vocab_size=257, block_size=2, n_layer=1, n_head=1, n_embd=2)


def save(folder: Path, step: int) -> None:
    """All weights are the number of the step."""
    weights = {
        name: torch.full_like(tensor, float(step))
        for name, tensor in GPT2(CONFIG).state_dict().items()
    }
    save_weights(folder, weights, CONFIG, Tokenizer.from_merges([]), step)


def save_and_die(folder: Path, num_files: int) -> None:
    """Save step 2; kill -9 instead of renaming the file number `num_files` from 0."""
    replace, done = Path.replace, []

    def counted(path: Path, target: Path) -> Path:
        if len(done) == num_files:
            os.kill(os.getpid(), signal.SIGKILL)
        done.append(target)
        return replace(path, target)

    with mock.patch.object(Path, "replace", counted):
        save(folder, 2)
    os._exit(0)


def read(folder: Path) -> list | str:
    """What a reader finds."""
    try:
        checkpoint = load_checkpoint(folder)
    except WebtextError as exc:
        return "missing" if "config.json is missing" in exc.message else exc.message
    return [checkpoint.step, float(checkpoint.model.ln_f.weight[0])]


def main() -> None:
    """Called with an empty folder."""
    torch.set_num_threads(1)  # threads do not outlive a fork
    was_killed, num_files = True, 0
    while was_killed:
        folder = Path(sys.argv[1]) / str(num_files)
        save(folder, 1)
        child = os.fork()
        if not child:
            save_and_die(folder, num_files)
        was_killed = os.waitpid(child, 0)[1] == signal.SIGKILL
        sys.stdout.write(f"{json.dumps(read(folder))}\n")
        shutil.rmtree(folder)
        num_files += 1


if __name__ == "__main__":
    main()
