"""The share of each head's attention that follows a pattern, compared with loops over single weights and with numbers by hand."""

from __future__ import annotations

import math
import random

import numpy as np
import pandas as pd
import pytest
import torch
from helpers import induction_model, tiny_models
from helpers.reference_match import matched

import attnscope
from attnscope import analysis
from attnscope.analysis import match_rows, pattern_match, patterns
from attnscope.analysis.match_rows import drawn_without_replacement
from attnscope.analysis.pattern_match import Match, match_of, pooled
from attnscope.analysis.pattern_table import pattern_of
from attnscope.attention import Mask, QKRecord
from attnscope.errors import InputError
from attnscope.trace import Trace
from attnscope.trace.stack import TracedStack
from attnscope.types import Token

pytestmark = pytest.mark.core

COLUMNS = ["share", "accuracy", "offset", "offset_accuracy", "offset_share", "closeness", "rows"]


def trace_of(mask: torch.Tensor, tokens: list[Token], *, causal: bool, heads: int = 4, kv_heads: int = 2) -> Trace:
    """A trace of random q and k, with two query heads for each key head."""
    generator = torch.Generator().manual_seed(7)
    queries, keys = mask.shape[-2:]
    q = torch.randn(heads, queries, 6, generator=generator)
    k, v = (torch.randn(kv_heads, keys, 6, generator=generator) for _ in range(2))
    record = QKRecord(q=3 * q, k=k, v=v, scaling=0.5, mask=Mask.fit(mask if mask.ndim == 3 else mask[None]))
    sides, side = {"text": tokens}, "text"
    if queries != keys:
        side, sides["target"] = "target", [Token(f" t{i}", i) for i in range(queries)]
    return Trace(
        sides=sides,
        stacks={"it": TracedStack([record], causal=causal, query_side=side)},
        certificate=None,
        provenance={},
    )


def words(text: str) -> list[Token]:
    """One token per word; `_` is padding, capitals are special, `|` splits a word into pieces."""
    found: list[Token] = []
    for word in text.split():
        for place, piece in enumerate(word.split("|")):
            written = piece if place else f" {piece}"
            found.append(
                Token(
                    written,
                    int.from_bytes(written.encode(), "big") % 100_003,
                    special=piece.isupper(),
                    padding=piece == "_",
                )
            )
    return found


def expect(
    trace: Trace,
    pairs: set[tuple[int, int]],
    table: pd.DataFrame,
    *,
    off_sink: bool = False,
    stack: str | None = None,
    **more,
) -> None:
    """Compare a table with loops over each head."""
    queries, keys = trace.tokens_for(stack)
    traced = trace.traced_stack(stack)
    padding = {j for j, token in enumerate(keys) if token.padding}
    first = min(set(range(len(keys))) - padding)
    sinks = {j for j, token in enumerate(keys) if token.special} | ({first} if traced.causal else set())
    for row in table.itertuples():
        record = traced.records[row.layer]
        if isinstance(record, QKRecord):
            allowed = trace.scores(row.layer, row.head, stack).isfinite().numpy()
        else:
            allowed = np.ones((len(queries), len(keys)), dtype=bool)
            allowed = np.tril(allowed) if traced.causal else allowed
        wanted = matched(
            trace.attention(row.layer, row.head, stack).double().numpy(),
            allowed,
            pairs,
            closed=padding | (sinks if off_sink else set()),
            ignored={i for i, token in enumerate(queries) if token.padding},
            renormalized=off_sink,
            **more,
        )
        for name in wanted:
            assert getattr(row, name) == pytest.approx(wanted[name], abs=1e-5), (row.layer, row.head, name)


# ---- by hand

WEIGHTS = [
    [[1.0, 0, 0, 0], [0.7, 0.3, 0, 0], [0.1, 0.8, 0.1, 0], [0.2, 0.1, 0.6, 0.1]],
    [[1.0, 0, 0, 0], [0.5, 0.5, 0, 0], [0.5, 0.25, 0.25, 0], [0.4, 0.3, 0.2, 0.1]],
]


@pytest.fixture(scope="module")
def sat(smollm2: attnscope.Model) -> Trace:
    return smollm2.trace("the cat sat on the mat")


def by_hand() -> Trace:
    return Trace.from_attention([torch.tensor([WEIGHTS])], ["a", "b", "c", "d"])


def test_the_previous_token_worked_by_hand() -> None:
    table = analysis.match(by_hand(), "previous")
    assert table["head"].tolist() == [0, 1]
    assert table["share"].tolist() == pytest.approx([(0.7 + 0.8 + 0.6) / 3, (0.5 + 0.25 + 0.2) / 3])
    # Head 1: 0.5 is tied with 0.5, 0.25 is less than 0.5, 0.2 less than 0.4.
    assert table["accuracy"].tolist() == pytest.approx([1.0, 0.0])
    assert table["closeness"].tolist() == pytest.approx([1 - 2 * (0.3 + 0.2 + 0.4) / 3, 1 - 2 * (0.5 + 0.75 + 0.8) / 3])
    assert table["offset"].tolist() == [1, 1] and table["offset_accuracy"].tolist() == [1.0, 1.0]
    assert table["offset_share"].tolist() == pytest.approx(table["share"].tolist())
    assert table["rows"].tolist() == [3, 3]


def test_off_sink_worked_by_hand() -> None:
    # Without key 0, row 1 may not attend to its previous token; rows 2 and 3 are [0.8, 0.1] / 0.9 and [0.1, 0.6, 0.1] / 0.8.
    table = analysis.match(by_hand(), 1, off_sink=True)
    assert table["share"].tolist() == pytest.approx([(8 / 9 + 6 / 8) / 2, (0.5 + 2 / 6) / 2])
    assert table["rows"].tolist() == [2, 2]
    assert table["accuracy"].tolist() == pytest.approx([1.0, 0.0])


def test_the_baseline_is_the_offset_that_is_most_often_right_worked_by_hand() -> None:
    # Queries 1, 2 and 3 with the keys 0, 0 and 1: offsets 1, 2, 2.
    pairs = np.zeros((4, 4))
    pairs[[1, 2, 3], [0, 0, 1]] = 1
    table = analysis.match(by_hand(), pairs)
    assert table["offset"].tolist() == [2, 2] and table["offset_accuracy"].tolist() == pytest.approx([2 / 3, 2 / 3])
    of_head = dict(zip(table["head"], table["offset_share"], strict=True))
    assert of_head == pytest.approx({0: (0.1 + 0.1) / 2, 1: (0.5 + 0.3) / 2})  # row 1 has no key two tokens before


def test_words_of_several_tokens_worked_by_hand() -> None:
    # a | b c | d, and the query word "bc" with the key word "a": rows 1 and 2.
    weights = [[1.0, 0, 0, 0], [0.6, 0.4, 0, 0], [0.1, 0.45, 0.45, 0], [0.3, 0.3, 0.3, 0.1]]
    trace = Trace.from_attention([torch.tensor([[weights]])], ["a", "b", "c", "d"])

    class Words(patterns.Pattern):
        @property
        def name(self):
            return "words"

        def related(self, groups):
            return patterns.Related.of_spans(groups, [((1, 2), (0,)), ((3,), (1, 2))], [(1, 2)])

        def as_json(self):
            return {"pattern": "words"}

    row = analysis.match(trace, Words()).iloc[0]
    assert row["share"] == pytest.approx((0.6 + 0.1 + 0.6) / 3)
    # Word bc: a has (0.6 + 0.1) / 2 = 0.35, bc itself (0.4 + 0.9) / 2 = 0.65: wrong. Word d: bc has 0.6, a 0.3: right.
    assert row["accuracy"] == pytest.approx(0.5)
    assert (row["offset"], row["offset_accuracy"], row["rows"]) == (1, 1.0, 3)


# ---- against loops

PAIRS = {"previous": lambda n: {(i, i - 1) for i in range(1, n)}, "self": lambda n: {(i, i) for i in range(n)}}


@pytest.mark.parametrize("off_sink", [False, True])
@pytest.mark.parametrize(
    "family", ["llama", "mistral", "gemma2", "gpt_oss", "modernbert", "bert", "bloom", "deberta_v2"]
)
def test_windows_groups_learned_sinks_and_reported_weights_equal_loops(family: str, off_sink: bool) -> None:
    trace = attnscope.Model(tiny_models.build(family)).trace(tiny_models.ids(9) + tiny_models.ids(9)[:3])
    for name in ("previous", "self"):
        expect(trace, PAIRS[name](12), analysis.match(trace, name, off_sink=off_sink), off_sink=off_sink)
    far = {(i, j) for i in range(12) for j in range(12) if (i * 7 + j * 3) % 5 == 0}
    table = analysis.match(trace, lambda query, key: (query.index * 7 + key.index * 3) % 5 == 0, off_sink=off_sink)
    expect(trace, far, table, off_sink=off_sink)


@pytest.mark.parametrize("off_sink", [False, True])
@pytest.mark.parametrize("causal", [False, True])
def test_padding_rows_are_no_queries_and_padding_columns_no_keys(causal: bool, off_sink: bool) -> None:
    tokens = words("_ _ S a b a b c _")
    mask = torch.ones(9, 9).bool()
    mask = mask.tril() if causal else mask
    mask[:, [0, 1]] = False
    trace = trace_of(mask, tokens, causal=causal)
    pairs = {(i, j) for i in range(9) for j in range(9) if (i + 2 * j) % 3 == 0}
    table = analysis.match(trace, [[int((i, j) in pairs) for j in range(9)] for i in range(9)], off_sink=off_sink)
    expect(trace, pairs, table, off_sink=off_sink)


@pytest.mark.parametrize("off_sink", [False, True])
def test_heads_with_masks_of_their_own_equal_loops(off_sink: bool) -> None:
    mask = torch.rand(4, 8, 8, generator=torch.Generator().manual_seed(2)) < 0.3
    trace = trace_of(mask, words("a b S c d e f g"), causal=False)
    pairs = {(i, j) for i in range(8) for j in range(8) if (i + j) % 3 == 0}
    table = analysis.match(trace, lambda query, key: (query.index + key.index) % 3 == 0, off_sink=off_sink)
    assert len(set(table["rows"])) > 1
    expect(trace, pairs, table, off_sink=off_sink)


def test_cross_attention_has_no_offsets() -> None:
    trace = trace_of(torch.ones(4, 6).bool(), words("a b S c d e"), causal=False)
    pairs = {(0, 1), (1, 0), (3, 5), (3, 4)}
    table = analysis.match(trace, [[int((i, j) in pairs) for j in range(6)] for i in range(4)])
    expect(trace, pairs, table, offsets=False)
    assert table["offset"].isna().all() and table["offset_accuracy"].isna().all() and table["offset_share"].isna().all()


@pytest.mark.parametrize("off_sink", [False, True])
@pytest.mark.parametrize("causal", [False, True])
def test_words_of_several_tokens_equal_loops(causal: bool, off_sink: bool) -> None:
    tokens = words("the car|pent|er saw the car|pent|er and a car|pent|er")
    mask = torch.ones(14, 14).bool()
    trace = trace_of(mask.tril() if causal else mask, tokens, causal=causal)
    numbered = [[0], [1, 2, 3], [4], [5], [6, 7, 8], [9], [10], [11, 12, 13]]
    same = [(3, 0), (4, 1), (7, 1), (7, 4)]
    pairs = {(i, j) for later, earlier in same for i in numbered[later] for j in numbered[earlier]}
    table = analysis.match(trace, "same word", off_sink=off_sink)
    expect(trace, pairs, table, off_sink=off_sink, query_words=numbered, key_words=numbered)


def test_rows_in_several_blocks_equal_loops(monkeypatch) -> None:
    draw = random.Random(1)
    tokens = [Token(f" {word}", ord(word)) for word in draw.choices("abcdefg", k=40)]
    trace = trace_of(torch.ones(40, 40).tril().triu(-25).bool(), tokens, causal=True)
    whole = analysis.match(trace, "same word")
    pairs = {(i, j) for i in range(40) for j in range(i) if tokens[i].text == tokens[j].text}
    expect(trace, pairs, whole)
    monkeypatch.setattr(match_rows, "_ROWS_AT_ONCE", 7)
    monkeypatch.setattr(match_rows, "_CELLS_KEPT", 0)
    monkeypatch.setattr(pattern_match, "_WEIGHTS_AT_ONCE", 100)
    compared = [*COLUMNS[:-1], "layer", "head"]
    pd.testing.assert_frame_equal(analysis.match(trace, "same word")[compared], whole[compared], atol=1e-6)


def test_only_the_rows_of_the_pattern_are_computed(monkeypatch) -> None:
    trace = by_hand()
    record = trace.layer_record(0)
    asked: list[int] = []
    real = type(record).attention
    monkeypatch.setattr(
        type(record), "attention", lambda self, heads, rows: asked.extend(rows.tolist()) or real(self, heads, rows)
    )
    analysis.match(trace, lambda query, key: (query.index, key.index) == (3, 1))
    assert asked == [3]


def test_rows_without_any_weight_do_not_count() -> None:
    weights = torch.tensor([[[1.0, 0, 0], [0, 0, 0], [0.5, 0.3, 0.2]]] * 2)
    trace = Trace.from_attention([weights], ["a", "b", "c"], partial_rows=True)
    table = analysis.match(trace, "previous")
    assert table["rows"].tolist() == [1, 1] and table["share"].tolist() == pytest.approx([0.3, 0.3])


# ---- measures that exist already


@pytest.mark.parametrize("off_sink", [False, True])
def test_shares_equal_the_measures_of_heads(smollm2, off_sink: bool) -> None:
    trace = smollm2.trace("the cat sat on the mat and the cat sat on the rug, the the end")
    measures = analysis.heads(trace, off_sink=off_sink)
    for name in ("previous", "self", "induction"):
        table = analysis.match(trace, name, off_sink=off_sink).sort_values(["layer", "head"])
        assert table["share"].tolist() == pytest.approx(measures[name].tolist(), abs=1e-4)


def test_attention_of_an_encoder_equals_the_measure_of_the_next_token(minilm) -> None:
    trace = minilm.trace("the cat sat on the mat", pair="the cat lay on the rug")
    table = analysis.match(trace, "next").sort_values(["layer", "head"])
    assert table["share"].tolist() == pytest.approx(analysis.heads(trace)["next"].tolist(), abs=1e-4)


# ---- heads that are known


@pytest.fixture(scope="module")
def repeated() -> Trace:
    """[x, r, r] in a model with one previous-token head and one induction head, set by hand."""
    generator = torch.Generator().manual_seed(1)
    r = (torch.randperm(induction_model.TOKENS - 1, generator=generator)[:16] + 1).tolist()
    return attnscope.Model(induction_model.build()).trace([0, *r, *r])


def test_the_previous_token_head_set_by_hand_is_first(repeated: Trace) -> None:
    table = analysis.match(repeated, "previous")
    assert tuple(table.iloc[0][["layer", "head"]]) == induction_model.PREVIOUS
    assert table["share"][0] == pytest.approx(1) and table["share"][1] < 0.3
    assert table["closeness"][0] == pytest.approx(1, abs=1e-5) and table["accuracy"][0] == 1


def test_the_induction_head_set_by_hand_is_first(repeated: Trace) -> None:
    for table in (analysis.match(repeated, "induction"), analysis.match(repeated, patterns.induction(), off_sink=True)):
        assert tuple(table.iloc[0][["layer", "head"]]) == induction_model.INDUCTION
        assert table["share"][0] == pytest.approx(1, abs=1e-5) and table["share"][1] < 0.3
        assert table["accuracy"][0] == 1 and table["offset"][0] == 15 and table["rows"][0] == 16
    measured = analysis.heads(repeated).sort_values("induction", ascending=False).iloc[0]
    assert (measured["layer"], measured["head"]) == induction_model.INDUCTION
    weights = repeated.attention(*induction_model.INDUCTION)
    assert all(float(weights[i, i - 15]) == pytest.approx(1, abs=1e-5) for i in range(17, 33))


# ---- the control


def test_the_control_is_the_mean_over_keys_at_random() -> None:
    # Expected: Σ_i (m_i / n_i) Σ_j α_ij / Σ α, with m_i keys of the pattern among n_i allowed keys.
    trace = by_hand()
    pairs = np.array([[0, 0, 0, 0], [1, 0, 0, 0], [1, 1, 0, 0], [0, 1, 0, 0]])
    table = analysis.match(trace, pairs, draws=1000)
    assert table["shuffled"].tolist() == pytest.approx([(1 / 2 + 2 / 3 + 1 / 4) / 3] * 2, abs=0.02)
    # The largest draw has the best keys in every row: head 0 with 0.7, 0.1 + 0.8 and 0.6.
    high = dict(zip(table["head"], table["shuffled_high"], strict=True))
    assert high == pytest.approx({0: (0.7 + 0.9 + 0.6) / 3, 1: (0.5 + 0.75 + 0.4) / 3})


def test_every_allowed_key_is_drawn_equally_often_and_none_twice() -> None:
    sizes, generator = torch.tensor([5, 3, 1]), torch.Generator().manual_seed(0)
    of_row = torch.tensor([0, 0, 0, 1, 1, 2])
    counts = [torch.zeros(5), torch.zeros(3), torch.zeros(1)]
    for _ in range(4000):
        drawn = drawn_without_replacement(of_row, sizes, generator)
        for row in range(3):
            own = drawn[of_row == row]
            assert len(own.unique()) == len(own)
            counts[row][own] += 1
    assert (counts[0] / 4000 - 3 / 5).abs().max() < 0.04
    assert (counts[1] / 4000 - 2 / 3).abs().max() < 0.04
    assert counts[2].tolist() == [4000]


def test_the_control_is_the_same_for_the_same_seed_only(sat: Trace) -> None:
    one, again, other = (analysis.match(sat, "previous", seed=seed)["shuffled"] for seed in (0, 0, 1))
    assert one.equals(again) and not one.equals(other)
    without = analysis.match(sat, "previous", draws=0)
    assert without["shuffled"].isna().all() and without["shuffled_high"].isna().all()


def test_a_pattern_with_all_allowed_keys_has_a_share_of_one_and_so_has_its_control(sat: Trace) -> None:
    table = analysis.match(sat, lambda query, key: key.index <= query.index)
    assert table["share"].tolist() == pytest.approx([1.0] * 270) and table["shuffled"].tolist() == pytest.approx(
        [1.0] * 270
    )


# ---- pooling


def test_sums_over_texts_are_pooled(smollm2) -> None:
    texts = ["a (b) c", "x = (1 + (2 * y)) and a (b)"]
    matches = [match_of(smollm2.trace(text), patterns.brackets()) for text in texts]
    both = pooled(matches)
    followed, attended = (sum(getattr(one, name) for one in matches) for name in ("followed", "attended"))
    assert both.share.tolist() == pytest.approx((followed / attended).tolist())
    assert both.rows.tolist() == [float(a + b) for a, b in zip(*(m.rows for m in matches), strict=True)]
    assert set(both.offsets.tolist()) == {k for m in matches for k in m.offsets.tolist()}
    for at, k in enumerate(both.offsets.tolist()):
        wanted = sum(m.offset_hits[0, m.offsets.tolist().index(k)] for m in matches if k in m.offsets.tolist())
        assert both.offset_hits[0, at] == wanted
    twice = pooled([matches[0], matches[0]])
    assert twice.accuracy.tolist() == pytest.approx(matches[0].accuracy.tolist())
    assert twice.offset_share.tolist() == pytest.approx(matches[0].offset_share.tolist(), nan_ok=True)


def test_a_text_without_a_pair_has_sums_of_zero(smollm2) -> None:
    found: Match = match_of(smollm2.trace("no such thing here"), patterns.brackets())
    assert not found.rows.any() and found.share.isnan().all() and (found.best_offset == -1).all()
    assert found.shuffled.shape == (20, 270)


# ---- arguments


def test_raw_values_stand_for_patterns() -> None:
    assert (
        pattern_of("Previous")
        == pattern_of(1)
        == pattern_of(np.int64(1))
        == pattern_of(torch.tensor(1))
        == patterns.offset(1)
    )
    assert pattern_of("next_item") == patterns.next_item() and pattern_of("same word") == patterns.same_word()
    assert pattern_of(np.eye(3)) == pattern_of(torch.eye(3).bool()) == pattern_of([[1, 0, 0], [0, 1, 0], [0, 0, 1]])
    assert pattern_of(np.eye(3)) != pattern_of(np.eye(3)[::-1])


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("brackets", 'The pattern "brackets" has no pair in the text "the cat'),
        ("next", "may attend to a key of the pattern .next token.: its keys are masked or padding. In a causal stack"),
        ("bracket", "There is no pattern 'bracket'. Use one of 'previous', 'self'"),
        (1.5, "`pattern` is a pattern"),
        (None, "`pattern` is a pattern"),
        (True, "`pattern` is a pattern"),
        (np.eye(3), r"The matrix has the shape \[3, 3\], and this text has 6 queries and 6 keys"),
        (np.eye(6) / 2, "0 and 1 only; got 0.5"),
        (np.zeros(6), r"two axes, \[query, key\]; got the shape \[6\]"),
        ([["a"]], "A matrix is an array"),
        (lambda query, key: None, "must return True or False"),
        ("aligned words", "needs two texts"),
    ],
)
def test_a_pattern_that_cannot_be_is_one_sentence(sat: Trace, pattern, message: str) -> None:
    with pytest.raises(InputError, match=message):
        analysis.match(sat, pattern)


def test_other_arguments_are_checked(sat: Trace) -> None:
    for more in ({"draws": -1}, {"draws": 2.5}, {"seed": -1}, {"off_sink": "yes"}, {"stack": "encoder"}):
        with pytest.raises(InputError):
            analysis.match(sat, "previous", **more)
    with pytest.raises(InputError, match="Trace"):
        analysis.match("text", "previous")


def test_off_sink_the_first_token_is_no_key(sat: Trace) -> None:
    with pytest.raises(InputError, match="attention sinks"):
        analysis.match(sat, lambda query, key: key.index == 0, off_sink=True)
    assert not math.isnan(analysis.match(sat, lambda query, key: key.index == 0)["share"][0])
