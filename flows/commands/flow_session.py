"""What a command that runs flows has around it: Prefect, and a display of the stages."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rich.console import Console

from corpus.errors import WebtextError

# The imports below are lazy as in app.py: `--help` should not take seconds.


@contextmanager
def flow_session(console: Console, data: Path, flow: str | None = None) -> Iterator[None]:
    """Start Prefect, or find the one that PREFECT_API_URL names, and show stages on `console`.

    Where `data` mirrors an `s3://` folder, what is finished is brought there in the end, reports
    and lists too, also after an error or Ctrl-C. Must be entered before anything imports prefect.

    Args:
        console: Where a person looks.
        data: The data folder.
        flow: The module of the flow to come: it is imported while Prefect starts.

    Raises:
        WebtextError: Prefect did not start, or S3 does not take what was made.
    """
    with prefect_session(console, data, flow), shown_stages(console, data):
        yield


@contextmanager
def prefect_session(console: Console, data: Path, flow: str | None = None) -> Iterator[None]:
    """The first half of `flow_session`, for a command that asks something between two flows.

    Prefect keeps the address of its server: a command starts one, once.
    """
    from flows.embedded_prefect import embedded_prefect

    with ExitStack() as stack:
        with console.status("Starting Prefect (up to 30 s the first time)"):
            stack.enter_context(embedded_prefect(data, [flow] if flow else []))
        yield


@contextmanager
def shown_stages(console: Console, data: Path) -> Iterator[None]:
    """The second half: bars, which leave no room for a question, and what goes to S3."""
    from flows.commands.display import open_display

    with open_display(console), _pushed(console, data):
        yield


@contextmanager
def _pushed(console: Console, data: Path) -> Iterator[None]:
    from corpus.storage.mirror import push_data

    try:
        yield
    except BaseException:
        try:
            push_data(data)
        except WebtextError as exc:  # what happened first is what a person must read
            console.print(f"Warning: not all is in S3: {exc.message}", style="yellow")
        raise
    push_data(data)
