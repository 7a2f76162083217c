"""Runs a function on pages in worker processes, so that a page costs at most itself.

A page that raises, hangs, segfaults or eats the memory becomes a `Failure` in its place, and its
worker is replaced. What a page surely did itself is final: an exception, or CPU time. Any other end
of a worker may have been done to it, by an operator, by the kernel short of memory or by a machine
that slept: the page that it was at is tried once more, first thing in a fresh worker, and fails if
that ends too. So what comes out depends on the pages alone.

Own code, because no pool that is kept does this. `concurrent.futures` and `multiprocessing` cannot
end one worker. pebble can, at 47 microseconds of the parent per page (here: 26), but it limits the
clock alone, so a loaded machine makes pages guilty; it knows no memory limit and no second try, and
each fresh worker imports the main program anew.
"""

import pickle
from collections.abc import Callable, Generator, Iterable
from typing import Any, TypeVar

from crawler.documents.isolated_failures import Failure
from crawler.documents.isolated_pool import Pool
from crawler.documents.isolated_worker import FATAL, Limits, Task

T = TypeVar("T")
R = TypeVar("R")


def extract_isolated(
    pages: Iterable[T],
    function: Callable[[T], R],
    *,
    workers: int,
    limits: Limits | None = None,
    prepare: Callable[[], object] | None = None,
) -> Generator[R | Failure, None, None]:
    """Yield `function(page)` for each page, in order, from `workers` processes.

    Of `pages`, at most 1000 per worker are taken before their results are, and at most some 64 MiB
    per worker of pages and results are held. Closing the iterator ends the workers at once.

    Args:
        pages: Plain data, pickled. Small ones are cheap: better where a page lies than the page.
        function: A function of a module, or a partial of one, imported once for all workers.
        workers: Processes.
        limits: What a page may cost.
        prepare: Called once before the workers are forked: what it loads, all of them share, and
            no fresh worker loads it again. It must start no thread.

    Raises:
        WebtextError: no worker starts, or `function` raised one: it is no page's fault then.
    """
    pool: Pool[T] = Pool(Task(function, limits or Limits(), prepare), workers)
    remaining = iter(pages)
    try:
        while pool.feed(remaining):
            pool.work()
            if pool.has_next:
                yield _result(pool.take_next())
    finally:
        pool.close()


def _result(answer: bytes | Failure) -> Any:  # noqa: ANN401 - it was pickled as an R
    if isinstance(answer, Failure):
        return answer
    try:
        result = pickle.loads(memoryview(answer)[1:])
    except Exception as exc:  # it was pickled without complaint over there
        return Failure("extract_error", f"{type(exc).__name__} where its result was unpickled")
    if answer[:1] == FATAL:
        raise result
    return result
