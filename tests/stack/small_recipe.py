"""A recipe of seconds on a replayed web, whose dump can grow: what the stack is tried with."""

from pathlib import Path

import orjson

from tests.crawler.documents.small_pages import page
from tests.crawler.small_webs import write_web
from tests.flows.test_contamination import article

NUM_PAGES = 40
_RECIPE = """
extends = "latest"
[links]
dumps = ["{folder}/RS_1"]
partitions = 2
[crawl]
replay = "{folder}/web"
per_host_delay_s = 0.0
pause_s = 0.05
[tokens]
vocab_size = 300
val_fraction = 0.3
[model]
block_size = 32
n_layer = 1
n_head = 2
n_embd = 32
[train]
steps = {steps}
batch_size = 4
micro_batch_size = 4
warmup_steps = 2
eval_every = {steps}
eval_windows = 8
[evaluate]
tasks = ["heldout"]
[sample]
max_new_tokens = 10
[schedule]
rebuild = "* * * * *"
"""


def write_recipe(folder: Path, name: str = "small", steps: int = 10, more: str = "") -> Path:
    """The recipe's file, and the web; nobody links to it yet."""
    entries = [{"url": url(n), "body": page(*article(n)).decode()} for n in range(NUM_PAGES)]
    if not (folder / "web").exists():
        write_web(folder / "web", entries)
    path = folder / f"{name}.toml"
    path.write_text(_RECIPE.format(folder=folder, steps=steps) + more)
    return path


def link_to(folder: Path, num_pages: int) -> None:
    """Let the dump hold links to so many of the pages."""
    lines = [
        {"id": f"s{n}", "url": url(n), "score": 5, "created_utc": 1_400_000_000 + n}
        for n in range(num_pages)
    ]
    (folder / "RS_1").write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))


def url(number: int) -> str:
    """The address of a page."""
    return f"http://site{number}.com/"
