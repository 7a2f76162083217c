"""Repeated keys are found whatever their order."""

from collections import Counter

import numpy as np
from hypothesis import given, settings, strategies as st

from dedup.unique.candidates import number_repeated
from dedup.unique.minhash import NO_KEY

VALUES = st.lists(st.sampled_from([0, 1, 2, 3, 2**63, 2**64 - 1]), max_size=12)


@settings(max_examples=60)
@given(VALUES)
def test_repeated_values_are_numbered_and_no_others(values):
    numbers, num_repeated = number_repeated(np.array(values, np.uint64))
    repeated = sorted(v for v, count in Counter(values).items() if count > 1 and v != NO_KEY)
    assert num_repeated == len(repeated)
    expected = [repeated.index(v) if v in repeated else -1 for v in values]
    assert numbers.tolist() == expected
