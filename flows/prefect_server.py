"""The embedded Prefect server, run as `python -m flows.prefect_server` by embedded_prefect.

With --schedules it also fires schedules and event triggers, which `webtext serve` needs.

Prefect can start such a server by itself, but that one is left behind, holding its port and its
database, when its parent is killed. This one exits with its parent.
"""

import os
import sys

import uvicorn
from prefect.server.api.server import create_app

from corpus.child import emit, exit_with_parent

SCHEDULES = "--schedules"


class AnnouncingServer(uvicorn.Server):
    """A uvicorn server that tells our parent its address once it answers."""

    async def startup(self, sockets: list | None = None) -> None:
        """Start as uvicorn does, migrations included, then say where."""
        await super().startup(sockets)
        if self.started:
            port = self.servers[0].sockets[0].getsockname()[1]
            emit({"api_url": f"http://127.0.0.1:{port}/api"})


def main() -> None:
    """Serve Prefect's API on a free loopback port until the parent ends."""
    exit_with_parent()
    if SCHEDULES not in sys.argv:
        # Without the services that only schedules need.
        os.environ["PREFECT__SERVER_EPHEMERAL"] = "1"
    config = uvicorn.Config(
        create_app(final=True), host="127.0.0.1", port=0, log_level="error", lifespan="on"
    )
    AnnouncingServer(config).run()


if __name__ == "__main__":
    main()
