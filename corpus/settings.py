"""The base of every recipe section and record: frozen, typed, and strict about unknown keys."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A frozen pydantic model; an unknown key is an error, a field's docstring its description."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
