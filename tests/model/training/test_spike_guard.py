"""Updates far above the usual are skipped, the same ones after a restart, and not without end."""

import json
import random

import pytest
from hypothesis import given, settings, strategies as st

from corpus.errors import WebtextError
from model.training.spike_guard import WINDOW, SpikeGuard

NEVER = 10**9  # spikes that these tests never reach

NORMS = st.floats(0, 100, width=32)
STEPS = st.lists(st.tuples(NORMS, NORMS), max_size=60)


def noise(seed, count=WINDOW, mean=3.0, deviation=0.1):
    generator = random.Random(seed)
    return [generator.gauss(mean, deviation) for _ in range(count)]


def filled(zscore=6.0, max_spikes=NEVER, seed=0, **kind):
    guard = SpikeGuard(zscore, max_spikes)
    for loss, grad_norm in zip(noise(seed, **kind), noise(seed + 1, **kind), strict=True):
        assert guard.judge(loss, grad_norm) is None
    return guard


def verdicts(guard, steps):
    """What it says of each step: nothing, a reason to skip it, or why to stop the run."""
    said = []
    for loss, grad_norm in steps:
        try:
            said.append(guard.judge(loss, grad_norm))
        except WebtextError as error:
            said.append(error.message)
    return said


@settings(max_examples=40)
@given(STEPS, st.integers(0, 60), st.integers(0, 1000))
def test_a_restart_at_any_step_changes_no_judgement(steps, restarted_at, seed):
    unbroken, restarted = filled(max_spikes=5, seed=seed), SpikeGuard(6.0, max_spikes=5)
    verdicts(unbroken, steps[:restarted_at])
    restarted.restore(json.loads(json.dumps(unbroken.memory())))
    later = steps[restarted_at:]
    assert verdicts(restarted, later) == verdicts(unbroken, later)
    assert restarted.memory() == unbroken.memory()


def test_what_it_remembers_is_no_part_of_it():
    guard = filled()
    memory = guard.memory()
    before = json.dumps(memory)
    guard.judge(3.0, 3.0)
    assert json.dumps(memory) == before
    other = SpikeGuard(6.0, NEVER)
    other.restore(memory)
    other.judge(3.0, 3.0)
    assert json.dumps(memory) == before


@settings(max_examples=10)
@given(st.integers(0, 10**6))
def test_steady_noise_is_hardly_ever_skipped(seed):
    guard = SpikeGuard(6.0, NEVER)
    steps = zip(noise(seed, 1000), noise(seed + 1, 1000), strict=True)
    assert sum(reason is not None for reason in verdicts(guard, steps)) <= 1


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.floats(10, 1e6), st.booleans())
def test_a_value_ten_deviations_up_is_always_skipped(seed, height, is_loss):
    spike, usual = 3.0 + height * 0.1, 3.0
    loss, grad_norm = (spike, usual) if is_loss else (usual, spike)
    reason = filled(seed=seed).judge(loss, grad_norm)
    assert reason is not None
    assert reason.startswith("loss" if is_loss else "gradient norm")


def test_a_reason_names_the_value_and_its_height():
    guard = SpikeGuard(6.0, NEVER)
    for i in range(WINDOW):
        guard.judge(1.0 + 2 * (i % 2), 1.0)  # mean 2, standard deviation 1
    expected = "loss 9.1 is 7.1 standard deviations above the last 128"
    assert guard.judge(9.1, 1.0) == expected


def test_a_step_with_two_spikes_has_both_reasons():
    reason = filled().judge(100.0, 100.0)
    assert reason is not None
    assert "loss 100 is" in reason
    assert "gradient norm 100 is" in reason


def test_a_sudden_fall_is_no_spike():
    assert filled().judge(0.0, 0.0) is None


def test_nothing_is_judged_before_the_window_is_full():
    guard = SpikeGuard(6.0, NEVER)
    values = noise(0, WINDOW - 1)
    assert set(verdicts(guard, zip(values, values, strict=True))) == {None}
    assert guard.judge(1000.0, 1000.0) is None


def test_a_z_score_of_zero_skips_nothing():
    guard = filled(zscore=0.0, max_spikes=1)
    assert verdicts(guard, [(1e6, 1e6)] * 10) == [None] * 10


def test_spikes_do_not_hide_the_next_ones():
    guard = filled()
    spikes = [guard.judge(3.0 + height, 3.0) for height in (100.0, 2.0, 100.0, 1.5)]
    assert None not in spikes


@pytest.mark.parametrize("value", [0.0, 3.3, 1e-30, 1e30])
@pytest.mark.parametrize("jitter", [0.0, 1e-9])
def test_values_that_hardly_differ_are_no_measure(value, jitter):
    guard = SpikeGuard(6.0, NEVER)
    for i in range(WINDOW):
        guard.judge(value * (1 + jitter * (i % 2)), value)
    assert guard.judge(value * (1 + 20 * jitter) + 1e-7, value) is None


def test_small_noise_on_large_values_is_seen():
    guard = filled(mean=1e6, deviation=100.0)
    assert guard.judge(1e6 + 200, 1e6) is None
    assert guard.judge(1e6 + 2000, 1e6) is not None


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_what_is_not_finite_is_not_for_it(bad):
    with pytest.raises(ValueError, match="finite"):
        SpikeGuard(6.0, NEVER).judge(bad, 1.0)
    with pytest.raises(ValueError, match="finite"):
        SpikeGuard(0.0, NEVER).judge(1.0, bad)


def test_a_loss_that_rises_for_good_stops_the_run():
    guard = filled(max_spikes=10)
    for _ in range(10):
        assert guard.judge(9.0, 3.0) is not None
    with pytest.raises(WebtextError) as caught:
        guard.judge(9.0, 3.0)
    assert "129, 130, 131, 132, 133, 134, 135, 136, 137, 138, 139" in caught.value.message
    for remedy in ("train.lr", "train.skipped_steps", "train.spike_zscore"):
        assert remedy in caught.value.hint


@pytest.mark.parametrize("height", [0.8, 1.2, 1.6])  # 8, 12 and 16 standard deviations
def test_a_moderate_rise_for_good_is_soon_usual(height):
    guard = filled(max_spikes=10)
    risen = noise(5, 4 * WINDOW, mean=3.0 + height)
    said = verdicts(guard, zip(risen, noise(6, 4 * WINDOW), strict=True))
    assert 1 <= sum(reason is not None for reason in said) <= 10
    assert set(said[WINDOW // 2 :]) == {None}


def test_a_slow_rise_does_not_stop_the_run():
    guard = SpikeGuard(6.0, max_spikes=1)
    values = [value + i * 0.001 for i, value in enumerate(noise(0, 2000))]
    assert set(verdicts(guard, zip(values, noise(1, 2000), strict=True))) == {None}


def test_spikes_apart_do_not_stop_the_run():
    guard = filled(max_spikes=1)
    calm = list(zip(noise(2, WINDOW), noise(3, WINDOW), strict=True))
    for _ in range(4):
        said = verdicts(guard, [(9.0, 3.0), *calm])
        assert len(said) == WINDOW + 1
        assert [reason is not None for reason in said] == [True] + [False] * WINDOW


@pytest.mark.parametrize(("steps_between", "stops"), [(126, True), (127, False)])
def test_spikes_count_for_128_steps(steps_between, stops):
    guard = filled(max_spikes=1)
    calm = list(zip(noise(2, steps_between), noise(3, steps_between), strict=True))
    said = verdicts(guard, [(9.0, 3.0), *calm, (9.0, 3.0)])
    assert said[-1] is not None
    assert said[-1].startswith("the training is unstable") == stops
