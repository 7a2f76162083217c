"""What is new in a data folder -> events of Prefect, which start training, evaluation, overlap."""

import hashlib
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.sorting import FlowRunSort
from prefect.events import Event
from prefect.events.schemas.events import Resource
from prefect.exceptions import ObjectNotFound

from corpus.atomic import write_bytes
from corpus.manifest import is_finished
from corpus.storage.files import locked
from corpus.walk import files_below
from flows.commands.display import current_display
from flows.corpora.summary import corpus_hash
from flows.extend_corpus import latest_corpus
from flows.recipe import Recipe
from flows.train_model import run_folder

ANNOUNCED = "announced.txt"
"""In the data folder: what was announced, a line each; where it is a mirror, the bucket's too."""

CORPUS, CHECKPOINT, BENCHMARKS = (
    "webtext.corpus.finished",
    "webtext.checkpoint.finished",
    "webtext.benchmarks.new",
)
FOLLOWERS = {CORPUS: "train_on_corpus", CHECKPOINT: "evaluate_run", BENCHMARKS: "measure_overlap"}
"""The flow that each event starts."""

_LOCK = ".announced.lock"
_STARTED_S = 30.0
_ASK_EVERY_S = 0.5


@dataclass(frozen=True)
class News:
    """Something that a flow of the recipe should look at."""

    event: str
    name: str
    """The corpus hash, the run's id, or the benchmark set and a digest of its files."""
    recipe: str
    corpus: str
    """The hash of the corpus that it is, was made of, or is to be held against."""
    run: str = ""

    @property
    def line(self) -> str:
        """How it is noted in ANNOUNCED."""
        return f"{self.event} {self.name} {self.recipe}"


def find_news(recipe: Recipe, data: Path) -> list[News]:
    """What of the recipe's newest corpus nobody has announced: itself, its model, benchmarks."""
    tokens = latest_corpus(recipe, data)
    if tokens is None:
        return []
    known = _announced(data)
    return [news for news in _all_news(recipe, tokens, data) if news.line not in known]


def announce_news(recipe: Recipe, data: Path) -> list[News]:
    """Announce what `find_news` finds; each starts the flow that follows it.

    It is noted as announced when its follower's run is there, and not before: whatever is killed
    meanwhile, the next look announces it again. A follower that is started twice finds its work
    done. Where nothing follows, as in a command's own Prefect, nothing is announced.
    """
    done = []
    with locked(data / _LOCK), get_client(sync_client=True) as client:
        for news in find_news(recipe, data):
            if _announce(client, news):
                _note(data, [news])
                current_display().done("announced", f"{news.event} {news.name}")
                done.append(news)
    return done


def is_announced(recipe: Recipe, tokens: Path, data: Path) -> bool:
    """Whether this corpus is old news."""
    name = corpus_hash(tokens)
    return News(CORPUS, name, recipe.name, name).line in _announced(data)


def benchmark_news(recipe: Recipe, corpus: str) -> Iterator[News]:
    """The recipe's benchmark sets as they lie there now, each as if it were new.

    Args:
        recipe: Its `benchmarks` names the folder.
        corpus: The hash of the corpus to hold them against.
    """
    if recipe.benchmarks is not None:
        for folder in sorted(each for each in recipe.benchmarks.glob("*") if each.is_dir()):
            yield News(BENCHMARKS, f"{folder.name}-{_digest(folder)}", recipe.name, corpus)


def note_announced(data: Path, news: Iterable[News]) -> None:
    """Note what needs no event, or has had it."""
    with locked(data / _LOCK):
        _note(data, news)


def _note(data: Path, news: Iterable[News]) -> None:
    lines = _announced(data) | {each.line for each in news}
    write_bytes(data / ANNOUNCED, "".join(f"{line}\n" for line in sorted(lines)).encode())


def _announced(data: Path) -> set[str]:
    path = data / ANNOUNCED
    return set(path.read_text(encoding="utf-8").splitlines()) if path.is_file() else set()


def _all_news(recipe: Recipe, tokens: Path, data: Path) -> Iterator[News]:
    corpus = corpus_hash(tokens)
    yield News(CORPUS, corpus, recipe.name, corpus)
    run = run_folder(recipe, tokens, data)
    if is_finished(run):
        yield News(CHECKPOINT, run.name, recipe.name, corpus, run.name)
    yield from benchmark_news(recipe, corpus)


def _digest(folder: Path) -> str:
    # Names and sizes: to notice a set must cost nothing. What is measured is keyed by content.
    files = [(path.relative_to(folder), path.stat().st_size) for path in files_below(folder)]
    listing = [f"{name} {size}" for name, size in files]
    return hashlib.sha256("\n".join(listing).encode()).hexdigest()[:16]


def _announce(client: SyncPrefectClient, news: News) -> bool:
    """Send the event and wait for the run that it starts; whether there is one."""
    follower = f"{FOLLOWERS[news.event]}/{news.recipe}"
    try:
        deployment = client.read_deployment_by_name(follower).id
    except ObjectNotFound:
        return False
    before = {run.id for run in _runs(client, deployment)}
    labels = {
        "prefect.resource.id": f"{news.event}.{news.name}",
        "prefect.resource.name": news.name,
        "webtext.recipe": news.recipe,
        "webtext.corpus": news.corpus,
        "webtext.run": news.run,
    }
    # By a request of its own and not from the background, where a kill would lose it.
    event = Event(event=news.event, resource=Resource(labels))
    client.request("POST", "/events", json=[event.model_dump(mode="json")]).raise_for_status()
    for _ in range(round(_STARTED_S / _ASK_EVERY_S)):
        if any(run.id not in before for run in _runs(client, deployment)):
            return True
        time.sleep(_ASK_EVERY_S)
    current_display().failed("announced", f"nothing follows {news.event}: is its automation on?")
    return False


def _runs(client: SyncPrefectClient, deployment: UUID) -> list[FlowRun]:
    only = DeploymentFilter(id=DeploymentFilterId(any_=[deployment]))
    return client.read_flow_runs(
        deployment_filter=only, sort=FlowRunSort.EXPECTED_START_TIME_DESC, limit=50
    )
