"""What the servers of a stack know, asked through their APIs."""

import orjson

from tests.stack.native_stack import NativeStack, call


def prefect(stack: NativeStack, path: str, **body: object) -> list[dict]:
    """A POST to Prefect's API: `flow_runs/filter`."""
    url = f"{stack.environment['PREFECT_API_URL']}/{path}"
    return orjson.loads(call(url, orjson.dumps(body)))


def flow_runs(stack: NativeStack, corpus: str) -> list[dict]:
    """The flow runs with the corpus's tag."""
    return prefect(stack, "flow_runs/filter", flow_runs={"tags": {"all_": [f"corpus:{corpus}"]}})


def mlflow_runs(stack: NativeStack, condition: str) -> list[dict[str, str]]:
    """The tags of MLflow's runs that fulfil it, of all experiments."""
    url = f"{stack.environment['MLFLOW_TRACKING_URI']}/api/2.0/mlflow"
    found = orjson.loads(call(f"{url}/experiments/search", b'{"max_results": 100}'))
    ids = [each["experiment_id"] for each in found["experiments"]]
    query = orjson.dumps({"experiment_ids": ids, "filter": condition})
    runs = orjson.loads(call(f"{url}/runs/search", query)).get("runs", [])
    return [{tag["key"]: tag["value"] for tag in run["data"]["tags"]} for run in runs]


def corpora(stack: NativeStack, recipe: str) -> set[str]:
    """The hashes of corpora that any flow of the recipe made or used."""
    runs = prefect(stack, "flow_runs/filter", flow_runs={"tags": {"all_": [f"recipe:{recipe}"]}})
    tags = {tag for run in runs for tag in run["tags"] if tag.startswith("corpus:")}
    return {tag.removeprefix("corpus:") for tag in tags}
