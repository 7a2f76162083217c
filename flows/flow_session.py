"""What a command that runs flows has around it: Prefect, and a display of the stages."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rich.console import Console

# The imports below are lazy for the same reason as in flows.cli: `--help` should not take seconds.


@contextmanager
def flow_session(console: Console, data: Path) -> Iterator[None]:
    """Start Prefect, or find the one that PREFECT_API_URL names, and show stages on `console`.

    Must be entered before anything imports prefect.

    Raises:
        WebtextError: Prefect did not start.
    """
    from flows.display import open_display
    from flows.embedded_prefect import embedded_prefect

    with ExitStack() as stack:
        with console.status("Starting Prefect (up to 30 s the first time)"):
            stack.enter_context(embedded_prefect(data))
        stack.enter_context(open_display(console))
        yield
