"""Where the recipes that come with webtext lie, and their names."""

import sysconfig
from pathlib import Path

_INSTALLED = Path("share", "webtext", "recipes")
RECIPE_FOLDERS = (
    Path(__file__).parent.parent / "recipes",  # a checkout
    sysconfig.get_path("data") / _INSTALLED,  # an installed wheel
    sysconfig.get_path("data", sysconfig.get_preferred_scheme("user")) / _INSTALLED,  # pip --user
)


def recipe_names() -> list[str]:
    """The recipes that come with webtext."""
    return sorted({path.stem for folder in RECIPE_FOLDERS for path in folder.glob("*.toml")})
