"""Two commands on one data folder do not write one stage folder."""

import fcntl
from pathlib import Path

SUBMISSION = b'{"id":"a","url":"https://a.example/","score":3,"subreddit":"s","created_utc":1}'


def test_a_folder_that_another_process_makes_is_left_alone(webtext, tmp_path: Path):
    (tmp_path / "dump").write_bytes(SUBMISSION)
    build = ("build", "webtext", "--until", "links", "--set", 'links.dumps=["dump"]')
    assert webtext(*build).exit_code == 0
    (folder,) = (tmp_path / "data" / "links").glob("*")
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        blocked = webtext(*build)
    assert blocked.exit_code == 1
    assert "another webtext process is making" in blocked.err
    assert "done before: 1 → 1" in webtext(*build).out
