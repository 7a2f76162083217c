"""A data folder with everything that a report shows, made in seconds; its pages are hostile."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from corpus.metrics import append_metrics
from corpus.runtime import Runtime
from corpus.stage import StageWriter
from corpus.tokens.stage import TokensConfig, run as run_tokens
from dedup.overlap import index, stage as overlap
from evaluation import evaluate
from evaluation.settings import EvaluateConfig
from model.generation.sample import SAMPLES
from model.generation.settings import SampleConfig
from model.settings import ModelConfig, RunConfig, TrainConfig
from tests.flows.small_corpora import document, document_id, write_corpus
from tests.flows.small_runs import VOCAB_SIZE, write_run

HOSTILE = "</script></title></style><img src=x onerror=alert(1)><script>alert(2)</script>"
QUOTED = "what a training document says in so many words and what the model repeats"
NUM_DOCUMENTS, NUM_STEPS = 60, 40


class Reported(NamedTuple):
    """What may be reported, and another of each kind to compare it with."""

    data: Path
    tokens: Path
    run: Path
    other_tokens: Path
    other_run: Path
    """Trained on the same corpus."""


def write_reported(data: Path) -> Reported:
    """Corpora with all stages and their overlap; runs with curves, samples and scores."""
    tokens, other_tokens = write_tokens(data, "a"), write_tokens(data, "b", vocab_size=270)
    runs = write_trained(data, tokens, "a", 1e-3), write_trained(data, tokens, "b", 2e-3, 12)
    for run in runs:
        inputs = {"run": run, "tokens": tokens}
        config = EvaluateConfig(tasks=("heldout",), strides=(64,))
        evaluate.run(config, inputs, data / "scores" / run.name, Runtime())
    samples = StageWriter("samples", SampleConfig(), {"run": runs[0]}, data / "samples" / "a")
    texts = [{"prompt": HOSTILE, "text": f"Once {HOSTILE} {QUOTED}, and so on."}]
    samples.write("samples-00000.arrow", texts, SAMPLES)
    samples.finish(1)
    return Reported(data, tokens, runs[0], other_tokens, runs[1])


def write_tokens(data: Path, name: str, vocab_size: int = VOCAB_SIZE) -> Path:
    """The corpus, and the overlap of its held-out split."""
    rows = [
        document(
            f"https://site{i % 7}.example/{name}/{i}",
            f"Page {i} of {name}: {QUOTED}. " + f"word{i} " * (20 + 5 * i),
            score=3 + i * i,
            first_seen=datetime(2016, 1, 1, tzinfo=UTC) + timedelta(days=9 * i),
            language="en" if i % 3 else "fr",
            title=HOSTILE if i % 2 else f"Title {i}",
        )
        for i in range(NUM_DOCUMENTS)
    ]
    first = document_id(rows[0]["url"])
    rejects = {
        "links": [{"key": "dump:1", "reason": "low_score", "detail": "score 1"}],
        "pages": [
            {"key": f"https://gone.example/{i}", "reason": "http_404", "detail": HOSTILE}
            for i in range(9)
        ],
        "documents": [
            {"key": "javascript:alert(3)", "reason": "not_english", "detail": HOSTILE},
        ],
        "unique": [
            *(
                {"key": f"https://copy.example/{i}", "reason": "exact_duplicate", "detail": first}
                for i in range(7)
            ),
            {
                "key": "https://near.example/",
                "reason": "near_duplicate",
                "detail": f"{document_id(rows[1]['url'])} 0.912",
            },
        ],
    }
    shutil.rmtree(write_corpus(data, name, rows, rejects))  # its tokens are no words
    tokens, documents = data / "tokens" / name, data / "unique" / name
    config = TokensConfig(vocab_size=vocab_size, val_fraction=0.3)
    run_tokens(config, {"documents": documents}, tokens, Runtime())
    both = {"documents": documents, "tokens": tokens}
    index.run(index.NgramsConfig(), both, data / "ngrams" / name, Runtime())
    measured = {"ngrams": data / "ngrams" / name, "tokens": tokens}
    overlap.run(overlap.OverlapConfig(), measured, data / "overlap" / name, Runtime())
    return tokens


def write_trained(data: Path, tokens: Path, name: str, lr: float, n_embd: int = 8) -> Path:
    """A run that looks as if it had been trained."""
    run = data / "runs" / name
    run.mkdir(parents=True)
    for step in range(1, NUM_STEPS + 1):
        line = {"step": step, "loss": 5 - step / 20, "lr": lr, "grad_norm": 1.0, "tokens_per_s": 9}
        append_metrics(run, line | ({} if step % 10 else {"val_loss": 5.1 - step / 20}))
    config = RunConfig(
        model=ModelConfig(block_size=64, n_layer=1, n_head=1, n_embd=n_embd),
        train=TrainConfig(lr=lr),
    )
    write_run(run, tokens, config)
    return run
