"""What Tab offers, as the shell asks for it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from flows.commands.complete import complete_recipe, complete_tasks


def offered(words: str, tmp_path: Path) -> list[str]:
    """What bash is told behind these words."""
    done = subprocess.run(
        [
            *(sys.executable, "-c"),
            "import sys; from flows.__main__ import app\n"
            "sys.argv = ['webtext']\n"
            "try: app(prog_name='webtext')\n"
            "finally: print(*sorted({'torch', 'prefect', 'mlflow'} & set(sys.modules)), "
            "file=sys.stderr)",
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ
        | {
            "_WEBTEXT_COMPLETE": "complete_bash",
            "COMP_WORDS": f"webtext {words}",
            "COMP_CWORD": str(len(words.split(" "))),
            "PYTHONPATH": os.pathsep.join(sys.path),
        },
        check=False,
    )
    assert done.stderr.strip() == "", "Tab imports what takes seconds"
    return done.stdout.split()


def test_tab_offers_runs_of_the_data_folder_and_imports_nothing_heavy(tmp_path: Path):
    for name in ("b2ecc97297949f3b", "77107862aaaa0000"):
        (tmp_path / "elsewhere" / "runs" / name).mkdir(parents=True)
        (tmp_path / "elsewhere" / "runs" / name / "manifest.json").touch()
    (tmp_path / "elsewhere" / "runs" / "b2unfinished").mkdir()
    found = offered("report --data elsewhere b2", tmp_path)
    assert found == ["b2ecc97297949f3b"]


def test_recipes_are_names_and_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "gpt2-mine.toml").touch()
    monkeypatch.chdir(tmp_path)
    assert {"gpt2-small", "gpt2-xl", "gpt2-mine.toml"} <= set(complete_recipe("gpt2-"))
    assert complete_recipe("gpt2-m") == ["gpt2-medium", "gpt2-mine.toml"]


def test_tasks_are_offered_behind_a_comma_once():
    assert complete_tasks("lambada,wikitext2,wiki") == ["lambada,wikitext2,wikitext103"]
    assert "lambada" in complete_tasks("")
