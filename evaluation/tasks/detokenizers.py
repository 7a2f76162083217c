"""Texts that were split into tokens, written as by an author, and so that they can be split again.

The paper scores such sets "with invertible de-tokenizers which remove as many of these tokenization
/ pre-processing artifacts as possible" (section 3.1): what is scored stands for the text as it was
published, so their probabilities are one. Its rules are unpublished. These here glue tokens
together where splitting by the set's own rules gives them back, and nowhere else: `restore` gives
back any text.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

# Before a token that would not be found again by itself, and before a line without its frame: of
# WikiText-2's 245,569 tokens 21 need it.
_AS_IT_IS: Final = "\N{WORD JOINER}"


@dataclass(frozen=True)
class Detokenizer:
    """The rules of one set's tokens."""

    token: re.Pattern[str]
    """Finds the tokens of a word as an author writes it, one after the other."""
    to_previous: frozenset[str]
    """Tokens that stand right after the one before them."""
    to_next: frozenset[str]
    """Tokens that stand right before the next one."""
    inside: Mapping[str, str] = field(default_factory=dict)
    """Tokens that stand between two others without a space, and how an author writes them."""
    doubled: frozenset[str] = frozenset()
    """Tokens that stand right after another one of their kind."""
    frame: str = ""
    """What each line begins and ends with; a line without a token is nothing else."""

    def __call__(self, text: str) -> str:
        """The text without what splitting it into tokens did to it; lines stay lines."""
        *lines, rest = text.split("\n")
        written = [self._join_line(line) for line in lines]
        # What follows the last line end is nothing, or a line that must not become nothing.
        return "\n".join([*written, rest and (self._join_line(rest) or self._marked(rest))])

    def restore(self, text: str) -> str:
        """The text that this one was made of."""
        *lines, rest = text.split("\n")
        restored = [self._split_line(line) for line in lines]
        return "\n".join([*restored, rest and self._split_line(rest)])

    def _join_line(self, line: str) -> str:
        if line == self.frame:
            return ""
        width = len(self.frame)
        is_framed = line.startswith(self.frame) and line.endswith(self.frame)
        if is_framed and len(line) > 2 * width:
            return self._join(line[width : len(line) - width].split(" "))
        return self._marked(line)

    def _marked(self, line: str) -> str:
        return f"{_AS_IT_IS} {self._join(line.split(' '))}"

    def _split_line(self, line: str) -> str:
        if not line:
            return self.frame
        if line.startswith(f"{_AS_IT_IS} "):
            return " ".join(self._split_all(line[len(_AS_IT_IS) + 1 :]))
        return self.frame + " ".join(self._split_all(line)) + self.frame

    def _join(self, tokens: list[str]) -> str:
        words: list[list[str]] = []
        in_quotes = False
        for i, token in enumerate(tokens):
            word = words[-1] if words else []
            longer = [*word, token]
            is_wanted = self._belongs(word, token, in_quotes=in_quotes)
            if token in self.inside:  # it is only found again before what belongs to it
                following = "".join(tokens[i + 1 : i + 2])
                is_wanted &= self._belongs(longer, following, in_quotes=in_quotes)
                longer.append(following)
            if is_wanted and self._is_found_again(longer):
                word.append(token)
            else:
                words.append([token])
            if token == '"':
                in_quotes = not in_quotes
        return " ".join(map(self._write, words))

    def _belongs(self, word: list[str], token: str, *, in_quotes: bool) -> bool:
        """Whether an author writes the token right after the word."""
        previous = word[-1] if word else ""
        if not (previous and token):
            return False
        if token == '"' or (previous == '"' and in_quotes):
            return in_quotes
        if previous in self.inside:
            return len(word) > 1
        is_doubled = token in self.doubled and token == previous
        is_glued = token in self.to_previous or previous in self.to_next or token in self.inside
        return is_doubled or is_glued

    def _write(self, word: list[str]) -> str:
        if self._is_found_again(word):
            return self._glue(word)
        [token] = word  # more than one are only glued where they are found again
        return _AS_IT_IS + token

    def _is_found_again(self, word: list[str]) -> bool:
        return self._split(self._glue(word)) == word

    def _glue(self, word: list[str]) -> str:
        if len(word) == 1:
            return word[0]
        return "".join(self.inside.get(token, token) for token in word)

    def _split_all(self, line: str) -> Iterator[str]:
        for word in line.split(" "):
            yield from self._split(word)

    def _split(self, word: str) -> list[str]:
        if word.startswith(_AS_IT_IS):
            return [word[len(_AS_IT_IS) :]]
        if word in self.inside:  # between nothing that it could glue
            return [word]
        tokens = [
            self._between[match[0]] if match.lastgroup else match[0]
            for match in self.token.finditer(word)
        ]
        return tokens if tokens and self._glue(tokens) == word else [word]

    @property
    def _between(self) -> dict[str, str]:
        return {written: token for token, written in self.inside.items()}


def _pattern(*parts: str) -> re.Pattern[str]:
    return re.compile("|".join(parts))


_PUNCTUATION: Final = frozenset(",.;:!?%)]}")
_OPENING: Final = frozenset("([{$£€¥#")
_CLITICS: Final = frozenset({"'s", "'m", "'d", "'re", "'ve", "'ll"})
_TAG: Final = r"<\w+>"  # <unk>, <formula>
_ABBREVIATION: Final = (
    r"(?:Nos?|Col|St|vs?|Gen|Drs?|Mrs?|Ms|Sr|Jr|Bros|Inc|Co|Corp|Ltd|al|var|e\.g|i\.e|Lt|Capt|Sgt"
    r"|Maj|Rev|Prof|Hon|Gov|Sen|Rep|Ft|Mt|Op|Vol|pp?|ca?|Jan|Feb|Aug|Sept|Oct|Nov|Dec)\."
)
_INITIALS: Final = r"(?:[^\W\d_]\.)+(?=[^\w]|$)"  # U.S.
_SITE: Final = r"[^\W\d_]+(?:\.[^\W\d_]+)+(?!\w|\.)"  # Amazon.com
_REST: Final = r"."

WIKITEXT: Final = Detokenizer(
    token=_pattern(
        _TAG,
        _ABBREVIATION,
        _INITIALS,
        r"\.\.\.",
        r"(?P<hyphen>(?<=\S)-(?=\S))",
        r"(?P<comma>(?<=\d),(?=[\d<]))",
        r"(?P<point>(?<=\d)\.(?=[\d<]))",
        r"'(?:s|m|d|re|ve|ll|t)(?!\w)",  # "can't" is "can 't" there
        _SITE,
        r"\w+",
        _REST,
    ),
    to_previous=_PUNCTUATION | _CLITICS | {"'", "'t", "°", "..."},
    to_next=_OPENING,
    inside={"@-@": "-", "@,@": ",", "@.@": "."},
    doubled=frozenset("="),  # of headings
    frame=" ",
)

# In lower case, without punctuation and with N for numbers: little can be undone.
PTB: Final = Detokenizer(
    token=_pattern(
        _TAG,
        r"(?:c|us|hk|a|nz|s)?\$",
        r"n't(?!\w)",
        r"'(?:s|m|d|re|ve|ll)?(?!\w)",
        r"(?:(?!n't(?!\w))[^\s'$<>])+",
        _REST,
    ),
    to_previous=_CLITICS | {"n't", "'"},
    to_next=frozenset({"$", "c$", "us$", "hk$", "a$", "nz$", "s$"}),
    frame=" ",
)

LM1B: Final = Detokenizer(
    token=_pattern(
        _ABBREVIATION,
        _INITIALS,
        r"\.\.\.",
        r"\d+(?:[.,:]\d+)+\w*",
        r"'(?:s|m|d|re|ve|ll)(?!\w)",
        r"n't(?!\w)",
        _SITE,
        r"(?:(?!n't(?!\w))\w)+(?:-\w+)*",
        _REST,
    ),
    to_previous=_PUNCTUATION | _CLITICS | {"n't", "'", "..."},
    to_next=_OPENING,
)


def book_text(text: str) -> str:
    """A text of the Children's Book Test as an author writes it, for its quotes not to be undone.

    Its tokens are the Penn Treebank's: ` and '' for quotes, "do n't", -LRB- for a bracket.
    """
    for token, written in _TREEBANK.items():
        text = text.replace(token, written)
    return LM1B(text).replace(_AS_IT_IS, "").replace("` ", "'")


_TREEBANK: Final = {
    "``": '"',
    "''": '"',
    "-LRB-": "(",
    "-RRB-": ")",
    "-LSB-": "[",
    "-RSB-": "]",
    "-LCB-": "{",
    "-RCB-": "}",
}
