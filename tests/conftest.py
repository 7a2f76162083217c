"""Where the real test data lies, the one place that knows; no MLflow, no test by the clock."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# A slow machine is no fault of the code, nor of a strategy.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

# Before anything imports Prefect: a test that needs a server asks for the one that all share.
os.environ["PREFECT_SERVER_ALLOW_EPHEMERAL_MODE"] = "false"

_DEFAULT = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session", autouse=True)
def no_tracking_server() -> None:
    """Keep the tests' runs out of the MLflow that whoever runs the tests may use."""
    os.environ.pop("MLFLOW_TRACKING_URI", None)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data (WEBTEXT_TEST_DATA); tests that need it are skipped without it."""
    folder = Path(os.environ.get("WEBTEXT_TEST_DATA", _DEFAULT))
    if not folder.is_dir():
        pytest.skip(f"no real data in {folder}: set WEBTEXT_TEST_DATA")
    return folder


@pytest.fixture(scope="session")
def benchmarks(real_data: Path) -> Path:
    """The benchmark files in their published layout."""
    return real_data / "benchmarks"
