"""Stage `pages`: fetch every link, keep every answer; one Scrapy process per partition.

A partition is one links shard: all links of a registrable domain are in one, so the politeness
towards a host needs no coordination between processes.
"""

import queue
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from pathlib import Path

import orjson

from corpus.atomic import write_bytes
from corpus.child import run_child
from corpus.errors import UsageError, WebtextError
from corpus.manifest import Manifest, read_manifest
from corpus.runner import Runner
from corpus.runtime import Runtime
from corpus.shards import num_rows, read_rows, shard_name
from corpus.stage import Inputs, StageWriter, data_shards
from crawler.archive.partition import archive_paths
from crawler.archive.replay import serve
from crawler.archive.warc import FETCHED
from crawler.links.rules import RulesConfig
from crawler.pages.live_figures import LiveFigures, MetricsLog, PartitionState
from crawler.pages.settings import CrawlConfig, CrawlJob


def run(config: CrawlConfig, inputs: Inputs, output: Path, runtime: Runtime) -> Manifest:
    """Crawl the links of `inputs["links"]`, from the web or from the folder `inputs["replay"]`.

    Redirects obey the rules that the links were chosen by, and `inputs["takedown"]` if it is there.

    Raises:
        UsageError: a crawl of the real web without a contact address.
        WebtextError: a crawling process failed; what it settled is kept.
    """
    if "replay" not in inputs and not config.contact:
        raise UsageError(
            "a crawl of the real web needs a contact address for its User-Agent",
            hint="Set `contact` in the recipe's [crawl] section (or --set crawl.contact=...) to "
            "an e-mail address or a page that says who crawls and why.",
        )
    writer = StageWriter("pages", config, inputs, output)
    links = data_shards(inputs["links"], "links-")
    num_links = sum(map(num_rows, links))
    runtime.progress.start(num_links, "links")
    live = LiveFigures(num_links, MetricsLog(output))
    replay = inputs.get("replay")
    serving = replay is not None and not runtime.runner.is_remote and serve(replay)
    with serving or nullcontext() as proxy:
        jobs = [_job(config, inputs, path, output, proxy) for path in links]
        _Partitions(jobs, live, runtime).crawl()
    archives = [path for job in jobs for path in archive_paths(output, job.index)]
    return writer.finish(
        num_links,
        libraries=("scrapy",),
        figures={
            "num_partitions": len(links),
            "archive_files": len(archives),
            "archive_bytes": sum(path.stat().st_size for path in archives),
        },
    )


def _job(
    config: CrawlConfig, inputs: Inputs, links: Path, output: Path, proxy: str | None
) -> CrawlJob:
    chosen_by = read_manifest(inputs["links"]).config
    rules = {name: chosen_by[name] for name in RulesConfig.model_fields if name in chosen_by}
    return CrawlJob(
        config=config,
        links=links,
        output=output,
        index=int(links.stem.rpartition("-")[2]),
        proxy=proxy,
        replay=inputs.get("replay") if proxy is None else None,
        rules=RulesConfig.model_validate(rules),
        takedown=inputs.get("takedown"),
    )


class _Partitions:
    """Crawls partitions side by side, a thread and a process each, and reports as one."""

    def __init__(self, jobs: list[CrawlJob], live: LiveFigures, runtime: Runtime) -> None:
        self._jobs = jobs
        self._live = live
        self._runtime = runtime
        self._stopping = threading.Event()
        # (partition, what it said); None: a partition has ended.
        self._messages: queue.SimpleQueue[tuple[int, PartitionState] | None] = queue.SimpleQueue()

    def crawl(self) -> None:
        """Return when every partition has its shards, raise what the first failing one raised."""
        runner = self._runtime.runner
        with ThreadPoolExecutor(runner.num_workers or self._runtime.workers) as pool:
            running = [pool.submit(self._crawl_one, job) for job in self._jobs]
            try:
                self._report()
            finally:  # also on Ctrl-C: the threads stop at their next message, within a second
                self._stopping.set()
        for future in running:
            future.result()

    def _report(self) -> None:
        num_running, num_done = len(self._jobs), 0
        while num_running and not self._stopping.is_set():
            message = self._messages.get()
            if message is None:
                num_running -= 1
                continue
            self._live.update(*message)
            num_settled = self._live.outcomes.total()
            self._runtime.progress.advance(num_settled - num_done, self._live.as_note())
            self._runtime.progress.report(self._live.as_figures())
            num_done = num_settled
        self._live.log()

    def _crawl_one(self, job: CrawlJob) -> None:
        try:
            for state in () if self._stopping.is_set() else self._states(job):
                if self._stopping.is_set():
                    return
                self._messages.put((job.index, state))
        except BaseException:
            self._stopping.set()
            raise
        finally:
            self._messages.put(None)

    def _states(self, job: CrawlJob) -> Iterator[PartitionState]:
        runner = self._runtime.runner
        return crawl_elsewhere(job, runner) if runner.is_remote else crawl_partition(job)


def crawl_elsewhere(job: CrawlJob, runner: Runner) -> Iterator[PartitionState]:
    """As `crawl_partition`, by a worker of a cluster; what it says comes through the folder."""
    for _ in runner.follow(_crawl_and_tell, job):
        with suppress(FileNotFoundError):
            state = orjson.loads(_state_file(job).read_bytes())
            yield PartitionState(**{**state, "outcomes": Counter(state["outcomes"])})
    _state_file(job).unlink(missing_ok=True)
    yield _finished(job)


def _crawl_and_tell(job: CrawlJob) -> None:
    for state in crawl_partition(job):
        write_bytes(_state_file(job), orjson.dumps(vars(state)))


def _state_file(job: CrawlJob) -> Path:
    return job.output / f".state-{job.index:05d}.json"


def crawl_partition(job: CrawlJob) -> Iterator[PartitionState]:
    """Crawl what is left of one partition; yield how far it is now and then.

    Closing the iterator stops the process; the partition goes on from there the next time.

    Raises:
        WebtextError: the process failed.
    """
    pages = job.output / shard_name("pages", job.index)
    if pages.exists():
        yield _finished(job)
        return
    job_file = job.output / f".job-{job.index:05d}.json"
    write_bytes(job_file, job.model_dump_json().encode())
    log = job.output / f"crawl-{job.index:05d}.log"
    for message in run_child(["crawler.pages.process", str(job_file)], log):
        yield PartitionState(**{**message, "outcomes": Counter(message["outcomes"])})
    job_file.unlink()
    if not pages.exists():
        raise WebtextError(
            f"the crawl of {job.links.name} ended without {pages.name}",
            hint=f"Look into {log}, and run the same command again to go on.",
        )


def _finished(job: CrawlJob) -> PartitionState:
    rejects = job.output / shard_name("rejects", job.index)
    outcomes = Counter(row["reason"] for row in read_rows(rejects, ["reason"]))
    outcomes[FETCHED] = num_rows(job.output / shard_name("pages", job.index))
    archive_bytes = sum(path.stat().st_size for path in archive_paths(job.output, job.index))
    return PartitionState(outcomes, archive_bytes)
