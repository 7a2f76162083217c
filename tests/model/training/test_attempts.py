"""A failure that another attempt would repeat ends it; one of another launch does not."""

import pytest

from corpus.errors import WebtextError
from model.training.attempts import (
    forget_failure,
    refuse_to_repeat,
    remember_failure,
    remembered_failure,
)

FULL = WebtextError("the disk is full", hint="Make room.")


@pytest.fixture
def launch(monkeypatch):
    """Sets torchrun's name of the launch."""
    return lambda name: monkeypatch.setenv("TORCHELASTIC_RUN_ID", name)


def test_the_next_attempt_of_a_launch_ends_with_the_words_of_the_one_before(tmp_path, launch):
    launch("one")
    remember_failure(tmp_path, FULL)
    with pytest.raises(WebtextError, match="the disk is full") as failure:
        refuse_to_repeat(tmp_path)
    assert failure.value.hint == "Make room."


# torchrun calls every launch over several machines "none" that is not named.
@pytest.mark.parametrize(("earlier", "later"), [("one", "two"), ("none", "none")])
def test_another_launch_tries_again(tmp_path, launch, earlier, later):
    launch(earlier)
    remember_failure(tmp_path, FULL)
    launch(later)
    refuse_to_repeat(tmp_path)


def test_without_torchrun_every_attempt_is_a_launch(tmp_path):
    remember_failure(tmp_path, FULL)
    refuse_to_repeat(tmp_path)


def test_who_started_it_can_ask_why_it_failed_until_it_is_forgotten(tmp_path):
    assert remembered_failure(tmp_path) is None
    remember_failure(tmp_path, FULL)
    remembered = remembered_failure(tmp_path)
    assert remembered is not None
    assert (remembered.message, remembered.hint) == (FULL.message, FULL.hint)
    forget_failure(tmp_path)
    assert remembered_failure(tmp_path) is None
