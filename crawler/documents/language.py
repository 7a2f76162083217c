"""Which language a text is written in, told by a model that lies in an installed wheel.

The library is py3langid: of those tried the one that is kept, needs nothing but numpy and says how
sure it is; docs/dependencies.md has the comparison.
"""

from dataclasses import dataclass
from functools import cache

from py3langid.langid import MODEL_FILE, LanguageIdentifier

UNDETERMINED = "und"
"""The code for no language, of ISO 639-2: too little text, or none in words."""

# At 1,000 characters all 181 gold pages are told rightly, at 100 are 179; time grows with length.
_MAX_CHARS = 1_000
# Below are guesses: file names, code, numbers, a word or two. Sentences of 50 characters in 26
# languages had 0.5 and more.
_MIN_CONFIDENCE = 0.2
_NO_LANGUAGE = "zxx"  # the library's class for numbers and the like


@dataclass(frozen=True, slots=True)
class Language:
    """What a text is written in."""

    code: str
    """ISO 639-1, or `UNDETERMINED`."""
    confidence: float
    """The model's probability, 0 to 1; not to be compared with that of another model."""


def identify_language(text: str) -> Language:
    """The language of a text by its first 1,000 characters; never fails on any text.

    The first call of a process loads the model: 0.5 s and some 75 MB. Calling it before a fork lets
    the children share them. Safe in threads.
    """
    code, confidence = _identifier().classify(text[:_MAX_CHARS])
    if code == _NO_LANGUAGE or confidence < _MIN_CONFIDENCE:
        return Language(UNDETERMINED, confidence)
    return Language(code, confidence)


@cache
def _identifier() -> LanguageIdentifier:
    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    # Those without a code of two letters are dialects and creoles, which short English is mistaken
    # for; without them Cairo's Arabic is Arabic and Cantonese Chinese.
    codes = {code for code in identifier.labels if len(code) == 2}
    identifier.set_languages(codes | {_NO_LANGUAGE})
    return identifier
