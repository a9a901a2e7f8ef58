"""On a model whose previous-token head and induction head are set by hand, every way to find heads ranks the right one first."""

from __future__ import annotations

import pytest
from helpers import induction_model
from helpers.induction_model import INDUCTION, PREVIOUS

import attnscope
from attnscope.analysis import patterns

REPEATED = [9, 3, 7, 11, 5, 2, 3, 7, 11, 5]
"""[x, r, r] without its last token, 2, which an induction head predicts."""
OTHER = [9, 13, 17, 21, 15, 12, 3, 7, 11, 5]
"""The same, with another first copy: there is nothing to continue."""
ANSWER = attnscope.Metric(answer=2, name="logit")


@pytest.fixture(scope="module")
def model() -> attnscope.Model:
    return attnscope.Model(induction_model.build())


@pytest.fixture(scope="module")
def study(model: attnscope.Model) -> attnscope.Study:
    return attnscope.Study(model, attnscope.prompts.repeated_random(8, 9, seed=3), cache=False)


def first(table) -> tuple[int, int]:
    return int(table["layer"].iloc[0]), int(table["head"].iloc[0])


def largest(frame, column: str) -> tuple[int, int]:
    return first(frame.loc[frame[column].abs().sort_values(ascending=False).index])


def test_the_model_continues_the_repetition(model):
    assert model.trace(REPEATED).next_tokens[0][1] == 2


@pytest.mark.parametrize(
    ("pattern", "head"),
    [
        ("previous", PREVIOUS),
        ("induction", INDUCTION),
        (patterns.offset(1), PREVIOUS),
        (patterns.induction(), INDUCTION),
    ],
)
def test_patterns_find_the_head(study, pattern, head):
    found = study.match(pattern)
    assert first(found.top(1)) == head
    assert first(found.top(1, held_out=True)) == head
    assert found.top(1)["mean"][0] > 0.99
    assert found.top(1)["n"][0] == 9


@pytest.mark.parametrize(("measure", "head"), [("previous", PREVIOUS), ("induction", INDUCTION)])
def test_measures_find_the_head(study, measure, head):
    assert first(study.heads(measure).top(1)) == head


def test_an_edge_finds_the_induction_head(model):
    found = attnscope.analysis.edge(model.trace(REPEATED), 9, 5)
    assert first(found) == INDUCTION


def test_ablation_beside_its_controls_finds_the_induction_head(model):
    found = model.control(REPEATED, [attnscope.edits.ScaleHead(*INDUCTION, 0.0)], ANSWER)
    assert found.sentence == "rank 1 of 4"
    other = model.control(REPEATED, [attnscope.edits.ScaleHead(1, 0, 0.0)], ANSWER)
    assert other.rank > 1


def test_patching_and_its_estimate_find_the_induction_head(model):
    sweep = model.patch(REPEATED, OTHER, answer=2, metric="logit").frame()
    assert largest(sweep, "effect") == INDUCTION
    estimate = model.attribution_patch(REPEATED, OTHER, ANSWER)
    assert largest(estimate.frame(), "estimate") == INDUCTION


def test_the_gradient_of_gates_finds_the_induction_head(model):
    assert (
        first(model.head_importance(REPEATED, ANSWER).frame().sort_values("importance", ascending=False)) == INDUCTION
    )


def test_cutting_the_edge_that_induction_follows_takes_the_answer_away(model):
    cut = attnscope.edits.CutEdge(*INDUCTION, query=9, key=5)
    assert model.effect(REPEATED, [cut], ANSWER).effect < -1
    found = model.control(REPEATED, [cut], ANSWER, over="keys")
    assert found.rank == 1
