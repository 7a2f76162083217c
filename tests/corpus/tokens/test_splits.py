"""Sites are held out whole, by a hash of their name."""

import pyarrow as pa

from corpus.tokens.splits import held_out, split_of


def rows(*documents: tuple[str, str | None]) -> pa.RecordBatch:
    ids, domains = zip(*documents, strict=True)
    return pa.record_batch({"id": pa.array(ids), "domain": pa.array(domains, pa.string())})


def name_in(split: str) -> str:
    return next(name for name in map(str, range(999)) if split_of(name, 0.5) == split)


def test_the_held_out_share_is_the_promised_one_and_stays_when_it_grows():
    sites = [f"site{i}.example" for i in range(20_000)]
    val = {site for site in sites if split_of(site, 0.05) == "val"}
    assert abs(len(val) / len(sites) - 0.05) < 0.006
    assert val < {site for site in sites if split_of(site, 0.1) == "val"}


def test_the_split_of_a_site_is_the_same_in_every_version():
    # Another hash would move text from one split to the other in a rebuild.
    names = [f"site{i}.example" for i in range(40)]
    assert [i for i, name in enumerate(names) if split_of(name, 0.1) == "val"] == [
        1,
        14,
        15,
        16,
        19,
        26,
    ]


def test_all_documents_of_a_site_are_in_its_split():
    train, val = name_in("train"), name_in("val")
    batch = rows(("a", train), ("b", val), ("c", train), ("d", val))
    assert held_out(batch, 0.5, "domain").tolist() == [False, True, False, True]


def test_documents_without_a_domain_or_split_by_document_go_by_their_id():
    train, val = name_in("train"), name_in("val")
    batch = rows((val, train), (train, None), (val, None))
    assert held_out(batch, 0.5, "domain").tolist() == [False, False, True]
    assert held_out(batch, 0.5, "document").tolist() == [True, False, True]


def test_the_pieces_of_a_document_stay_together():
    val = name_in("val")
    batch = rows(*[(f"{val}-{i}", None) for i in range(50)])
    assert held_out(batch, 0.5, "document").all()


def test_no_documents_are_no_trouble():
    batch = rows(("a", "b")).slice(1)
    assert held_out(batch, 0.5, "domain").tolist() == []
    assert held_out(batch, 0.5, "document").tolist() == []
