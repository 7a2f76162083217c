"""A small Hugging Face hub on loopback: the endpoints that fetching a model's files takes."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@contextmanager
def hub_server(models: Mapping[str, Path]) -> Iterator[tuple[str, list[str]]]:
    """Serve each model's folder under its name; yield the address and the paths asked for."""
    asked: list[str] = []

    class Hub(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(with_body=True)

        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def _answer(self, *, with_body: bool) -> None:
            path = self.path.partition("?")[0]
            asked.append(path)
            body = _body(models, path)
            self.send_response(404 if body is None else 200)
            if body is None:
                self.send_header("X-Error-Code", "RepoNotFound")
            body = body or b""
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("ETag", f'"{hashlib.sha1(body).hexdigest()}"')
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if with_body:
                self.wfile.write(body)

        def log_message(self, format: str, *_: object) -> None:  # noqa: A002 its name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _body(models: Mapping[str, Path], path: str) -> bytes | None:
    for name, folder in models.items():
        if path == f"/api/models/{name}/revision/main":
            return json.dumps({"id": name, "sha": COMMIT, "siblings": []}).encode()
        if path == f"/api/models/{name}/tree/{COMMIT}":
            files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
            return json.dumps([_entry(folder, file) for file in files]).encode()
        prefix = f"/{name}/resolve/{COMMIT}/"
        if path.startswith(prefix) and (folder / path.removeprefix(prefix)).is_file():
            return (folder / path.removeprefix(prefix)).read_bytes()
    return None


def _entry(folder: Path, file: Path) -> dict:
    content = file.read_bytes()
    return {
        "type": "file",
        "path": str(file.relative_to(folder)),
        "size": len(content),
        "oid": hashlib.sha1(content).hexdigest(),
    }
