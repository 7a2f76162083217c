"""The embedded Prefect server, run as `python -m flows.prefect_server FD [--schedules]`.

With --schedules it also fires schedules and event triggers, which `webtext serve` needs.

Prefect can start such a server by itself, but that one is left behind, holding its port and its
database, when its parent is killed. This one exits with its parent.
"""

import os
import socket
import sys

import uvicorn
from prefect.server.api.server import create_app

from corpus.child import emit, exit_with_parent

SCHEDULES = "--schedules"


class AnnouncingServer(uvicorn.Server):
    """A uvicorn server that tells our parent once it answers."""

    async def startup(self, sockets: list | None = None) -> None:
        """Start as uvicorn does, migrations included, then say so."""
        await super().startup(sockets)
        if self.started:
            emit({"answers": True})


def main() -> None:
    """Serve Prefect's API on the parent's socket until the parent ends."""
    exit_with_parent()
    if SCHEDULES not in sys.argv:
        # Without the services that only schedules need.
        os.environ["PREFECT__SERVER_EPHEMERAL"] = "1"
    door = socket.socket(fileno=int(sys.argv[1]))
    config = uvicorn.Config(create_app(final=True), log_level="error", lifespan="on")
    AnnouncingServer(config).run(sockets=[door])


if __name__ == "__main__":
    main()
