"""What pages and dumps hold, made safe to print: text must not speak to the terminal."""


def printable(text: str) -> str:
    """`text` with escape sequences and other control characters replaced."""
    return "".join(
        c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text
    )
