"""A health check that makes a real call: exits 0 if the server answers it.

python docker/call_api.py URL [--json BODY] [--host NAME]

Standard library only, as it runs every ten seconds.
"""

import argparse
import sys
import urllib.request

_PATIENCE_S = 10


def main() -> int:
    """GET, or POST of --json; 1 if there is no answer, or one that refuses."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--json", help="the body of a POST")
    parser.add_argument("--host", help="the name that clients call the server by")
    given = parser.parse_args()
    headers = {"Host": given.host} if given.host else {}
    if given.json is not None:
        headers["Content-Type"] = "application/json"
    body = None if given.json is None else given.json.encode()
    request = urllib.request.Request(given.url, body, headers)
    try:
        urllib.request.urlopen(request, timeout=_PATIENCE_S).close()
    except OSError as exc:
        sys.stderr.write(f"{given.url}: {exc}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
