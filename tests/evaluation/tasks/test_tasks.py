"""Each task measures what its protocol says, on the published files."""

import json
import math

import numpy as np
import pytest
import torch

from corpus.benchmarks.language_modeling import (
    character_pieces,
    lambada_passages,
    lm1b_sentences,
    ptb_sentences,
    raw_wikitext_articles,
    wikitext_articles,
)
from corpus.benchmarks.questions import winograd_schemas
from corpus.errors import UsageError, WebtextError
from corpus.tokenizer import Tokenizer
from evaluation.paper import TABLE_3, paper_value
from evaluation.task import NoExamplesError
from evaluation.tasks.characters import TEXT8
from evaluation.tasks.detokenizers import LM1B as DETOKENIZE_LM1B, WIKITEXT
from evaluation.tasks.heldout import HELDOUT, unigram_logprobs
from evaluation.tasks.lambada import LAMBADA, split_last_word
from evaluation.tasks.lm1b import LM1B
from evaluation.tasks.ptb import PTB
from evaluation.tasks.wikitext import WIKITEXT2, count_words
from evaluation.tasks.winograd import WINOGRAD


def test_heldout_equals_scoring_each_document_alone(subject_of, make_tokens, tokenizer, scored):
    texts = ["some held-out text, longer than a block of 32 tokens", "short", ""]
    tokens = make_tokens(["the train split's text"], texts)
    subject = subject_of(tokens)
    scores = scored(HELDOUT, subject)
    streams = [[*tokenizer.encode(text), tokenizer.end_of_text] for text in texts]
    total = sum(each.sum() for each in subject.scorer.loglikelihood_rolling(streams))
    num_tokens = sum(map(len, streams))
    assert scores["loss"].value == pytest.approx(-total / num_tokens)
    assert scores["perplexity"].value == pytest.approx(math.exp(scores["loss"].value))
    assert (scores["loss"].num_examples, scores["loss"].num_tokens) == (3, num_tokens)
    gain = scores["unigram_loss"].value - scores["loss"].value
    assert scores["gain"].value == pytest.approx(gain)


def test_unigram_counts_are_add_one_smoothed(make_tokens, tokenizer):
    tokens = make_tokens(["aab"], ["a"])
    probabilities = np.exp(unigram_logprobs(tokens, tokenizer.vocab_size))
    num_train = 4  # a a b and end-of-text
    assert probabilities.sum() == pytest.approx(1)
    [a, b, c] = (tokenizer.encode(letter)[0] for letter in "abc")
    assert probabilities[[a, b, c]] * (257 + num_train) == pytest.approx([3, 2, 1])


def test_a_split_without_documents_has_no_score(subject_of, make_tokens):
    with pytest.raises(NoExamplesError, match="no document"):
        list(HELDOUT.variants[0].measure(subject_of(make_tokens(["text"], []))))


def test_tokens_of_a_larger_vocabulary_are_refused(make_tokens):
    with pytest.raises(UsageError, match="not in the model's vocabulary of 10"):
        unigram_logprobs(make_tokens(["text"], ["text"]), 10)


def test_lambada_equals_pairs_scored_by_hand(subject_of, benchmarks, tokenizer, scored):
    subject = subject_of(benchmarks=benchmarks, max_examples=40)
    scores = scored(LAMBADA, subject)
    perplexity, accuracy = scores["perplexity"], scores["accuracy_percent"]
    pairs = []
    for passage in list(lambada_passages(benchmarks))[:40]:
        word = passage.split(" ")[-1]
        context = tokenizer.encode(passage[: -len(word) - 1])
        pairs.append((context, tokenizer.encode(" " + word)))
    scores = subject.scorer.loglikelihood(pairs)
    mean = sum(score.logprob for score in scores) / 40
    assert perplexity.value == pytest.approx(math.exp(-mean))
    assert accuracy.value == 100 * sum(score.is_greedy for score in scores) / 40
    assert perplexity.num_examples == 40
    assert perplexity.num_tokens == sum(len(word) for _, word in pairs)


def test_all_lambada_passages_have_a_context_and_a_last_word(benchmarks):
    passages = list(lambada_passages(benchmarks))
    assert len(passages) == 5153
    for passage in map(str.rstrip, passages):
        context, word = split_last_word(passage)
        assert context + word == passage
        assert word.startswith(" ")
        assert " " not in word[1:]


def test_a_single_word_is_all_target():
    assert split_last_word("word") == ("", "word")


@pytest.mark.parametrize("name", ["wikitext2", "wikitext103"])
def test_wikitext_is_sixty_articles_with_the_published_word_count(benchmarks, name):
    articles = list(wikitext_articles(benchmarks, name))
    text = (benchmarks / name / "wiki.test.tokens").read_text(encoding="utf-8")
    assert len(articles) == 60  # paper section 4
    assert "".join(articles) == text
    assert count_words(text) == 245_569


def test_the_raw_file_has_the_same_articles_with_as_many_words(benchmarks):
    raw, published = raw_wikitext_articles(benchmarks), wikitext_articles(benchmarks, "wikitext2")
    for ours, theirs in zip(raw, published, strict=True):
        assert count_words(ours) == count_words(theirs)
        assert "<unk>" not in ours


def test_wikitext_perplexity_is_per_original_word(subject_of, tokenizer, tmp_path, scored):
    (tmp_path / "wikitext2").mkdir()
    text = " \n = Title = \n \n A guest @-@ starring role , here . \n"
    (tmp_path / "wikitext2" / "wiki.test.tokens").write_text(text)
    subject = subject_of(benchmarks=tmp_path)
    scores = scored(WIKITEXT2, subject)
    words, tokens = scores["word_perplexity"], scores["token_perplexity"]
    stream = tokenizer.encode("\n= Title =\n\nA guest-starring role, here.\n")
    logprob = sum(*subject.scorer.loglikelihood_rolling([stream]))
    assert words.value == pytest.approx(math.exp(-logprob / (11 + 4)))
    assert tokens.value == pytest.approx(math.exp(-logprob / len(stream)))


@pytest.fixture
def two_articles(tmp_path):
    """A benchmarks folder whose WikiText-2 is two articles that share a window of 32 tokens."""
    first = " \n = One = \n \n A guest @-@ starring role . \n \n"
    second = " \n = Two = \n \n Here ( now ) . \n"
    (tmp_path / "wikitext2").mkdir()
    (tmp_path / "wikitext2" / "wiki.test.tokens").write_text(first + second)
    return tmp_path, first, second


def test_an_articles_loss_is_that_of_its_tokens_given_all_before(
    subject_of, two_articles, tokenizer, measured
):
    folder, first, second = two_articles
    subject = subject_of(benchmarks=folder)
    examples = measured(WIKITEXT2, subject)
    written = [tokenizer.encode(WIKITEXT(article)) for article in (first, second)]
    # A token at a time: its context is what its window of 32 holds.
    stream, logprobs = written[0] + written[1], []
    for i in range(len(stream)):
        start = i // 32 * 32
        end = min(start + 32, len(stream))
        context = [tokenizer.end_of_text, *stream][max(0, end - 32) : i + 1]
        [score] = subject.scorer.loglikelihood([(context, stream[i : i + 1])])
        logprobs.append(score.logprob)
    cut = len(written[0])
    assert examples["nats"].to_pylist() == pytest.approx(
        [-sum(logprobs[:cut]), -sum(logprobs[cut:])], rel=1e-4
    )
    assert examples["num_units"].to_pylist() == [count_words(first), count_words(second)]


def test_articles_sum_to_the_file(subject_of, benchmarks, tokenizer, measured):
    subject = subject_of(benchmarks=benchmarks, max_examples=5)
    text = "".join(list(wikitext_articles(benchmarks, "wikitext2"))[:5])
    [logprobs] = subject.scorer.loglikelihood_rolling([tokenizer.encode(WIKITEXT(text))])
    examples = measured(WIKITEXT2, subject)
    assert len(examples) == 5
    assert sum(examples["num_tokens"].to_pylist()) == len(logprobs)
    assert math.fsum(examples["nats"].to_pylist()) == pytest.approx(-math.fsum(logprobs), rel=1e-12)
    assert sum(examples["num_units"].to_pylist()) == count_words(text)


@pytest.mark.parametrize("name", ["wikitext2", "wikitext103"])
def test_gpt2s_tokens_of_the_articles_are_those_of_the_file(benchmarks, real_data, name):
    gpt2 = Tokenizer.load(real_data / "gpt2_bpe")
    articles = list(wikitext_articles(benchmarks, name))
    whole = gpt2.encode(WIKITEXT("".join(articles)))
    assert [i for article in articles for i in gpt2.encode(WIKITEXT(article))] == whole


def test_ptbs_words_are_those_that_its_makers_count(subject_of, benchmarks, measured):
    examples = measured(PTB, subject_of(benchmarks=benchmarks, max_examples=40))
    sentences = list(ptb_sentences(benchmarks))
    assert sum(map(count_words, sentences)) == 82_430
    assert examples["num_units"].to_pylist() == [count_words(each) for each in sentences[:40]]


def test_sentences_of_the_billion_words_are_scored_each_alone(
    subject_of, official, tokenizer, measured
):
    subject = subject_of(benchmarks=official)
    examples = measured(LM1B, subject)
    sentence = list(lm1b_sentences(official))[7]
    [logprobs] = subject.scorer.loglikelihood_rolling([tokenizer.encode(DETOKENIZE_LM1B(sentence))])
    assert examples["nats"][7].as_py() == pytest.approx(-math.fsum(logprobs), rel=1e-6)
    assert examples["num_units"][7].as_py() == len(sentence.split()) + 1


@pytest.mark.parametrize("name", ["enwik8", "text8"])
def test_pieces_are_the_last_five_million_bytes(official, real_data, name):
    pieces = list(character_pieces(official, name))
    content = (official / name / name).read_bytes()[-5_000_000:]
    skipped = len(content) - len("".join(pieces).encode())
    assert skipped < 4
    assert "".join(pieces).encode() == content[skipped:]
    gpt2 = Tokenizer.load(real_data / "gpt2_bpe")
    some = pieces[:6]
    assert [i for piece in some for i in gpt2.encode(piece)] == gpt2.encode("".join(some))


def test_bits_are_those_of_a_byte_that_could_be_any_of_256(
    subject_of, official, model, scored, monkeypatch
):
    monkeypatch.setattr(model.wte.weight, "data", torch.zeros_like(model.wte.weight))
    scores = scored(TEXT8, subject_of(benchmarks=official, max_examples=1))
    assert scores["bits_per_character"].value == pytest.approx(math.log2(257), rel=1e-5)


@pytest.mark.parametrize("name", ["enwik8", "text8"])
def test_another_number_of_bytes_is_not_the_published_file(tmp_path, name):
    (tmp_path / name).mkdir()
    (tmp_path / name / name).write_text("abc")
    with pytest.raises(WebtextError, match="it has 3 bytes, not 100,000,000"):
        list(character_pieces(tmp_path, name))


def winograd_with(folder, *schemas):
    (folder / "wsc273").mkdir()
    rows = [
        {"context_options": beginnings, "continuation": end, "gold": answer}
        for beginnings, end, answer in schemas
    ]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "wsc273" / "winograd_wsc.jsonl").write_text(lines)
    return folder


def test_winograd_takes_the_likelier_end_and_the_likelier_sentence(
    subject_of, benchmarks, tokenizer, wide_model, measured
):
    subject = subject_of(benchmarks=benchmarks, max_examples=60, model=wide_model)
    examples = measured(WINOGRAD, subject)
    for schema, row in zip(winograd_schemas(benchmarks), examples.to_pylist(), strict=False):
        end = tokenizer.encode(f" {schema.end}")
        both = [[*tokenizer.encode(beginning), *end] for beginning in schema.beginnings]
        logprobs = subject.scorer.loglikelihood_rolling(both)
        wrong = 1 - schema.answer
        partial = [logprob[-len(end) :].sum() for logprob in logprobs]
        full = [logprob.sum() for logprob in logprobs]
        assert row["is_correct"] == (partial[schema.answer] > partial[wrong])
        assert row["is_correct_full"] == (full[schema.answer] > full[wrong])
        assert row["nats"] == pytest.approx(-partial[schema.answer], rel=1e-4)
    assert len(set(examples["is_correct"].to_pylist())) == 2


def test_a_model_that_knows_nothing_is_right_by_chance(
    subject_of, benchmarks, wide_model, scored, monkeypatch
):
    # All tokens are as likely: then all ends are, and the first candidate is taken.
    weight = wide_model.wte.weight
    monkeypatch.setattr(weight, "data", torch.zeros_like(weight))
    scores = scored(WINOGRAD, subject_of(benchmarks=benchmarks, model=wide_model))
    assert scores["accuracy_percent"].num_examples == 273
    assert scores["accuracy_percent"].value == pytest.approx(100 * 137 / 273)


def test_a_schema_whose_answer_is_no_candidate_is_named(tmp_path, subject_of):
    folder = winograd_with(tmp_path, (["a", "b"], "c", 0), (["a", "b"], "c", 2))
    with pytest.raises(WebtextError, match=r"winograd_wsc\.jsonl .*line 2 is no schema"):
        list(WINOGRAD.variants[0].measure(subject_of(benchmarks=folder)))


def test_a_foreign_file_is_named_with_its_line(tmp_path, subject_of):
    (tmp_path / "lambada").mkdir()
    (tmp_path / "lambada" / "lambada_test.jsonl").write_text('{"text": "a b"}\n[1]\n')
    with pytest.raises(WebtextError, match=r"lambada_test\.jsonl .* line 2"):
        list(LAMBADA.variants[0].measure(subject_of(benchmarks=tmp_path)))


def test_the_papers_numbers_are_those_of_table_3():
    assert paper_value("lambada", "accuracy_filtered_percent", "1542M") == 63.24
    assert paper_value("lambada", "accuracy_percent", "1542M") == 52.66
    assert paper_value("wikitext103", "word_perplexity", "117M") == 37.50
    assert paper_value("heldout", "loss", "117M") is None
    assert len(TABLE_3) == 10
