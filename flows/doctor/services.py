"""The servers that the environment names: each is asked what webtext is going to ask it."""

import os
from collections.abc import Iterator
from importlib.util import find_spec
from urllib.parse import urlsplit

import requests

from corpus.errors import WebtextError
from corpus.ray_address import WORDS, cluster_address
from flows.doctor.check import Check, fail, ok, warn
from flows.recipe import Recipe

_PATIENCE_S = 10
_TOUCHED = ".webtext-doctor"


def check_services(location: str, recipe: Recipe | None) -> Iterator[Check]:
    """Everything that is not this machine.

    Args:
        location: The data folder as it was given: a path, or an `s3://` URL.
        recipe: What is going to be built; None: nobody said.
    """
    yield check_reddit(recipe)
    if recipe is not None:
        yield check_contact(recipe)
    yield check_prefect()
    yield check_mlflow()
    if "://" in location:
        yield check_bucket(location)
    if os.environ.get("RAY_ADDRESS"):
        yield check_ray(os.environ["RAY_ADDRESS"])


def check_reddit(recipe: Recipe | None = None) -> Check:
    """Whether there are credentials of Reddit's API; Reddit is not asked, and nothing shown."""
    from crawler.reddit.api import RedditApi

    try:
        RedditApi("webtext doctor").close()
    except WebtextError as exc:
        if recipe is not None and recipe.links.harvested:
            return fail("Reddit", exc.message, exc.hint)
        return warn("Reddit", f"{exc.message}: `webtext harvest` will not work", exc.hint)
    return ok("Reddit", "there are credentials")


def check_contact(recipe: Recipe) -> Check:
    """Whether the recipe says who crawls, if it crawls the real web."""
    if recipe.web is not None or recipe.crawl.replay is not None or recipe.archives.files:
        return ok("contact", f"{recipe.name} asks no server for pages")
    if not recipe.crawl.contact:
        return fail(
            "contact",
            f"{recipe.name} crawls the web, but does not say for whom",
            "Give a page or an address: --set crawl.contact=you@example.org",
        )
    return ok("contact", recipe.crawl.contact)


def check_prefect() -> Check:
    """Whether the Prefect server answers a question about flow runs."""
    address = os.environ.get("PREFECT_API_URL")
    if not address:
        return ok("Prefect", "embedded: PREFECT_API_URL is not set")
    key = os.environ.get("PREFECT_API_KEY")
    login = os.environ.get("PREFECT_API_AUTH_STRING")
    problem = _ask(
        "POST",
        f"{address.rstrip('/')}/flow_runs/count",
        headers={"Authorization": f"Bearer {key}"} if key else {},
        login=login,
    )
    remedy = "Start it, correct PREFECT_API_URL (it ends with /api), or unset it"
    return _answered("Prefect", address, problem, remedy)


def check_mlflow() -> Check:
    """Whether the MLflow server lets us search: its /health answers while it refuses clients."""
    address = os.environ.get("MLFLOW_TRACKING_URI")
    if not address:
        return ok("MLflow", "SQLite in the data folder: MLFLOW_TRACKING_URI is not set")
    if urlsplit(address).scheme not in ("http", "https"):
        return ok("MLflow", f"no server: {address}")
    token = os.environ.get("MLFLOW_TRACKING_TOKEN")
    user = os.environ.get("MLFLOW_TRACKING_USERNAME")
    problem = _ask(
        "GET",
        f"{address.rstrip('/')}/api/2.0/mlflow/experiments/search?max_results=1",
        headers={"Authorization": f"Bearer {token}"} if token else {},
        login=f"{user}:{os.environ.get('MLFLOW_TRACKING_PASSWORD', '')}" if user else None,
    )
    remedy = (
        "Start it, correct MLFLOW_TRACKING_URI, or unset it; 403: start the server with "
        "--allowed-hosts, or give the user and password"
    )
    return _answered("MLflow", address, problem, remedy)


def check_bucket(location: str) -> Check:
    """Whether the bucket is there, and takes and gives up a small object."""
    from corpus.storage.s3 import open_bucket, parse_url

    try:
        bucket = open_bucket(parse_url(location))
        key = f"{bucket.root}/{_TOUCHED}"
        bucket.write(key, b"")
        bucket.delete(key)
    except WebtextError as exc:
        return fail("S3", exc.message, exc.hint)
    return ok("S3", f"{location} can be listed, written and deleted in")


def check_ray(address: str) -> Check:
    """Whether something listens where RAY_ADDRESS points, and Ray is installed."""
    if find_spec("ray") is None:
        return fail("Ray", "RAY_ADDRESS is set, but Ray is missing", "pip install 'webtext[ray]'")
    if address in WORDS:
        return warn("Ray", f"RAY_ADDRESS={address} names no HOST:PORT", "Give it as HOST:6379")
    try:
        cluster_address(address)
    except WebtextError as exc:
        return fail("Ray", exc.message, exc.hint)
    return ok("Ray", f"something listens at {address}")


def _answered(name: str, address: str, problem: str, remedy: str) -> Check:
    if problem:
        return fail(name, f"{address} {problem}", remedy)
    return ok(name, f"{address} answers")


def _ask(method: str, url: str, headers: dict[str, str], login: str | None) -> str:
    """Why the server is of no use; empty: it is."""
    user, _, password = (login or "").partition(":")
    try:
        answer = requests.request(
            method,
            url,
            headers=headers,
            auth=(user, password) if login else None,
            json={} if method == "POST" else None,
            timeout=_PATIENCE_S,
        )
    except requests.RequestException as exc:
        return f"does not answer: {type(exc).__name__}"
    if answer.ok:
        return ""
    return f"answers with HTTP {answer.status_code}: {answer.text[:120].strip()}"
