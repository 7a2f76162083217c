"""A small tokens folder, made by the real stage, for all tests of the model."""

import hashlib
import random

import pytest
import torch

from corpus.runtime import Runtime
from corpus.schema import DOCUMENTS
from corpus.settings import Section
from corpus.shards import shard_name
from corpus.stage import StageWriter
from corpus.tokens.stage import TokensConfig, run

WORDS = ["the", "crawler", "reads", "a", "page", "and", "writes", "its", "text", "to", "disk"]


class NoConfig(Section):
    pass


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    # Tiny tensors on several threads only wait for each other, for minutes on a busy machine.
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tokens(tmp_path_factory):
    folder = tmp_path_factory.mktemp("documents")
    generator = random.Random(0)
    rows = [
        dict.fromkeys(DOCUMENTS.names)
        | {
            "id": hashlib.sha256(bytes([i])).hexdigest()[:16],
            "text": " ".join(generator.choices(WORDS, k=60)),
        }
        for i in range(60)
    ]
    writer = StageWriter("unique", NoConfig(), {}, folder)
    writer.write(shard_name("documents", 0), rows, DOCUMENTS)
    writer.finish(len(rows))
    output = tmp_path_factory.mktemp("tokens")
    config = TokensConfig(vocab_size=280, val_fraction=0.2)
    run(config, {"documents": folder}, output, Runtime())
    return output
