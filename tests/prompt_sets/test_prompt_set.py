"""Sets of prompts: a sequence, its frame, its hash, and files that are read back as equal sets."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

import attnscope
from attnscope import Prompt, PromptSet, RandomTokens

pytestmark = pytest.mark.core

SPECIAL = 'a, "b"\r\nc\n\td\\ 東京 é\u2028 '


@pytest.fixture
def made() -> PromptSet:
    return attnscope.prompts(
        "The {x} asked the {y} a question. {p}",
        rows=[{"x": "doctor", "y": "nurse", "n": 1}, {"x": "judge", "y": "clerk", "n": 2}],
        cross={"p": ["She", "He"]},
        swap=("x", "y"),
    )


def mixed() -> PromptSet:
    """Prompts that differ in everything that they can have."""
    return PromptSet(
        [
            Prompt(SPECIAL, {"x": (0, 4), "x#2": (6, 9)}, {"s": "007x", "n": 1, "f": 1.0, "b": True}, 0, 3, "x,y"),
            Prompt("NA", {}, {"s": "None", "n": -5, "f": 1e-30, "b": False, "k": "é, "}, 1, 0),
            Prompt("12", {"a b": (1, 2)}),
            Prompt(None, row=4, random=RandomTokens(50, 2**47 + 1)),
        ]
    )


def test_a_set_is_a_sequence(made: PromptSet) -> None:
    assert len(made) == 8
    assert made[0] == next(iter(made)) == made[-8]
    assert isinstance(made[2:4], PromptSet)
    assert list(made[2:4]) == [made[2], made[3]]
    assert (made[2:4].templates, made[2:4].source) == (made.templates, made.source)
    assert made[1] in made
    assert made.index(made[5]) == 5
    with pytest.raises(IndexError):
        made[8]


def test_sets_are_equal_and_have_one_hash_if_their_prompts_are_equal(made: PromptSet) -> None:
    again = PromptSet(list(made), source="elsewhere")
    assert (again == made, hash(again) == hash(made), again.id == made.id) == (True, True, True)
    assert made[:4] != made
    assert made != list(made)
    assert len({made[:4].id, made[4:].id, made.id, PromptSet(reversed(made)).id}) == 4


@pytest.mark.parametrize(
    "change",
    [
        {"text": "The doctor asked the nurse a question? She"}, {"slots": {}}, {"labels": {"x": "nurse"}}, {"template": 1},
        {"row": 1}, {"order": None},
    ],
    ids=str,
)  # fmt: skip
def test_the_hash_depends_on_everything_that_a_prompt_has(made: PromptSet, change: dict) -> None:
    changed = PromptSet([dataclasses.replace(made[0], **change), *made[1:]])
    assert changed.id != made.id
    assert changed != made


def test_the_hash_is_the_same_in_another_process(made: PromptSet) -> None:
    program = "import attnscope; print(attnscope.prompts.shipped('names').id)"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == attnscope.prompts.shipped("names").id
    assert len(made.id) == 32


def test_a_prompt_cannot_be_changed(made: PromptSet) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        made[0].text = "other"
    with pytest.raises(TypeError):
        made[0].slots["x"] = (0, 1)
    with pytest.raises(TypeError):
        made[0].labels["x"] = "other"


def test_sets_can_be_copied_and_sent_to_other_processes(made: PromptSet) -> None:
    for one in (made, mixed()):
        assert pickle.loads(pickle.dumps(one)) == one
        assert copy.deepcopy(one) == one


def test_the_frame_has_a_line_per_prompt(made: PromptSet) -> None:
    frame = made.frame()
    assert list(frame) == ["prompt", "text", "template", "row", "order", "x", "y", "n", "p"]
    assert frame.loc[5].to_dict() == {
        "prompt": 5, "text": "The clerk asked the judge a question. She", "template": 0, "row": 1, "order": "y,x",
        "x": "judge", "y": "clerk", "n": 2, "p": "She",
    }  # fmt: skip
    assert (made.labels, made.slots) == (("x", "y", "n", "p"), ("x", "y", "p"))


def test_the_frame_shows_slots_that_are_no_labels_and_leaves_out_what_is_missing() -> None:
    frame = mixed().frame()
    assert frame["x#2"].tolist()[0] == SPECIAL[6:9]
    assert frame["a b"].tolist()[2] == "2"
    assert frame.loc[[3], ["text", "s", "n", "x", "order"]].isna().to_numpy().all()


def test_prompts_are_chosen_by_their_labels(made: PromptSet) -> None:
    assert [prompt.row for prompt in made.filter(n=2)] == [1] * 4
    assert made.filter(p="He", order="x,y", row=[0, 1]) == PromptSet([made[2], made[6]])
    assert made.filter(x=("doctor", "judge")) == made
    assert len(mixed().filter(order=None)) == 3
    with pytest.raises(
        attnscope.InputError, match="No label is called 'z'; the labels are 'x', 'y', 'n', 'p', 'template'"
    ):
        made.filter(z=1)
    with pytest.raises(attnscope.InputError, match="No prompt is left with p='They'; the values are 'She', 'He'"):
        made.filter(p="They")


def test_a_set_says_what_it_contains(made: PromptSet) -> None:
    assert repr(made).splitlines() == [
        "PromptSet: 8 prompts from 2 rows (template)",
        "  slots: x, y, p",
        "  labels: x, y, n, p",
        "  0: 'The doctor asked the nurse a question. She'  x,y",
        "  1: 'The nurse asked the doctor a question. She'  y,x",
        "  2: 'The doctor asked the nurse a question. He'  x,y",
        "  3: 'The nurse asked the doctor a question. He'  y,x",
        "  4: 'The judge asked the clerk a question. She'  x,y",
        "  … 3 more",
    ]
    assert repr(attnscope.prompts(["a" * 200])) == f"PromptSet: 1 prompt from 1 row (texts)\n  0: '{'a' * 99}…'"


def test_a_prompt_says_what_it_has() -> None:
    assert repr(Prompt("a b", {"x": (0, 1)}, {"k": 1}, 0, 2, "x,y")) == (
        "Prompt('a b', slots={'x': (0, 1)}, labels={'k': 1}, template=0, row=2, order='x,y')"
    )
    assert repr(Prompt(None, random=RandomTokens(5, 1))) == (
        "Prompt(RandomTokens(length=5, seed=1), slots={}, labels={}, template=0, row=0)"
    )


@pytest.mark.parametrize("ending", [".jsonl", ".csv", ".parquet", ".CSV"])
def test_a_saved_set_is_read_back_as_an_equal_one(tmp_path: Path, made: PromptSet, ending: str) -> None:
    shipped = [attnscope.prompts.shipped(name) for name in attnscope.prompts.shipped()]
    for one in (made, mixed(), made[:1], attnscope.prompts(["a"]), attnscope.prompts.repeated_random(5, 2), *shipped):
        path = tmp_path / f"saved{ending}"
        one.save(path)
        read = attnscope.prompts(path)
        assert read == one
        assert [[type(value) for value in prompt.labels.values()] for prompt in read] == [
            [type(prompt.labels[name]) for name in again.labels] for prompt, again in zip(one, read, strict=True)
        ]
        assert (read.source, read.templates) == (f"saved{ending}", ())
    assert [entry.name for entry in tmp_path.iterdir()] == [f"saved{ending}"]


def test_a_saved_set_has_one_object_with_character_spans_per_line(made: PromptSet) -> None:
    first = json.loads(made.to_json().splitlines()[0])
    assert first == {
        "text": "The doctor asked the nurse a question. She",
        "slots": {"x": [4, 10], "y": [21, 26], "p": [39, 42]},
        "template": 0, "row": 0, "order": "x,y", "x": "doctor", "y": "nurse", "n": 1, "p": "She",
    }  # fmt: skip


def test_the_hash_of_a_set_that_was_read_is_that_of_the_set_that_was_saved(tmp_path: Path, made: PromptSet) -> None:
    made.save(tmp_path / "a.parquet")
    assert attnscope.prompts(tmp_path / "a.parquet").id == made.id


@pytest.mark.parametrize("value", ["1", "-2.5", "true", ""])
def test_labels_that_a_csv_file_cannot_hold_are_reported(tmp_path: Path, value: str) -> None:
    one = PromptSet([Prompt("a", {}, {"k": value})])
    path = tmp_path / "a.csv"
    path.write_text("before")
    with pytest.raises(
        attnscope.InputError, match=f"label 'k' of prompt 0: '{value}' would be read as .* Save as .jsonl"
    ):
        one.save(path)
    assert path.read_text() == "before"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.csv"]
    one.save(tmp_path / "a.jsonl")
    assert attnscope.prompts(tmp_path / "a.jsonl") == one


def test_texts_that_a_csv_file_cannot_hold_are_reported(tmp_path: Path) -> None:
    one = PromptSet([Prompt("a\0b")])
    try:
        one.save(tmp_path / "a.csv")
    except attnscope.InputError as error:
        assert "cannot hold prompt 0 exactly" in str(error)
    else:
        assert attnscope.prompts(tmp_path / "a.csv") == one


def test_labels_of_several_types_do_not_fit_into_parquet(tmp_path: Path) -> None:
    one = PromptSet([Prompt("a", {}, {"k": 1}), Prompt("b", {}, {"k": "x"})])
    with pytest.raises(attnscope.InputError, match="Give each label one type"):
        one.save(tmp_path / "a.parquet")
    assert not list(tmp_path.iterdir())


def test_where_a_set_cannot_be_saved(tmp_path: Path, made: PromptSet) -> None:
    with pytest.raises(attnscope.InputError, match=r"saved as \.jsonl, \.csv, \.parquet"):
        made.save(tmp_path / "a.txt")
    with pytest.raises(attnscope.InputError, match="folder that does not exist"):
        made.save(tmp_path / "none" / "a.csv")
    with pytest.raises(attnscope.InputError, match="no prompts to save"):
        made[:0].save(tmp_path / "a.csv")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"text": ""}, "not empty"),
        ({"text": " \n"}, "not empty"),
        ({"text": 5}, "must be a string"),
        ({"text": "\ud800"}, "surrogate"),
        ({"text": None}, "either a text or random tokens"),
        ({"text": "a", "random": RandomTokens(1, 0)}, "either a text or random tokens"),
        ({"text": "ab", "slots": {"x": (0, 3)}}, "characters 0 to 3 of a text of 2"),
        ({"text": "ab", "slots": {"x": (1, 1)}}, "characters 1 to 1"),
        ({"text": "ab", "slots": {"x": (0.0, 1)}}, "in characters"),
        ({"text": "ab", "labels": {"row": 1}}, "cannot be called 'row'"),
        ({"text": "ab", "labels": {"k": None}}, "label 'k' must be a text"),
        ({"text": "ab", "labels": {"k": float("nan")}}, "label 'k' must be a text"),
        ({"text": "ab", "labels": {5: "a"}}, "name of a label must be a string"),
    ],
)
def test_a_prompt_is_checked(fields: dict, message: str) -> None:
    with pytest.raises(attnscope.InputError, match=message):
        Prompt(**fields)


def test_a_set_consists_of_prompts() -> None:
    with pytest.raises(attnscope.InputError, match="got 'text'"):
        PromptSet(["text"])


def test_repeated_random_tokens() -> None:
    made = attnscope.prompts.repeated_random(length=50, n=3, seed=7)
    assert [(prompt.text, prompt.random.length, prompt.row) for prompt in made] == [(None, 50, row) for row in range(3)]
    seeds = [prompt.random.seed for prompt in made]
    assert len({*seeds, *(prompt.random.seed for prompt in attnscope.prompts.repeated_random(50, 3, 8))}) == 6
    assert made == attnscope.prompts.repeated_random(50, 5, 7)[:3]
    assert all(0 <= seed < 2**53 for seed in seeds)
    for options in ({"length": 0}, {"length": 5, "n": 0}, {"length": 5, "seed": -1}, {"length": 2.5}, {"length": True}):
        with pytest.raises(attnscope.InputError, match="whole number"):
            attnscope.prompts.repeated_random(**options)


def test_no_model_is_needed_for_prompts() -> None:
    program = "import attnscope, sys; attnscope.prompts(['a']); print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
