"""Where the real data for tests and benchmarks lies, if it is at hand."""

import os
from pathlib import Path

REAL_DATA = Path(os.environ.get("WEBTEXT_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
"""Folder with reddit/ and web/; it may not be there."""
