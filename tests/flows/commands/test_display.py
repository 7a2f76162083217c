"""What a person sees: bars on a terminal, lines elsewhere, the outcome of every stage on both."""

import io

import pytest
from rich.console import Console

from flows.commands.display import current_display, open_display


def show(console: Console) -> None:
    with open_display(console):
        display = current_display()
        display.done("links", "done before: 7 → 5 (low_score 2)")
        pages = display.stage("pages")
        pages.start(10, "links")
        pages.advance(4, "3 pages fetched")
        pages.advance(6)
        display.done("pages", "10 → 9 (timeout 1) in 3 s")


@pytest.mark.parametrize("is_terminal", [True, False])
def test_every_stage_s_outcome_stays_on_the_screen(is_terminal: bool):
    screen = io.StringIO()
    show(Console(file=screen, force_terminal=is_terminal, width=100))
    assert "low_score 2" in screen.getvalue()
    assert "10 → 9 (timeout 1) in 3 s" in screen.getvalue()


def test_a_terminal_shows_how_far_a_stage_is():
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=100)
    with open_display(console):
        progress = current_display().stage("pages")
        progress.start(10, "links")
        progress.advance(4, "3 pages fetched")
    assert "4/10 links" in screen.getvalue()
    assert "3 pages fetched" in screen.getvalue()


def test_a_stage_of_unknown_length_can_be_shown():
    screen = io.StringIO()
    with open_display(Console(file=screen, force_terminal=True, width=100)):
        progress = current_display().stage("links")
        progress.start(None, "submissions")
        progress.advance(1_200)
    assert "1,200 submissions" in screen.getvalue()
