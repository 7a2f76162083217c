"""The judge does what comparing every document with every survivor before it would do."""

import numpy as np
from hypothesis import given, settings, strategies as st

from dedup.unique.candidates import Candidates
from dedup.unique.judge import MAX_SURVIVORS_PER_KEY, Judge, Texts

SETS = st.lists(st.sets(st.integers(0, 9), min_size=1), max_size=12)


def judged(sets, is_kept, threshold) -> Judge:
    """The verdicts on candidates that all share one key."""
    num = len(sets)
    offsets = np.arange(num + 1)
    candidates = Candidates(np.arange(num), offsets, np.zeros(num, np.int32), 1)
    ends = np.cumsum([len(each) for each in sets], dtype=np.int64)
    starts = np.concatenate([np.zeros(1, np.int64), ends])[:num]
    shingles = np.array([x for each in sets for x in sorted(each)], np.uint32)
    judge = Judge(candidates, Texts(np.array(is_kept, bool), shingles, starts, ends), threshold)
    assert sum(judge.judge()) == num
    return judge


@settings(max_examples=100)
@given(sets=SETS, threshold=st.sampled_from([0.5, 0.55, 0.7, 0.8, 1.0]), num_kept=st.integers(0, 4))
def test_the_most_similar_survivor_is_named_and_the_first_in_line_of_them(
    sets, threshold, num_kept
):
    is_kept = [i < num_kept for i in range(len(sets))]
    survivors: list[int] = []
    expected = []
    for i, mine in enumerate(sets):
        pairs = [(len(mine & sets[j]) / len(mine | sets[j]), -j) for j in survivors]
        best, negative = max(pairs, default=(0.0, 0))
        if best >= threshold and not is_kept[i]:
            expected.append((-negative, best))
        else:
            survivors.append(i)
            expected.append((-1, None))
    judge = judged(sets, is_kept, threshold)
    found = zip(judge.survivors.tolist(), judge.similarities.tolist(), strict=True)
    assert [(s, None if s < 0 else similarity) for s, similarity in found] == expected


def test_a_crowd_that_shares_a_key_is_compared_with_its_first_survivors_only():
    # Each has half its shingles in common with all others: under the threshold.
    sets = [{*range(10), *range(10 * i, 10 * i + 10)} for i in range(1, 301)]
    judge = judged(sets, [False] * 300, 0.8)
    assert (judge.survivors == -1).all()
    assert judge.num_crowded_keys == 1
    bounded = sum(min(i, MAX_SURVIVORS_PER_KEY) for i in range(300))
    assert judge.num_compared == bounded
    assert judged([*sets, sets[0]], [False] * 301, 0.8).survivors[-1] == 0


def test_a_pair_is_compared_once_however_many_keys_it_shares():
    keys = np.array([0, 1, 2, 0, 1, 2], np.int32)
    candidates = Candidates(np.arange(2), np.array([0, 3, 6]), keys, 3)
    bounds = np.array([0, 4, 8])
    texts = Texts(np.zeros(2, bool), np.array([1, 2, 3, 4] * 2, np.uint32), bounds[:-1], bounds[1:])
    judge = Judge(candidates, texts, 0.8)
    assert [*judge.judge()] == [2]
    assert judge.num_compared == 1
    assert judge.survivors.tolist() == [-1, 0]
