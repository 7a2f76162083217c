"""One small data folder for all tests of reports."""

import pytest
import torch

from tests.flows.reports.small_reports import Reported, write_reported


@pytest.fixture(scope="package")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Reported:
    torch.set_num_threads(1)  # tiny tensors on several threads only wait for each other
    return write_reported(tmp_path_factory.mktemp("reported") / "data")
