"""The base of every recipe section and record: frozen, typed, and strict about unknown keys."""

from typing import ClassVar

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A frozen pydantic model; an unknown key is an error, a field's docstring its description."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    OPERATIONAL: ClassVar[frozenset[str]] = frozenset()
    """Fields that say how or from where, not what: changing one does not make another folder.

    A path belongs here (the content behind it is hashed as an input), and so does a delay.
    """

    def identity(self) -> dict[str, object]:
        """The fields that decide a stage's output."""
        return self.model_dump(mode="json", exclude=set(self.OPERATIONAL))
