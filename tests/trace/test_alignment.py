"""The spans of two prompts that correspond, worked by hand."""

from __future__ import annotations

import random

import pytest

from attnscope.errors import InputError
from attnscope.trace.alignment import align
from attnscope.types import Token

pytestmark = pytest.mark.core


def tokens(text: str) -> list[Token]:
    """One token per word; `_` is padding, and `|` splits a word into pieces."""
    found: list[Token] = []
    for word in text.split():
        for place, piece in enumerate(word.split("|")):
            written = piece if place else f" {piece}"
            found.append(Token(written, sum(map(ord, written)) + 1000 * len(written), padding=piece == "_"))
    return found


def pairs(first: str, second: str, anchors=()) -> list[tuple[list[int], list[int]]]:
    return [(list(one), list(other)) for one, other in align(tokens(first), tokens(second), anchors).pairs]


def single(*indices: tuple[int, int]) -> list[tuple[list[int], list[int]]]:
    return [([one], [other]) for one, other in indices]


def test_equal_prompts_correspond_token_by_token() -> None:
    assert pairs("the cat sat", "the cat sat") == single((0, 0), (1, 1), (2, 2))
    assert align(tokens("the cat sat"), tokens("the cat sat")).one_to_one


def test_one_word_replaced_by_one_word_is_one_to_one() -> None:
    found = align(tokens("the doctor asked"), tokens("the nurse asked"))
    assert found.pairs == (((0,), (0,)), ((1,), (1,)), ((2,), (2,)))
    assert found.one_to_one


def test_a_word_of_several_tokens_corresponds_as_one_span() -> None:
    assert pairs("the nurse asked him", "the car|pent|er asked him") == [
        ([0], [0]), ([1], [1, 2, 3]), ([2], [4]), ([3], [5])
    ]  # fmt: skip
    assert not align(tokens("the nurse asked"), tokens("the car|pent|er asked")).one_to_one


def test_a_replaced_run_of_equal_length_is_one_span_too() -> None:
    assert pairs("x a b y", "x c d y") == [([0], [0]), ([1, 2], [1, 2]), ([3], [3])]
    assert not align(tokens("x a b y"), tokens("x c d y")).one_to_one


def test_inserted_and_deleted_tokens_correspond_to_nothing() -> None:
    assert pairs("a b c", "a x y b c") == single((0, 0), (1, 3), (2, 4))
    assert pairs("a x y b c", "a b c") == single((0, 0), (3, 1), (4, 2))
    assert not align(tokens("a b c"), tokens("a b c d")).one_to_one


def test_swapped_words_are_replaced_where_they_stand() -> None:
    found = align(tokens("the doctor asked the nurse"), tokens("the nurse asked the doctor"))
    assert found.pairs == tuple(((at,), (at,)) for at in range(5)) and found.one_to_one


def test_prompts_without_a_common_token_are_one_pair_of_spans() -> None:
    assert pairs("a b", "c d e") == [([0, 1], [0, 1, 2])]
    assert pairs("", "a b") == pairs("a b", "") == pairs("", "") == []


def test_anchors_correspond_and_nothing_crosses_them() -> None:
    # Without the anchor, the longest common run b c would pair across it.
    assert pairs("b c x", "y b c") == single((0, 1), (1, 2))
    assert pairs("b c x", "y b c", [(2, 1)]) == [([0, 1], [0]), ([2], [1])]
    assert pairs("b c x", "y b c", [([0, 1], [1, 2])]) == [([0, 1], [1, 2])]


def test_anchors_may_be_words_and_spans_of_different_lengths() -> None:
    assert pairs("the nurse asked the nurse", "the car|pent|er asked the nurse", [(("nurse", 1), "carpenter")]) == [
        ([0], [0]), ([1], [1, 2, 3]), ([2], [4]), ([3], [5]), ([4], [6])
    ]  # fmt: skip


def test_padding_corresponds_to_nothing() -> None:
    found = align(tokens("_ _ the cat"), tokens("the cat _"))
    assert found.pairs == (((2,), (0,)), ((3,), (1,))) and found.one_to_one


def test_tokens_without_an_id_correspond_by_their_text() -> None:
    first, second = ([Token(text, -1) for text in words] for words in (["a", "b"], ["a", "c", "b"]))
    assert align(first, second).pairs == (((0,), (0,)), ((1,), (2,)))


@pytest.mark.parametrize(
    ("anchors", "message"),
    [
        ([(0, 1), (1, 0)], "0 ↔ 1 and 1 ↔ 0 overlap, or are in another order"),
        ([(0, 0), ([0, 1], 1)], "overlap"),
        ([(0, 9)], "anchor in the second prompt 9"),
        ([([0, 2], 0)], "must follow each other"),
        ([3], "a pair of positions"),
        ([("zebra", 0)], '"zebra" is not a word'),
    ],
)
def test_anchors_that_cannot_be_are_one_sentence(anchors, message: str) -> None:
    with pytest.raises(InputError, match=message):
        align(tokens("a b c"), tokens("a b c"), anchors)


def test_every_alignment_is_in_order_and_uses_no_token_twice() -> None:
    draw = random.Random(3)
    for _ in range(300):
        words = [[draw.choice("abcd") for _ in range(draw.randrange(9))] for _ in range(2)]
        first, second = (tokens(" ".join(one)) for one in words)
        found = align(first, second)
        for side in (0, 1):
            used = [index for pair in found.pairs for index in pair[side]]
            assert used == sorted(set(used))
        assert align(first, first).pairs == tuple(((at,), (at,)) for at in range(len(first)))
