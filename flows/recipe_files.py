"""Where the recipes that come with webtext lie, and their names."""

import sys
from pathlib import Path

RECIPE_FOLDERS = (
    Path(__file__).parent.parent / "recipes",  # a checkout
    Path(sys.prefix) / "share" / "webtext" / "recipes",  # an installed wheel
)


def recipe_names() -> list[str]:
    """The recipes that come with webtext."""
    return sorted({path.stem for folder in RECIPE_FOLDERS for path in folder.glob("*.toml")})
