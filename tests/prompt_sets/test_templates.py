"""Prompts from templates: rows, crossed values, swaps, forms, and what is wrong with a template."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas
import pytest

import attnscope

pytestmark = pytest.mark.core

QUESTION = "The {x} asked the {y} a question. {p}"
DOCTOR = {"x": "doctor", "y": "nurse"}


def held(prompt: attnscope.Prompt, slot: str) -> str:
    assert prompt.text is not None
    return prompt.text[slice(*prompt.slots[slot])]


def test_rows_are_crossed_and_swapped_in_this_order() -> None:
    made = attnscope.prompts(QUESTION, rows=[DOCTOR], cross={"p": ["She", "He"]}, swap=("x", "y"))
    assert [(prompt.text, prompt.order, dict(prompt.slots)) for prompt in made] == [
        ("The doctor asked the nurse a question. She", "x,y", {"x": (4, 10), "y": (21, 26), "p": (39, 42)}),
        ("The nurse asked the doctor a question. She", "y,x", {"y": (4, 9), "x": (20, 26), "p": (39, 42)}),
        ("The doctor asked the nurse a question. He", "x,y", {"x": (4, 10), "y": (21, 26), "p": (39, 41)}),
        ("The nurse asked the doctor a question. He", "y,x", {"y": (4, 9), "x": (20, 26), "p": (39, 41)}),
    ]
    pronouns = ("She", "She", "He", "He")
    assert [dict(prompt.labels) for prompt in made] == [{**DOCTOR, "p": pronoun} for pronoun in pronouns]
    assert {(prompt.row, prompt.template) for prompt in made} == {(0, 0)}
    assert (made.source, made.license, made.templates) == ("template", None, (QUESTION,))


def test_every_row_fills_every_template() -> None:
    made = attnscope.prompts(["{x} sings.", "I heard {x}."], rows=[{"x": "Ann"}, {"x": "Bo"}])
    assert [(prompt.text, prompt.template, prompt.row) for prompt in made] == [
        ("Ann sings.", 0, 0),
        ("I heard Ann.", 1, 0),
        ("Bo sings.", 0, 1),
        ("I heard Bo.", 1, 1),
    ]


def test_crossed_values_alone_make_one_row() -> None:
    made = attnscope.prompts("{x} is {y}.", cross={"x": ["It", "This"], "y": ["red", "old"]})
    assert [prompt.text for prompt in made] == ["It is red.", "It is old.", "This is red.", "This is old."]
    assert {prompt.row for prompt in made} == {0}


def test_a_column_row_says_which_rows_belong_together() -> None:
    rows = [{"n": "dog", "row": 7}, {"n": "dogs", "row": 7}, {"n": "cat", "row": 8}]
    made = attnscope.prompts("The {n}", rows=rows)
    assert [prompt.row for prompt in made] == [7, 7, 8]
    assert made.labels == ("n",)


def test_other_columns_of_the_rows_are_labels() -> None:
    rows = [{"x": "dog", "kind": "pet", "legs": 4}, {"x": "cod", "kind": "fish"}]
    made = attnscope.prompts("The {x}", rows=rows)
    assert [dict(prompt.labels) for prompt in made] == [
        {"x": "dog", "kind": "pet", "legs": 4},
        {"x": "cod", "kind": "fish"},
    ]


def test_a_slot_that_is_written_again_has_a_span_for_each_place() -> None:
    made = attnscope.prompts("{x} and {y}: {x}, {x}", rows=[{"x": "ab", "y": "c"}], swap=("x", "y"))
    assert made[0].text == "ab and c: ab, ab"
    assert dict(made[0].slots) == {"x": (0, 2), "y": (7, 8), "x#2": (10, 12), "x#3": (14, 16)}
    assert made[1].text == "c and ab: c, c"
    assert dict(made[1].slots) == {"y": (0, 1), "x": (6, 8), "y#2": (10, 11), "y#3": (13, 14)}


def test_double_braces_are_braces() -> None:
    made = attnscope.prompts("{{{x}}} {{}}", rows=[{"x": "ä"}])
    assert (made[0].text, made[0].slots["x"]) == ("{ä} {}", (1, 2))


def test_numbers_and_booleans_fill_slots_and_keep_their_types_as_labels() -> None:
    made = attnscope.prompts("{n} {f} {b}", rows=[{"n": 5, "f": 0.5, "b": True}])
    assert made[0].text == "5 0.5 True"
    assert [type(value) for value in made[0].labels.values()] == [int, float, bool]


@pytest.mark.parametrize(
    ("value", "article"),
    [
        ("doctor", "a"), ("engineer", "an"), ("hour", "an"), ("honest man", "an"), ("house", "a"), ("heir", "an"),
        ("university", "a"), ("unimportant fact", "an"), ("uninvited guest", "an"), ("unidentified man", "an"),
        ("umbrella", "an"), ("user", "a"), ("usher", "an"), ("US citizen", "a"), ("utility", "a"), ("utter mess", "an"),
        ("European", "a"), ("one-eyed cat", "a"), ("onion", "an"), ("herb", "an"), ("herbivore", "a"), ("Ukrainian", "a"),
    ],
)  # fmt: skip
def test_the_form_a_writes_the_article_before_the_span(value: str, article: str) -> None:
    made = attnscope.prompts("It is {x:a}. {x:A} came.", rows=[{"x": value}])
    assert made[0].text == f"It is {article} {value}. {article.capitalize()} {value} came."
    assert [held(made[0], slot) for slot in ("x", "x#2")] == [value, value]


def test_a_form_belongs_to_the_place_and_stays_there_in_a_swap() -> None:
    made = attnscope.prompts("{x:cap} met {y:a}.", rows=[{"x": "doctor", "y": "engineer"}], swap=("x", "y"))
    assert [prompt.text for prompt in made] == ["Doctor met an engineer.", "Engineer met a doctor."]
    assert held(made[1], "y") == "Engineer"
    assert made[1].labels["y"] == "engineer"


def test_the_form_cap_follows_unicode() -> None:
    made = attnscope.prompts("{x:cap} ok", rows=[{"x": "ßa"}, {"x": "éa"}])
    assert [prompt.text for prompt in made] == ["SSa ok", "Éa ok"]
    assert made[0].slots["x"] == (0, 3)


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_rows_come_from_files(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"rows.{ending}"
    frame = pandas.DataFrame({"x": ["a, b", "007"], "n": [1, 2]})
    match ending:
        case "csv":
            frame.to_csv(path, index=False)
        case "jsonl":
            frame.to_json(path, orient="records", lines=True)
        case _:
            frame.to_parquet(path)
    made = attnscope.prompts("<{x}>", rows=path)
    assert [(prompt.text, dict(prompt.labels)) for prompt in made] == [
        ("<a, b>", {"x": "a, b", "n": 1}),
        ("<007>", {"x": "007", "n": 2}),
    ]
    assert list(attnscope.prompts("<{x}>", rows=str(path), limit=1)) == list(made[:1])
    assert list(attnscope.prompts("<{x}>", rows=frame)) == list(made)


@pytest.mark.parametrize(
    ("template", "options", "message"),
    [
        ("The {x} {y}", {}, "slot 'x' of the template 'The {x} {y}' has no values: `rows` has nothing, and `cross` has nothing"),
        (QUESTION, {"rows": [DOCTOR]}, "slot 'p' .* has no values: `rows` has 'x', 'y', and `cross` has nothing"),
        ("none", {}, "'none' has no slot"),
        ("none", {"rows": [DOCTOR]}, "'none' has no slot"),
        (" ", {"rows": [DOCTOR]}, "empty"),
        ([], {"rows": [DOCTOR]}, "fill a template"),
        (5, {"rows": [DOCTOR]}, "fill a template"),
        (["{x}", 5], {"rows": [DOCTOR]}, "template must be a string"),
        (Path("a.csv"), {"rows": [DOCTOR]}, "fill a template"),
        ("{x}\ud800", {"rows": [DOCTOR]}, "surrogate"),
        ("{x} }", {"rows": [DOCTOR]}, "unmatched brace"),
        ("{x} {", {"rows": [DOCTOR]}, "unmatched brace"),
        ("{}", {"rows": [DOCTOR]}, "not a name"),
        ("{0}", {"rows": [DOCTOR]}, "not a name"),
        ("{x.y}", {"rows": [DOCTOR]}, "not a name"),
        ("{x!r}", {"rows": [DOCTOR]}, "not a name"),
        ("{x:b}", {"rows": [DOCTOR]}, r"unknown form 'b'.*\{x:a\}"),
        ("{order}", {"rows": [{"order": "a"}]}, "cannot be called 'order'"),
        ("{row}", {"rows": [{"row": 1}]}, "cannot be called 'row'"),
        ("{x}", {"rows": [{"x": "a", "text": "b"}]}, "cannot be called 'text'"),
        ("{x}{p}", {"rows": [DOCTOR], "cross": {"p": "She"}}, "list of values for the slot 'p'; got 'She'"),
        ("{x}{p}", {"rows": [DOCTOR], "cross": {"p": []}}, "no values for the slot 'p'"),
        ("{x}{p}", {"rows": [DOCTOR], "cross": {"p": ["a", "a"]}}, "twice"),
        ("{x}{p}", {"rows": [DOCTOR], "cross": {"p": ["a", ""]}}, "`cross`, row 1 .* slot 'p' has no value"),
        ("{x}{p}", {"rows": [DOCTOR], "cross": ["She"]}, "must be a dict"),
        ("{x}", {"rows": [DOCTOR], "cross": {"x": ["a"]}}, "in `rows` and in `cross`"),
        ("{x}", {"rows": [DOCTOR], "cross": {"p": ["a"]}}, "`cross` has 'p', but .* only the slots 'x'"),
        (["{x}{p}", "{x}"], {"rows": [DOCTOR], "cross": {"p": ["a"]}}, "`cross` has 'p', but the template '{x}' has"),
        ("{x}{y}", {"rows": [DOCTOR], "swap": ("x", "z")}, "`swap` names 'z'"),
        ("{x}{y}", {"rows": [DOCTOR], "swap": "xy"}, "two different slots"),
        ("{x}{y}", {"rows": [DOCTOR], "swap": ("x", "x")}, "two different slots"),
        ("{x}", {"rows": []}, "`rows` has no rows"),
        ("{x}", {"rows": {"x": ["a"]}}, "cannot be a mapping"),
        ("{x}", {"rows": ["a"]}, "must be all dicts"),
        ("{x}", {"rows": 5}, "must be a list"),
        ("{x}", {"rows": "rows.txt"}, "rows are read from .csv, .jsonl, .parquet"),
        ("{x}", {"rows": [{"x": "a"}, {"y": "b"}]}, "row 1 .* slot 'x' has no value"),
        ("{x}", {"rows": [{"x": float("nan")}]}, "row 0 .* slot 'x' has no value"),
        ("{x}", {"rows": [{"x": " "}]}, "row 0 .* slot 'x' has no value"),
        ("{x}", {"rows": [{"x": ["a"]}]}, "row 0 .* must hold texts, finite numbers"),
        ("{x}", {"rows": [{"x": 1}, {"x": "a"}]}, "mixes numbers and texts"),
        ("{x}", {"rows": [{"x": "a", "row": -1}]}, "'row' must hold whole numbers"),
        ("{x}", {"rows": [{"x": "a"}, {"x": "a"}]}, "row 1 .* 'a' would count twice .* row 0"),
        ("{x} {y}", {"rows": [{"x": "a", "y": "a"}], "swap": ("x", "y")}, "'a a' would count twice .* same row"),
        ("{x}", {"rows": [DOCTOR], "text": "q"}, "a template makes them"),
        ("{x}", {"rows": [DOCTOR], "limit": 0}, "`limit`"),
        ("{x}", {"rows": [DOCTOR], "duplicates": "keep"}, "`duplicates`"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_said_in_one_sentence(template: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(attnscope.InputError, match=message):
        attnscope.prompts(template, **options)


def test_a_missing_file_of_rows_is_a_missing_error() -> None:
    with pytest.raises(attnscope.MissingError, match=r"no file 'rows\.csv'"):
        attnscope.prompts("{x}", rows="rows.csv")


def test_the_first_of_equal_prompts_is_kept_on_request() -> None:
    rows = [{"x": "a", "k": 1}, {"x": "b", "k": 2}, {"x": "a", "k": 3}]
    made = attnscope.prompts("{x}", rows=rows, duplicates="drop")
    assert [(prompt.text, prompt.labels["k"], prompt.row) for prompt in made] == [("a", 1, 0), ("b", 2, 1)]
