"""The rule for one document, for any matches in it."""

from hypothesis import given, settings, strategies as st

from dedup.decontamination.cuts import DecontaminationConfig, Span, judge, merged

LENGTH = 5000


@st.composite
def matches_in_a_document(draw: st.DrawFn) -> list[dict]:
    starts = draw(st.lists(st.integers(0, LENGTH - 1), min_size=1, max_size=20))
    lengths = draw(st.lists(st.integers(1, 400), min_size=len(starts), max_size=len(starts)))
    return [
        {"document_chars": LENGTH, "start": start, "end": min(LENGTH, start + length)}
        for start, length in zip(starts, lengths, strict=True)
    ]


@settings(max_examples=60)
@given(matches_in_a_document(), st.integers(0, 300), st.integers(1, 300), st.integers(1, 12))
def test_no_piece_is_near_a_match_and_nothing_else_is_lost(matches, window, shortest, most):
    config = DecontaminationConfig(window_chars=window, min_piece_chars=shortest, max_pieces=most)
    verdict = judge(matches, config)
    near = {
        at
        for match in matches
        for at in range(max(0, match["start"] - window), min(LENGTH, match["end"] + window))
    }
    kept = [set(range(*piece)) for piece in verdict.pieces]
    assert all(not piece & near and len(piece) >= shortest for piece in kept)
    assert set().union(*(range(*cut) for cut in verdict.cuts)) == near
    assert len(kept) <= most
    left = merged(Span(at, at + 1) for at in set(range(LENGTH)) - near)
    if len(left) <= most:
        assert verdict.pieces == [span for span in left if span.num_chars >= shortest]
