"""What becomes of a draft: applies a preset's rules in order; the first that objects decides."""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from crawler.documents.draft import Draft

_GAP = re.compile(r"\n\s*\n")

Rule = Callable[[Draft], str | None]
"""What it found against a draft, for a person, or None; its name is the reject reason."""
LineRule = Callable[[str], bool]
"""Whether a line, without white space at its ends, stays; its name counts those that do not."""


@dataclass(frozen=True, slots=True)
class Preset:
    """Which rules apply: to the text as extracted, to its lines, to what is left of them."""

    rules: tuple[Rule, ...]
    line_rules: tuple[LineRule, ...] = ()
    final_rules: tuple[Rule, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a draft."""

    text: str
    """Its text without the lines that were taken."""
    reason: str = ""
    """Why it is rejected; empty: it is kept."""
    detail: str = ""
    """What was found, for a person."""
    lines_taken: Counter[str] = field(default_factory=Counter)
    """How many, by line rule."""


def judge(draft: Draft, preset: Preset) -> Verdict:
    """Apply a preset; never fails, whatever the text."""
    if found := _objection(preset.rules, draft):
        return Verdict(draft.text, *found)
    text, taken = _cleaned(draft.text, preset.line_rules)
    final = draft if text == draft.text else replace(draft, text=text)
    reason, detail = _objection(preset.final_rules, final) or ("", "")
    return Verdict(text, reason, detail, taken)


def _objection(rules: tuple[Rule, ...], draft: Draft) -> tuple[str, str] | None:
    for rule in rules:
        if (detail := rule(draft)) is not None:
            return rule.__name__, detail
    return None


def _cleaned(text: str, rules: tuple[LineRule, ...]) -> tuple[str, Counter[str]]:
    taken: Counter[str] = Counter()
    if not rules:
        return text, taken
    kept = []
    for line in text.split("\n"):
        stripped = line.strip()
        rule = next((rule for rule in rules if stripped and not rule(stripped)), None)
        if rule is None:
            kept.append(line)
        else:
            taken[rule.__name__] += 1
    # Blank lines around what was taken would grow into gaps.
    return (_GAP.sub("\n\n", "\n".join(kept)).strip() if taken else text), taken
