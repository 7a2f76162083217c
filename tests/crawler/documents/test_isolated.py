"""No page can hurt: each fails alone, with its reason, and the others' results are the same."""

import itertools
import os
import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress

import pytest
import trafilatura
from hypothesis import given, settings, strategies as st

from corpus.errors import WebtextError
from crawler.documents.isolated import extract_isolated
from crawler.documents.isolated_failures import Failure
from crawler.documents.isolated_worker import Limits
from tests.crawler.documents.hostile_functions import (
    MIB,
    UnpicklableHere,
    behave,
    behave_slowly,
)
from tests.processes import is_running, parent_of, wait_until

LIMITS = Limits(timeout_s=0.4, memory_bytes=128 * MIB)

HOSTILE = {
    "hang_in_c": Failure("timeout", "0.4 s"),
    "hang_asleep": Failure("timeout", "0.4 s"),
    "kill_self SIGSEGV": Failure("crashed", "SIGSEGV"),
    "kill_self SIGABRT": Failure("crashed", "SIGABRT"),
    "kill_self SIGKILL": Failure("crashed", "SIGKILL"),
    "kill_self SIGSTOP": Failure("timeout", "0.4 s"),
    "exit 3": Failure("crashed", "exit status 3"),
    "exit_politely 0": Failure("crashed", "exit status 1"),
    "hang_up": Failure("crashed", "SIGKILL"),
    "allocate 500": Failure("out_of_memory", "128 MiB"),
    "raise_memory_error": Failure("out_of_memory", "128 MiB"),
    "swallow_memory_error 10": Failure("out_of_memory", "128 MiB"),
    "raise nothing": Failure("extract_error", "ValueError: nothing in <object object at 0x...>"),
    "raise_unspeakable": Failure("extract_error", "UnspeakableError"),
    "answer_unpicklable_here": Failure(
        "extract_error", "ValueError where its result was unpickled"
    ),
}


def extract(pages, workers=1, limits=LIMITS, function=behave) -> list:
    return list(extract_isolated(pages, function, workers=workers, limits=limits))


@pytest.mark.parametrize("page", HOSTILE)
def test_a_hostile_page_fails_alone_and_says_why(page):
    pages = ["say a", "say b", page, "say c", "say d", "say e"]
    assert extract(pages) == ["a", "b", HOSTILE[page], "c", "d", "e"]


@pytest.mark.parametrize(
    ("page", "detail"), [("recurse", "RecursionError"), ("answer_unpicklable", "Error")]
)
def test_what_cannot_be_computed_or_sent_is_an_extract_error(page, detail):
    (failure,) = extract([page])
    assert failure.reason == "extract_error"
    assert detail in failure.detail


@pytest.mark.slow
def test_hostile_pages_one_after_another_each_get_their_own_reason():
    pages = [page for page in HOSTILE for _ in range(2)]
    expected = [HOSTILE[page] for page in pages]
    assert extract(pages, workers=4) == expected


def test_a_page_that_waits_longer_than_it_may_compute_is_innocent():
    assert extract(["sleep 0.8", "say a"]) == [0.8, "a"]


def test_a_caller_who_is_away_for_long_costs_no_page():
    results = extract_isolated(
        ["say a", "sleep 0.1", "say b"], behave, workers=2, limits=Limits(timeout_s=0.1)
    )
    seen = []
    for result in results:
        seen.append(result)
        time.sleep(0.5)
    assert seen == ["a", 0.1, "b"]


def test_a_page_that_takes_the_real_extractor_quadratic_time_costs_only_itself():
    article = "<p>" + "A sentence that says something about something. " * 20 + "</p>"
    good = f"<html><body><article>{article}</article></body></html>"
    # 270 KB that take a minute, most of it in single calls into C.
    slow = f"<p>{'<b>x</b> <i>y</i>' * 16_000}</p>"
    bad = f"<html><body><article>{article}{slow}</article></body></html>"
    first, failure, last = extract(
        [good, bad, good], limits=Limits(timeout_s=1), function=trafilatura.extract
    )
    assert first == last == trafilatura.extract(good)
    assert failure == Failure("timeout", "1 s")


def test_a_huge_page_and_a_huge_result_come_through():
    pages = [f"say {'x' * 30 * MIB}", "answer_bytes 50000000", "say z"]
    results = extract(pages, limits=Limits(memory_bytes=512 * MIB))
    assert [len(result) for result in results] == [30 * MIB, 50_000_000, 1]


@settings(max_examples=8)
@given(
    words=st.lists(st.sampled_from(["say x", "say yy", "raise z", "exit 1"]), max_size=25),
    workers=st.integers(1, 4),
    recycle_after=st.integers(1, 9),
)
def test_results_come_in_order_whatever_the_workers(words, workers, recycle_after):
    pages = [f"{word}{index}" for index, word in enumerate(words)]
    limits = Limits(recycle_after=recycle_after)
    results = extract(pages, workers, limits, behave_slowly)
    for page, result in zip(pages, results, strict=True):
        action, argument = page.split()
        if action == "say":
            assert result == argument
        elif action == "exit":
            assert result == Failure("crashed", f"exit status {int(argument) % 256}")
        else:
            assert result.detail.startswith(f"ValueError: {argument} ")


@pytest.mark.parametrize("workers", [1, 3])
def test_kills_from_outside_change_nothing(workers):
    rng = random.Random(workers)
    pages = ["pid" if index % 10 == 0 else f"say {index}" for index in range(600)]
    seen = []
    for result in extract_isolated(pages, behave_slowly, workers=workers, limits=LIMITS):
        seen.append(result)
        # Well apart, so that no page is hit twice: that would be its own fault for all we know.
        if isinstance(result, int) and rng.random() < 0.5:
            kill(result)
    assert len(seen) == len(pages)
    assert [each for each in seen if isinstance(each, str)] == [
        page.split()[1] for page in pages if page != "pid"
    ]
    assert not any(isinstance(each, Failure) for each in seen)
    assert len({each for each in seen if isinstance(each, int)}) > 10


def test_the_nursery_may_be_killed_too():
    results = extract_isolated(
        ["pid", *(f"say {index}" for index in range(300))], behave_slowly, workers=2, limits=LIMITS
    )
    worker = next(results)
    assert isinstance(worker, int)
    kill(parent_of(worker))
    assert list(results) == [str(index) for index in range(300)]


def test_workers_are_recycled():
    processes = extract(["pid"] * 20, limits=Limits(recycle_after=5))
    assert [len(list(group)) for _, group in itertools.groupby(processes)] == [5, 5, 5, 5]


def test_memory_stays_flat_over_recycling():
    # 1600 MiB leak in all; without recycling each worker would hold half of it.
    pages = ["leak 16"] * 100
    limits = Limits(memory_bytes=256 * MIB, recycle_after=5)
    assert extract(pages, workers=2, limits=limits) == ["leaked"] * 100


def test_a_leak_that_recycling_is_too_late_for_costs_no_page():
    # The page at which the limit is reached is innocent: a fresh worker has room for it.
    assert extract(["leak 30"] * 12) == ["leaked"] * 12


def test_pages_are_taken_only_a_bounded_number_ahead_of_their_results():
    taken = itertools.count()
    pages = (f"say {next(taken)}" for _ in itertools.count())
    results = extract_isolated(pages, behave, workers=1)
    for _ in range(5000):
        next(results)
    num_taken = next(taken)
    results.close()
    assert num_taken <= 5000 + 1000


def test_pages_behind_a_hanging_one_are_done_meanwhile(tmp_path):
    pages = ["hang_in_c", *(f"say {index}" for index in range(100))]
    results = extract(pages, workers=2)
    assert results[1:] == [str(index) for index in range(100)]


def test_large_pages_are_held_a_bounded_number_of_bytes_at_a_time():
    num_taken = 0

    def pages():
        nonlocal num_taken
        for _ in range(100):
            num_taken += 1
            yield f"say {'x' * 8 * MIB}"

    results = extract_isolated(pages(), behave, workers=1)
    next(results)
    assert num_taken <= 9
    results.close()


def test_a_function_that_cannot_be_imported_is_an_error_that_says_so():
    with pytest.raises(
        WebtextError, match=r"no worker process starts: ValueError: not in this process"
    ):
        extract(["say a"], function=UnpicklableHere())


def test_a_limit_below_what_a_worker_needs_is_an_error_that_says_so():
    with pytest.raises(WebtextError, match="MiB before its first page") as caught:
        extract(["say a"], limits=Limits(memory_bytes=4 * MIB))
    assert "memory_bytes" in caught.value.hint


def test_an_error_for_a_person_comes_through_when_its_turn_comes():
    results = extract_isolated(["say a", "raise_for_a_person warc"], behave, workers=2)
    assert next(results) == "a"
    with pytest.raises(WebtextError, match="warc is damaged") as caught:
        next(results)
    assert caught.value.hint == "Fetch it again."


def test_no_pages_need_no_workers():
    assert extract([], function=UnpicklableHere()) == []


def test_closing_the_iterator_ends_the_workers():
    results = extract_isolated(["pid", "hang_in_c", "hang_asleep"], behave, workers=3)
    worker = next(results)
    assert isinstance(worker, int)
    nursery = parent_of(worker)
    results.close()
    assert ends(worker)
    assert ends(nursery)


_PARENT = """
import sys
from crawler.documents.isolated import extract_isolated
from tests.crawler.documents.hostile_functions import behave
if __name__ == "__main__":
    list(extract_isolated([f"report_and_hang {sys.argv[1]}"] * 2, behave, workers=2))
"""


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGINT])
def test_hanging_workers_end_with_their_parent(tmp_path, ending):
    pids = tmp_path / "pids"
    pids.touch()
    parent = subprocess.Popen(
        [sys.executable, "-c", _PARENT, pids],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stderr=subprocess.DEVNULL,
        # Run in the background of a script, we ignore SIGINT, and our children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    wait_until(lambda: pids.read_text().count("\n") == 2)
    parent.send_signal(ending)
    parent.wait(10)
    assert all(ends(int(line)) for line in pids.read_text().split())


def test_pools_of_several_threads_do_not_disturb_each_other():
    results = {}

    def work(name: str) -> None:
        results[name] = extract([f"say {name}", "exit 1", f"say {name}"] * 3)

    threads = [threading.Thread(target=work, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    crash = Failure("crashed", "exit status 1")
    assert results == {name: [name, crash, name] * 3 for name in "abc"}


def kill(process: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)


def ends(process: int) -> bool:
    wait_until(lambda: not is_running(process))
    return True
