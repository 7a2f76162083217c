"""Every check, in the order of the table."""

from collections.abc import Iterator
from pathlib import Path

from corpus.errors import WebtextError
from flows.doctor.check import Check
from flows.doctor.data_folder import check_data
from flows.doctor.machine import check_machine
from flows.doctor.services import check_services
from flows.recipe import Recipe


def examine(
    location: str, workers: int, recipe: Recipe | None = None, benchmarks: Path | None = None
) -> Iterator[Check]:
    """Look at everything; nothing is changed.

    Args:
        location: The data folder: a path, or an `s3://` URL.
        workers: Worker processes that stages are going to have.
        recipe: What is going to be made; None: nobody said.
        benchmarks: The folder of benchmark files; None: the recipe's, if it names one.
    """
    data = _local(location)
    yield from check_machine(data or Path(), workers)
    yield from check_services(location, recipe)
    if benchmarks is None and recipe is not None:
        benchmarks = recipe.benchmarks
    if data is not None:
        yield from check_data(data, benchmarks)


def _local(location: str) -> Path | None:
    """The data folder, or its mirror; None: no way to the bucket, as its own check will say."""
    if "://" not in location:
        return Path(location)
    from corpus.storage.mirror import open_data  # as in options.py: few need it

    try:
        return open_data(location)
    except WebtextError:
        return None
