"""docker-compose.yml as its services are after interpolation."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "docker-compose.yml"
# ${NAME}, ${NAME:?what to do}, ${NAME:-default}
VARIABLE = re.compile(r"\$\{(\w+)(?::([?-])([^}]*))?\}")


def text() -> str:
    """The file as it is."""
    return COMPOSE.read_text(encoding="utf-8")


def services(variables: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """The services by name.

    Args:
        variables: What .env would say.

    Raises:
        KeyError: a variable has no value.
    """
    filled = VARIABLE.sub(lambda found: variables[found[1]], text())
    return yaml.safe_load(filled)["services"]


def example_variables() -> dict[str, str]:
    """.env.example: names and values."""
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    given = [line.partition("=") for line in lines if line and not line.startswith("#")]
    return {name: value for name, _, value in given}
