"""The demo as a newcomer runs it: whole, offline, in a new folder."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from flows.corpora.catalog import finished


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_the_demo_trains_a_model_that_beats_unigrams_and_reports_both(tmp_path: Path):
    demo = subprocess.run(
        [sys.executable, "-m", "flows", "demo"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={key: value for key, value in os.environ.items() if key != "PREFECT_API_URL"},
        check=False,
    )
    assert demo.returncode == 0, demo.stderr + demo.stdout
    assert demo.stderr == ""
    data = tmp_path / "data"

    figures = finished(data, "scores")[-1][1].figures
    loss, unigram_loss = float(figures["heldout_loss"]), float(figures["unigram_loss"])
    assert unigram_loss - loss >= 1.5

    run = finished(data, "runs")[-1][0]
    report = (run / "report.html").read_text()
    assert f">{loss:.2f}<" in report
    assert f">{unigram_loss:.2f}<" in report
    needs_network = re.findall(r'<(?!a )[^>]*(?:src|href)="http', report)
    assert not needs_network, "the report needs the network"

    rejects = {
        reason
        for manifest in data.glob("*/*/manifest.json")
        for reason in json.loads(manifest.read_bytes())["counts"]["rejects"]
    }
    assert rejects >= {
        *("low_score", "same_url", "self_post", "over_18", "excluded_domain"),
        *("robots_denied", "http_404", "too_large", "not_html"),
        *("bot_wall", "exact_duplicate", "near_duplicate"),
    }
    for place in (run / "report.html", data / "mlflow" / "mlflow.db", data / "prefect"):
        assert place.exists()
        assert place.relative_to(tmp_path).parts[0] == "data"
    assert f"{figures['heldout_loss']:.2f}" in demo.stdout
    assert "report.html" in demo.stdout
    assert "sqlite:///data/mlflow/mlflow.db\n" in demo.stdout, "a command to copy is cut"
