"""The pairs of tokens that each pattern relates, worked by hand."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import torch
from helpers.reference_match import matched

import attnscope
from attnscope import analysis
from attnscope.analysis import patterns
from attnscope.analysis.patterns import Pattern
from attnscope.analysis.token_groups import TokenGroups
from attnscope.errors import InputError, MissingError
from attnscope.trace import Trace
from attnscope.types import Token

pytestmark = pytest.mark.core


def tokens(text: str, **fields: object) -> list[Token]:
    """Words and punctuation marks as tokens with their spaces; `|` divides a word, ^ is a special token."""
    found: list[Token] = []
    for piece in re.findall(r" ?\w+| ?[^\w\s|]+?(?=[\s\w|]|$)|\|", text):
        if piece != "|":
            found.append(Token(piece, int.from_bytes(piece.encode(), "big") % 100_003, special="^" in piece, **fields))
    return found


def pairs(pattern: Pattern, text: str | list[Token], keys: str | None = None) -> list[tuple[int, int]]:
    queries = tokens(text) if isinstance(text, str) else text
    groups = TokenGroups(queries, queries if keys is None else tokens(keys), causal=True, aligned=keys is None)
    found = pattern.related(groups)
    return sorted(zip(found.queries.tolist(), found.keys.tolist(), strict=True))


def word_numbers(pattern: Pattern, text: str) -> list[int]:
    groups = TokenGroups(tokens(text), tokens(text), causal=True, aligned=True)
    return pattern.related(groups).query_words.tolist()


def test_tokens_of_this_file() -> None:
    assert [one.text for one in tokens("f(a[1]) == un|happy")] == ["f", "(", "a", "[", "1", "])", " ==", " un", "happy"]


# ---- offsets, functions, arrays


def test_offsets() -> None:
    assert pairs(patterns.offset(2), "a b c d") == [(2, 0), (3, 1)]
    assert pairs(patterns.offset(-1), "a b c") == [(0, 1), (1, 2)]
    with pytest.raises(InputError, match="integer"):
        patterns.offset(1.5)


def test_a_predicate_sees_both_tokens_and_their_texts() -> None:
    after_the = patterns.predicate(
        lambda query, key: key.text == "the" and query.tokens[query.index - 1].id == key.token.id
    )
    assert pairs(after_the, "a the cat and the dog") == [(2, 1), (5, 1), (5, 4)]
    assert patterns.predicate(max).as_json()["function"] == "max"
    with pytest.raises(InputError, match="A predicate is a function"):
        patterns.predicate("f")


def test_a_matrix_is_an_array_of_any_library() -> None:
    wanted = [(0, 1), (2, 0)]
    cells = np.zeros((3, 3), dtype=int)
    cells[[0, 2], [1, 0]] = 1
    for array in (cells, cells.astype(bool), cells.tolist(), torch.tensor(cells), torch.tensor(cells).bfloat16()):
        assert pairs(patterns.matrix(array), "a b c") == wanted


# ---- repeated words


def test_the_same_word_in_any_case_and_of_several_tokens() -> None:
    assert pairs(patterns.same_word(), "The cat, the cat and the") == [(3, 0), (4, 1), (6, 0), (6, 3)]
    assert pairs(patterns.same_word(), "un|happy or un|happy") == [(3, 0), (3, 1), (4, 0), (4, 1)]
    assert word_numbers(patterns.same_word(), "un|happy or un|happy") == [0, 0, 1, 2, 2]
    assert pairs(patterns.same_word("forward"), "a b a") == [(0, 2)]
    assert pairs(patterns.same_word("both"), "a b a") == [(0, 2), (2, 0)]


def test_part_of_another_word_is_not_the_same_word() -> None:
    assert pairs(patterns.same_word(), "happy un|happy ,,, ,") == []


def test_the_same_word_in_cross_attention_is_anywhere_in_the_other_text() -> None:
    assert pairs(patterns.same_word(), "the red cat", keys="red or the") == [(0, 2), (1, 0)]


def test_induction_relates_the_token_after_an_earlier_occurrence() -> None:
    assert pairs(patterns.induction(), " a b c a b a") == [(3, 1), (4, 2), (5, 1), (5, 4)]
    assert pairs(patterns.induction(), " a a a") == [(2, 1)]
    assert pairs(patterns.induction(), "^ b ^ c") == []


# ---- words of two texts


def test_aligned_words_of_a_pair_go_both_ways() -> None:
    pair = [Token("^", 0, special=True, sentence="A"), *tokens("the cat sat", sentence="A")]
    pair += [Token("^", 0, special=True, sentence="A"), *tokens("the big cat", sentence="B")]
    assert pairs(patterns.aligned(), pair) == [(1, 5), (2, 7), (5, 1), (7, 2)]
    assert pairs(patterns.aligned("1-2 2-0"), pair) == [(2, 7), (3, 5), (5, 3), (7, 2)]
    with pytest.raises(InputError, match="needs two texts"):
        pairs(patterns.aligned(), "the cat the")


def test_a_given_alignment_relates_the_words_of_a_translation() -> None:
    found = pairs(patterns.aligned([(1, 0), (0, 2)]), "Le chat|on, noir", keys="Black cat|s")
    # target words: Le | chaton, | noir (tokens 0, 1–3, 4); source words: Black | cats (tokens 0, 1–2)
    assert found == [(0, 1), (0, 2), (4, 0)]
    with pytest.raises(InputError, match="names the source word 5, and the source has 2 words: Black cats"):
        pairs(patterns.aligned("5-0"), "a b", keys="Black cats")


@pytest.mark.parametrize("alignment", ["0:1", [(0,)], [(0, -1)], [(0, 1.5)], [3]])
def test_an_alignment_that_cannot_be_is_one_sentence(alignment) -> None:
    with pytest.raises(InputError, match=r"An alignment lists pairs \(source word, target word\)"):
        patterns.aligned(alignment)


# ---- brackets


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("( a )", [(2, 0)]),
        ("( a [ b ] { } )", [(4, 2), (6, 5), (7, 0)]),
        ("( ( a ) )", [(3, 1), (4, 0)]),
        ("( a [ b ) c ]", [(4, 0)]),  # the square bracket is left open
        (") a (", []),
        ("f ( a ) ) (", [(3, 1)]),
        ("f ([ a ])", [(3, 1)]),
        ("( a (b ))", [(4, 0), (4, 2)]),  # one token closes two
        ("a () b", []),  # both in one token
        ('" a "', []),
    ],
)
def test_brackets_nest(text: str, wanted: list[tuple[int, int]]) -> None:
    assert pairs(patterns.brackets(), text) == wanted


def test_brackets_in_both_directions_and_other_kinds() -> None:
    assert pairs(patterns.brackets(direction="both"), "( a )") == [(0, 2), (2, 0)]
    assert pairs(patterns.brackets("<>"), "( < a > )") == [(3, 1)]


def test_quotes_close_every_second_time_and_apostrophes_are_none() -> None:
    assert pairs(patterns.brackets('""'), 'a " b " c " d "') == [(3, 1), (7, 5)]
    assert pairs(patterns.brackets("''"), "' don't '") == [(4, 0)]
    assert pairs(patterns.brackets("“”"), "“ a ”") == [(2, 0)]


def test_brackets_match_within_a_message_and_a_sentence() -> None:
    chat = [*tokens("( a", role="user"), *tokens(" b )", role="assistant"), *tokens(" ( c )", role="user")]
    assert pairs(patterns.brackets(), chat) == [(6, 4)]


def test_a_bracket_of_several_byte_tokens_is_whole() -> None:
    wide = [Token(text, at, raw=True) for at, text in enumerate([r"\xef\xbc", r"\x88", "a", r"\xef\xbc", r"\x89"])]
    assert pairs(patterns.brackets("（）"), wide) == [(4, 0), (4, 1)]


@pytest.mark.parametrize("kinds", ["", "(", "(((", "(((]", "ab", "  ", "()()", None])
def test_brackets_that_cannot_be_are_one_sentence(kinds) -> None:
    with pytest.raises(InputError, match="`pairs` lists"):
        patterns.brackets(kinds)


# ---- enumerations


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a, b, c", [(2, 0), (4, 2)]),
        ("We bought apples, red pears and plums there.", [(4, 2), (7, 4)]),
        ("We bought apples, pears, and plums there.", [(4, 2), (7, 4)]),
        ("Tom and Ann went home, and slept.", []),  # one comma between clauses
        ("a, b", []),
        ("a. b, c", []),  # two items in a sentence
        ("1,000 a, b, c", [(5, 3), (7, 5)]),
        ("a, one two three four five, b, c", [(8, 6), (10, 8)]),  # a long clause ends one and begins another
    ],
)
def test_an_item_attends_to_the_item_before_it(text: str, wanted: list[tuple[int, int]]) -> None:
    assert pairs(patterns.next_item(), text) == wanted


def test_enumerations_in_other_directions_and_from_the_separator() -> None:
    assert pairs(patterns.next_item(direction="forward"), "a, b, c") == [(0, 2), (2, 4)]
    assert pairs(patterns.next_item(direction="both"), "a, b, c") == [(0, 2), (2, 0), (2, 4), (4, 2)]
    assert pairs(patterns.next_item(query="separator"), "a, b, and c") == [(1, 0), (4, 2)]
    assert pairs(patterns.next_item(query="separator", direction="both"), "a, b, c") == [(1, 0), (1, 2), (3, 2), (3, 4)]
    assert pairs(patterns.next_item("|"), [Token(text, ord(text)) for text in "a|b|c"]) == [(2, 0), (4, 2)]
    assert pairs(patterns.next_item(conjunctions=["und"]), "a, b und c") == [(2, 0), (4, 2)]
    assert pairs(patterns.next_item(), "ap|ple, pe|ar, plum") == [(3, 0), (3, 1), (4, 0), (4, 1), (6, 3), (6, 4)]
    assert word_numbers(patterns.next_item(), "ap|ple, pe|ar, plum") == [0, 0, 1, 2, 2, 3, 4]


@pytest.mark.parametrize(
    "options", [{"separator": "and"}, {"separator": " "}, {"query": "x"}, {"direction": "up"}, {"conjunctions": "and"}]
)
def test_enumerations_that_cannot_be_are_one_sentence(options) -> None:
    with pytest.raises(InputError, match=r"`(separator|query|direction|conjunctions)`"):
        patterns.next_item(**options)


# ---- regular expressions


def test_a_query_attends_to_the_nearest_earlier_match() -> None:
    text = "the doctor asked the nurse. She told the doctor."
    assert pairs(patterns.regex(r"She", r"doctor|nurse"), text) == [(6, 4)]
    assert pairs(patterns.regex(r"She", r"doctor|nurse", which="all"), text) == [(6, 1), (6, 4)]
    assert pairs(patterns.regex(r"She", r"doctor|nurse", direction="forward"), text) == [(6, 9)]
    assert pairs(patterns.regex(r"She", r"doctor|nurse", direction="both", which="all"), text) == [
        (6, 1),
        (6, 4),
        (6, 9),
    ]


def test_matches_are_found_whatever_the_tokens_and_groups_are_the_match() -> None:
    assert pairs(patterns.regex(r"unhappy", r"the (\w+) is"), "the dis|cov|ery is un|happy") == [
        (i, j) for i in (5, 6) for j in (1, 2, 3)
    ]
    assert pairs(patterns.regex(r"b|(c)", r"a"), "a b c") == [(2, 0)]  # a match without its group is none
    assert pairs(patterns.regex(r"a b", r"b c", which="all"), "a b c") == []  # they share a token


def test_a_match_does_not_go_across_special_tokens() -> None:
    assert pairs(patterns.regex(r"c", r"a.b"), "a ^ b c") == []
    assert pairs(patterns.regex(r"c", r"a\nb"), "a ^ b c") == [(3, 0), (3, 2)]


def test_word_pieces_have_a_space_before_every_word() -> None:
    pieces = [
        Token("[CLS]", 0, special=True),
        Token("he", 1),
        Token("un", 2),
        Token("happy", 3, continues=True),
        Token(".", 4),
    ]
    assert pairs(patterns.regex(r"\.$", r"he (unhappy\.)"), pieces) == []  # they share a token
    assert pairs(patterns.regex(r"\.", r"he (unhappy)"), pieces) == [(4, 2), (4, 3)]


def test_all_matches_of_another_text_are_keys() -> None:
    assert pairs(patterns.regex(r"b", r"a"), "b a", keys="a c a") == [(0, 0), (0, 2)]


@pytest.mark.parametrize(("query", "key"), [("(", "a"), ("a", "["), ("", "a"), ("a", None), (3, "a")])
def test_an_expression_that_cannot_be_is_one_sentence(query, key) -> None:
    with pytest.raises(InputError, match="regular expression"):
        patterns.regex(query, key)


# ---- relations

CONLLU = """\
# text = The cat's owner didn't sleep.
1\tThe\tthe\tDET\t_\t_\t2\tdet\t_\t_
2\tcat\tcat\tNOUN\t_\t_\t4\tnmod:poss\t_\tSpaceAfter=No
3\t's\t's\tPART\t_\t_\t2\tcase\t_\t_
4\towner\towner\tNOUN\t_\t_\t7\tnsubj\t_\t_
5-6\tdidn't\t_\t_\t_\t_\t_\t_\t_\t_
5\tdid\tdo\tAUX\t_\t_\t7\taux\t_\t_
6\tn't\tnot\tPART\t_\t_\t7\tadvmod\t_\t_
7\tsleep\tsleep\tVERB\t_\t_\t0\troot\t_\tSpaceAfter=No
7.1\twell\twell\tADV\t_\t_\t_\t_\t7:advmod\t_
8\t.\t.\tPUNCT\t_\t_\t7\tpunct\t_\t_

# text = Birds sing.
1\tBirds\tbird\tNOUN\t_\t_\t2\tnsubj\t_\t_
2\tsing\tsing\tVERB\t_\t_\t0\troot\t_\tSpaceAfter=No
3\t.\t.\tPUNCT\t_\t_\t2\tpunct\t_\t_

"""
CAT = "The cat|'|s own|er didn|'|t sleep."  # 0 The, 1 cat, 2 ', 3 s, 4 own, 5 er, 6 didn, 7 ', 8 t, 9 sleep, 10 .


def test_words_are_related_whatever_their_tokens() -> None:
    assert pairs(patterns.relation(CONLLU, "det"), CAT) == [(0, 1)]
    assert pairs(patterns.relation(CONLLU, "nsubj"), CAT) == [(4, 9), (5, 9)]
    assert pairs(patterns.relation(CONLLU, "nsubj", query="head"), CAT) == [(9, 4), (9, 5)]
    assert word_numbers(patterns.relation(CONLLU, "nsubj"), CAT) == [0, 1, 2, 2, 3, 3, 4, 4, 4, 5, 6]


def test_subtypes_multiword_tokens_and_empty_nodes() -> None:
    for name in ("nmod", "nmod:poss"):
        assert pairs(patterns.relation(CONLLU, name), CAT) == [(1, 4), (1, 5)]
    # "did" and "n't" are written as one word
    assert pairs(patterns.relation(CONLLU, "advmod"), CAT) == [(6, 9), (7, 9), (8, 9)]
    assert pairs(patterns.relation(CONLLU, "punct"), CAT) == [(10, 9)]


def test_words_that_share_a_token_are_not_related() -> None:
    assert (
        pairs(
            patterns.relation(CONLLU, "case"),
            [Token(text, at) for at, text in enumerate(["The", " cat's", " owner", " didn't", " sleep", "."])],
        )
        == []
    )


def test_annotated_sentences_are_found_in_a_longer_text_and_without_case() -> None:
    assert pairs(patterns.relation(CONLLU, "nsubj"), "Yes. birds sing. And " + CAT) == [(2, 3), (10, 15), (11, 15)]
    assert pairs(patterns.relation(CONLLU, "nsubj"), "Birds sing. Birds sing.") == [(0, 1)]  # one annotation, one place


def test_a_file_is_read(tmp_path) -> None:
    path = tmp_path / "en.conllu"
    path.write_text(CONLLU, encoding="utf-8")
    for given in (path, str(path)):
        assert pairs(patterns.relation(given, "nsubj"), "Birds sing.") == [(0, 1)]
    assert patterns.relation(path, "nsubj") == patterns.relation(CONLLU, "nsubj") != patterns.relation(CONLLU, "det")
    with pytest.raises(MissingError, match="no CoNLL-U file"):
        patterns.relation(tmp_path / "de.conllu", "nsubj")
    path.write_bytes(b"\xff\xfe1\t")
    with pytest.raises(InputError, match="not text in UTF-8"):
        patterns.relation(path, "nsubj")


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (CONLLU, {"relation": "obj"}, "No word has the relation 'obj' in this CoNLL-U. It has advmod, aux, case"),
        (CONLLU, {"relation": ""}, "is the name of a relation"),
        (CONLLU, {"relation": "det", "query": "tail"}, "`query` must be 'dependent' or 'head'"),
        ("a b\nc", {"relation": "det"}, "no CoNLL-U|No word has the relation"),
        (CONLLU.replace("\t4\tnmod", "\t44\tnmod"), {"relation": "det"}, "the head of word 2 is 44"),
        (3, {"relation": "det"}, "`conllu` is the path"),
    ],
)
def test_annotations_that_cannot_be_are_one_sentence(content, options, message: str) -> None:
    with pytest.raises(InputError, match=message):
        patterns.relation(content, **options)


def test_a_text_without_an_annotated_sentence_is_one_sentence() -> None:
    with pytest.raises(
        InputError, match=r'No annotated sentence occurs in the text "a dog barks": annotated are .The cat'
    ):
        pairs(patterns.relation(CONLLU, "nsubj"), "a dog barks")


@pytest.mark.parametrize("off_sink", [False, True])
def test_accuracy_of_a_relation_is_that_of_words(minilm: attnscope.Model, off_sink: bool) -> None:
    """Clark 2019: attention to a word is summed over its pieces, and attention from a word averaged over them."""
    content = """\
1\tTransformers\t_\tNOUN\t_\t_\t2\tnsubj\t_\t_
2\tvisualize\t_\tVERB\t_\t_\t0\troot\t_\t_
3\tselfattention\t_\tNOUN\t_\t_\t2\tobj\t_\t_

"""
    trace = minilm.trace("Transformers visualize selfattention")
    texts = [token.text for token in trace.tokens]
    numbered = [[0]] + [
        list(span) for word in ("transformers", "visualize", "selfattention") for span in trace.spans(word)
    ]
    numbered += [[len(texts) - 1]]
    assert sum(map(len, numbered)) == len(texts) > len(numbered)
    for relation, dependent in (("nsubj", 1), ("obj", 3)):
        table = analysis.match(trace, patterns.relation(content, relation), off_sink=off_sink)
        related = {(i, j) for i in numbered[dependent] for j in numbered[2]}
        for row in table.itertuples():
            weights = trace.attention(row.layer, row.head).double().numpy()
            wanted = matched(
                weights,
                np.ones(weights.shape, dtype=bool),
                related,
                closed={0, len(texts) - 1} if off_sink else (),
                renormalized=off_sink,
                query_words=numbered,
                key_words=numbered,
            )
            for name, value in wanted.items():
                assert getattr(row, name) == pytest.approx(value, abs=1e-5), name


# ---- all patterns

ALL = [
    patterns.offset(3),
    patterns.predicate(lambda query, key: True),
    patterns.matrix(np.eye(2)),
    patterns.same_word("both"),
    patterns.induction(),
    patterns.aligned([(0, 1)]),
    patterns.aligned(),
    patterns.brackets("<>"),
    patterns.next_item("|"),
    patterns.regex("a", "b"),
    patterns.relation(CONLLU, "det"),
]


def test_patterns_have_names_and_json_and_are_equal_only_to_themselves() -> None:
    assert len({one.name for one in ALL}) == len(ALL) - 1  # two are aligned words
    assert len(set(ALL)) == len(ALL)
    for one in ALL:
        assert json.loads(json.dumps(one.as_json(), allow_nan=False)) == one.as_json()
        assert one.name in repr(one)


@pytest.mark.parametrize(
    "pattern",
    [
        one
        for one in ALL
        if one.name not in ("matrix", "predicate <lambda>", "same word", "aligned words", "regex a → b")
    ],
    ids=lambda one: one.name,
)
def test_patterns_of_one_text_say_so_in_cross_attention(pattern: Pattern) -> None:
    with pytest.raises(InputError, match="needs queries and keys of the same text"):
        pairs(pattern, "a b", keys="c d e")


@pytest.mark.parametrize(
    "make",
    [
        patterns.same_word,
        lambda direction: patterns.brackets(direction=direction),
        lambda direction: patterns.regex("a", "b", direction=direction),
    ],
)
def test_directions_are_checked(make) -> None:
    with pytest.raises(InputError, match="`direction` must be 'backward', 'forward' or 'both'"):
        make("left")


def test_real_tokenizers(smollm2: attnscope.Model, minilm: attnscope.Model) -> None:
    for model in (smollm2, minilm):
        trace: Trace = model.trace("The nurse (who bought apples, pears, and plums) said [the nurse] left.")

        def named(pattern: Pattern, trace: Trace = trace) -> set[tuple[str, str]]:
            found = pattern.related(TokenGroups.of(trace, None))
            texts = [token.text.strip() for token in trace.tokens]
            return {(texts[i], texts[j]) for i, j in zip(found.queries.tolist(), found.keys.tolist(), strict=True)}

        assert named(patterns.brackets()) == {(")", "("), ("]", "[")}
        assert named(patterns.same_word()) >= {("nurse", "nurse"), ("the", "the" if model is minilm else "The")}
        items = named(patterns.next_item())
        starts = {trace.tokens[trace.spans(word)[0][0]].text.strip() for word in ("pears", "plums")}
        assert {query for query, _ in items} >= starts
        assert named(patterns.regex(r"left", r"\bnurse\b")) == {("left", "nurse")}
