"""How others open a corpus: the code that the dataset card shows, with `folder` set before it."""

TOKEN_SNIPPETS = {
    "Hugging Face datasets": """import datasets
tokens = datasets.load_dataset(folder, split="train")
first = tokens[0]["tokens"]""",
    "PyTorch, memory-mapped, without a copy": """import pyarrow as pa
import torch
shard = pa.ipc.open_file(pa.memory_map(f"{folder}/train-00000.arrow")).get_batch(0)
stream = torch.from_dlpack(shard.column("tokens").values)""",
    "polars": """import polars as pl
tokens = pl.scan_ipc(f"{folder}/train-*.arrow")
num_tokens = tokens.select(pl.col("tokens").list.len().sum()).collect().item()""",
    "DuckDB, through pyarrow": """import duckdb
import pyarrow.dataset as ds
from pathlib import Path
shards = ds.dataset(sorted(map(str, Path(folder).glob("train-*.arrow"))), format="ipc")
query = "SELECT id, len(tokens) AS n FROM shards ORDER BY n DESC, id LIMIT 5"
longest = duckdb.sql(query).fetchall()""",
}
DOCUMENT_SNIPPETS = {
    "Hugging Face datasets": """import datasets
documents = datasets.load_dataset(folder, split="train")
first = documents[0]["text"]""",
    "polars": """import polars as pl
documents = pl.scan_ipc(f"{folder}/documents-*.arrow")
by_domain = documents.group_by("domain").len().sort("len", "domain", descending=True).collect()""",
    "DuckDB, through pyarrow": """import duckdb
import pyarrow.dataset as ds
from pathlib import Path
shards = ds.dataset(sorted(map(str, Path(folder).glob("documents-*.arrow"))), format="ipc")
query = "SELECT url, length(text) AS n FROM shards ORDER BY n DESC, url LIMIT 5"
longest = duckdb.sql(query).fetchall()""",
    "pyarrow, a shard": """import pyarrow as pa
table = pa.ipc.open_file(pa.memory_map(f"{folder}/documents-00000.arrow")).read_all()""",
}
