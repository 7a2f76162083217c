"""Failures that a person can act on: what went wrong, and what to do about it."""


class WebtextError(Exception):
    """A failure with a remedy; the command line prints both without a traceback and exits 1.

    Args:
        message: What went wrong, naming the file, key or address.
        hint: What to do about it, in the imperative.
    """

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}"

    def __reduce__(self) -> tuple:
        # Exceptions with keyword arguments need help to cross a process boundary.
        return _rebuild, (type(self), self.message, self.hint)


class PassingError(WebtextError):
    """Something outside failed and may be back in a minute: a network, a server, a killed child.

    What runs on a schedule tries again; a command says it, and exits 1.
    """


class UsageError(WebtextError):
    """The command or the recipe is wrong, nothing was started; exits 2."""


def _rebuild(kind: type[WebtextError], message: str, hint: str) -> WebtextError:
    return kind(message, hint=hint)
