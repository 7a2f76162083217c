import gzip
import http.client
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from email.message import Message
from pathlib import Path
from urllib.parse import urlsplit

import orjson
import pytest
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from corpus.errors import UsageError, WebtextError
from crawler.archive.replay import serve
from crawler.archive.replay_archive import load_archive, url_key


def write_table(folder: Path, *lines: dict | bytes) -> Path:
    folder.mkdir(exist_ok=True)
    encoded = [line if isinstance(line, bytes) else orjson.dumps(line) for line in lines]
    (folder / "urls.ndjson").write_bytes(b"\n".join(encoded) + b"\n")
    return folder


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("web")
    (folder / "a.html").write_text("<p>A</p>")
    (folder / "sub").mkdir()
    (folder / "sub" / "b.html.gz").write_bytes(gzip.compress(b"<p>B</p>"))
    return write_table(
        folder,
        {"url": "http://one.example/a", "content_type": "text/plain", "file": "a.html"},
        {"url": "https://two.example:443/b?x=grün", "file": "sub/b.html.gz"},
        {"url": "https://two.example:8443/", "status": 410, "file": "a.html"},
        {"url": "http://one.example/old", "status": 301, "location": "https://two.example/b"},
        {"url": "http://one.example/endless", "endless": True},
    )


@pytest.fixture(scope="module")
def address(web: Path):
    with serve(web) as address:
        yield address


def fetch(address: str, url: str, **headers: str) -> tuple[int, Message, bytes]:
    """One GET through the proxy, by a client that is not ours, without following redirects."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, req, fp, code, msg, headers, newurl):
            return None

    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({"http": address, "https": address}),
        urllib.request.HTTPSHandler(context=context),
        Stay(),
    )
    try:
        response = opener.open(urllib.request.Request(url, headers=headers), timeout=10)
    except urllib.error.HTTPError as error:
        response = error
    with response:
        assert isinstance(response, (http.client.HTTPResponse, urllib.error.HTTPError))
        return response.status or 0, response.headers, response.read()


def test_http_and_https_pages_are_answered_under_their_real_names(address):
    status, headers, body = fetch(address, "http://one.example/a")
    assert (status, headers["Content-Type"], body) == (200, "text/plain", b"<p>A</p>")
    status, headers, body = fetch(address, "https://two.example/b?x=gr%C3%BCn")
    assert (status, headers["Content-Type"], body) == (200, "text/html; charset=utf-8", b"<p>B</p>")


def test_a_client_that_accepts_gzip_gets_the_stored_gzip(address):
    url = "https://two.example/b?x=gr%C3%BCn"
    _, headers, body = fetch(address, url, **{"Accept-Encoding": "gzip"})
    assert headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(body) == b"<p>B</p>"


def test_ports_schemes_and_statuses_are_told_apart(address):
    assert fetch(address, "https://two.example:8443/")[0] == 410
    assert fetch(address, "https://one.example/a")[0] == 404
    status, headers, _ = fetch(address, "http://one.example/old")
    assert (status, headers["Location"]) == (301, "https://two.example/b")


@pytest.mark.parametrize("url", ["http://one.example/robots.txt", "https://nowhere.example/"])
def test_what_the_archive_does_not_hold_is_not_found(address, url):
    assert fetch(address, url)[0] == 404


def test_several_requests_and_a_head_go_over_one_connection(address):
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=10)
    for method, body in [("GET", b"<p>A</p>"), ("HEAD", b""), ("GET", b"<p>A</p>")]:
        connection.request(method, "http://one.example/a")
        assert connection.getresponse().read() == body
    connection.close()


def test_an_endless_body_flows_until_the_client_leaves(address):
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=10)
    connection.request("GET", "http://one.example/endless")
    assert len(connection.getresponse().read(3_000_000)) == 3_000_000
    connection.close()
    assert fetch(address, "http://one.example/a")[0] == 200


@pytest.mark.parametrize("junk", [b"nonsense\r\n\r\n", b"GET http://[x HTTP/1.1\r\n\r\n"])
def test_a_request_that_is_none_is_refused(address, junk):
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=10)
    connection.connect()
    connection.sock.sendall(junk)
    assert connection.sock.recv(100).startswith(b"HTTP/1.1 400 Bad Request")
    connection.close()


def test_a_foreign_archive_is_replayed_chunked_bodies_and_last_answer_included(tmp_path):
    with (tmp_path / "foreign.warc.gz").open("wb") as file:
        writer = WARCWriter(file)
        for body in (b"3\r\nold\r\n0\r\n\r\n", b"3\r\nnew\r\n0\r\n\r\n"):
            payload = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body
            (tmp_path / "payload").write_bytes(payload)
            with (tmp_path / "payload").open("rb") as stream:
                record = writer.create_warc_record(
                    "http://foreign.example", "response", payload=stream, length=len(payload)
                )
                writer.write_record(record)
        headers = StatusAndHeaders("GET / HTTP/1.1", [], is_http_request=True)
        writer.write_record(
            writer.create_warc_record("http://asked.example/", "request", http_headers=headers)
        )
    with serve(tmp_path) as address:
        status, headers, body = fetch(address, "http://foreign.example/")
        assert (status, body) == (200, b"new")
        assert headers["Content-Length"] == "3"
        assert fetch(address, "http://asked.example/")[0] == 404


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (b"{nonsense", "line 2: .*JSON"),
        ({"url": "http://a.example/"}, "exactly one of file, location and endless"),
        ({"url": "http://a.example/", "fil": "x"}, "line 2: "),
        ({"url": "http://a.example/", "file": "gone.html"}, r"line 2: there is no file .*gone"),
        ({"status": 200, "endless": True}, "line 2: url"),
    ],
)
def test_a_bad_table_line_is_an_error_that_names_it(tmp_path, line, complaint):
    good = {"url": "http://a.example/", "endless": True}
    with pytest.raises(WebtextError, match=rf"(?s)urls\.ndjson.*{complaint}"):
        load_archive(write_table(tmp_path, good, line))


def test_a_folder_without_an_archive_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="neither"):
        load_archive(tmp_path)


def test_a_taken_port_is_a_usage_error(web, address):
    with pytest.raises(UsageError, match="cannot listen"), serve(web, urlsplit(address).port or 0):
        pass


def test_a_damaged_warc_is_an_error_that_names_it(tmp_path):
    (tmp_path / "bad.warc.gz").write_bytes(b"not gzip at all")
    with pytest.raises(WebtextError, match=r"bad\.warc\.gz"):
        load_archive(tmp_path)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("http://a.example", "http://A.example:80/#top"),
        ("https://a.example:443/x", "https://a.example/x"),
        ("http://a.example/é", "http://a.example/%C3%A9"),
    ],
)
def test_spellings_of_one_url_have_one_key(one, other):
    assert url_key(one) == url_key(other)


def test_a_wrong_folder_on_the_command_line_is_said_without_a_traceback(tmp_path):
    command = [sys.executable, "-m", "crawler.archive.replay", str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "is no archive of pages" in result.stderr
    assert "Traceback" not in result.stderr
