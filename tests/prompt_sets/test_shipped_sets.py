"""The shipped sets: balanced, without duplicates, and with slots that hold what they say."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

import attnscope
from attnscope import Prompt, PromptSet

pytestmark = pytest.mark.core

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "prompt-sets.md"
COUNTS = {
    "ages": (96, 24), "brackets": (108, 36), "lists": (52, 26), "names": (96, 24), "occupations": (132, 33),
    "pronouns": (96, 24), "subject_verb": (96, 16),
}  # fmt: skip
"""The numbers of prompts and of rows."""
PAIRS = {"(": ")", "[": "]", "{": "}"}


def held(prompt: Prompt, slot: str) -> str:
    assert prompt.text is not None
    return prompt.text[slice(*prompt.slots[slot])]


def rows(prompts: PromptSet) -> list[list[Prompt]]:
    return [list(prompts.filter(row=row)) for row in dict.fromkeys(prompt.row for prompt in prompts)]


def test_the_list_of_shipped_sets_has_one_line_on_each() -> None:
    listed = attnscope.prompts.shipped()
    assert set(listed) == set(COUNTS)
    assert all(30 < len(line) < 160 and "\n" not in line for line in listed.values())


def test_an_unknown_set_is_reported() -> None:
    with pytest.raises(attnscope.InputError, match="'cities'; there are 'ages', 'brackets'"):
        attnscope.prompts.shipped("cities")


@pytest.mark.parametrize("name", COUNTS)
def test_a_shipped_set_is_complete_and_without_duplicates(name: str) -> None:
    made = attnscope.prompts.shipped(name)
    assert (len(made), len({prompt.row for prompt in made})) == COUNTS[name]
    assert len({prompt.text for prompt in made}) == len(made)
    assert (made.source, made.license) == (f"shipped: {name}", "CC0-1.0")
    assert {prompt.template for prompt in made} == set(range(len(made.templates)))


@pytest.mark.parametrize("name", COUNTS)
def test_slots_hold_what_the_labels_say(name: str) -> None:
    for prompt in attnscope.prompts.shipped(name):
        for slot in prompt.slots:
            assert held(prompt, slot) == prompt.labels[slot.partition("#")[0]]


@pytest.mark.parametrize("name", COUNTS)
def test_texts_are_plain_and_clean(name: str) -> None:
    for prompt in attnscope.prompts.shipped(name):
        assert prompt.text == prompt.text.strip()
        assert not re.search(r"  |[^\x20-\x7e]|\b(a [aeiou]|an [^aeiou])|\b(\w+) \2\b", prompt.text)


@pytest.mark.parametrize("name", COUNTS)
def test_a_shipped_set_is_described_in_the_reference(name: str) -> None:
    section = REFERENCE.read_text(encoding="utf-8").partition(f"## {name}\n")[2].partition("\n## ")[0]
    prompts, count = COUNTS[name]
    assert f"{prompts} prompts from {count} rows" in section
    examples = re.findall(r"^> (.*)$", section, re.MULTILINE)
    assert examples
    assert {prompt.text for prompt in attnscope.prompts.shipped(name)} >= set(examples)


@pytest.mark.parametrize(
    ("name", "first", "second"), [("occupations", "She", "He"), ("ages", "younger", "older"), ("pronouns", "She", "He")]
)
def test_pairs_are_crossed_in_both_orders_and_each_value_occurs_in_one_row(name: str, first: str, second: str) -> None:
    made = attnscope.prompts.shipped(name)
    used = Counter[str]()
    for row in rows(made):
        used.update({row[0].labels["x"], row[0].labels["y"]})
        cells = Counter((prompt.order, prompt.labels["p"]) for prompt in row)
        assert cells == Counter({(order, word): 1 for order in ("x,y", "y,x") for word in (first, second)})
        for prompt in row:
            comes_first = prompt.slots["x"] < prompt.slots["y"]
            assert comes_first == (prompt.order == "x,y")
            assert prompt.slots["p"][1] == len(prompt.text)
    assert set(used.values()) == {1}
    assert len(used) == 2 * COUNTS[name][1]


def test_there_are_at_least_sixty_occupations_in_words_that_name_no_gender() -> None:
    made = attnscope.prompts.shipped("occupations")
    words = {prompt.labels[slot] for prompt in made for slot in ("x", "y")}
    assert len(words) >= 60
    assert not [word for word in words if re.search(r"(wo)?m[ae]n\b|ess\b|wife|maid|boy|girl|lady", word)]


def test_brackets_close_the_bracket_of_their_slot() -> None:
    made = attnscope.prompts.shipped("brackets")
    for prompt in made:
        opened: list[int] = []
        matched: dict[int, int] = {}
        text = prompt.text or ""
        for position, character in enumerate(text):
            if character in PAIRS:
                opened.append(position)
            elif character in PAIRS.values():
                start = opened.pop()
                assert PAIRS[text[start]] == character
                matched[start] = position
        assert not opened
        assert prompt.labels["depth"] == len(matched)
        outermost_first = [
            (prompt.slots[f"open{n}"][0], prompt.slots[f"close{n}"][0]) for n in range(1, len(matched) + 1)
        ]
        assert outermost_first == sorted(matched.items())
    for style in ("prose", "code"):
        assert Counter(prompt.labels["depth"] for prompt in made.filter(style=style)) == {1: 18, 2: 18, 3: 18}
    nested = made.filter(style="prose", depth=3)
    orders = Counter(tuple(prompt.labels[f"open{n}"] for n in (1, 2, 3)) for prompt in nested)
    assert set(orders.values()) == {3} and len(orders) == 6


def test_code_with_brackets_is_valid_python() -> None:
    for prompt in attnscope.prompts.shipped("brackets").filter(style="code"):
        compile(prompt.text, "prompt", "eval")


def test_items_of_lists_are_separated_by_commas_and_the_next_one_is_missing() -> None:
    for prompt in attnscope.prompts.shipped("lists"):
        items = [prompt.labels[f"item{n}"] for n in (1, 2, 3, 4)]
        heading = f"{prompt.labels['list']}: " if prompt.labels["form"] == "heading" else ""
        assert prompt.text == heading + ", ".join(items) + ","
        assert prompt.labels["next"] not in items or prompt.labels["list"].startswith("Seasons")
        if all(item.isdigit() for item in items):  # the known rules
            *_, before, last = map(int, items)
            assert int(prompt.labels["next"]) in (last + last - before, last * last // before)


def test_verbs_agree_with_their_subject_and_not_with_the_attractor() -> None:
    made = attnscope.prompts.shipped("subject_verb")
    forms = ("simple", "prepositional phrase", "relative clause")
    assert Counter((prompt.labels["form"], prompt.labels["number"]) for prompt in made) == {
        (form, number): 16 for form in forms for number in ("singular", "plural")
    }
    for prompt in made:
        is_plural = prompt.labels["number"] == "plural"
        assert prompt.labels["subject"].endswith("s") == is_plural
        assert prompt.labels["attractor"].endswith("s") != is_plural
        assert prompt.labels["verb"].endswith("s") != is_plural
        assert prompt.labels["inner_verb"].endswith("s") == is_plural
        assert {f"{prompt.labels['verb']}s", prompt.labels["verb"]} & {
            f"{prompt.labels['foil']}s",
            prompt.labels["foil"],
        }
        assert prompt.labels["verb"] != prompt.labels["foil"]
        assert ("attractor" in prompt.slots) == (prompt.labels["form"] != "simple")
    for row in rows(made):
        assert len({prompt.labels["rest"] for prompt in row}) == 1
        assert row[0].labels["foil"] == row[3].labels["verb"]
        assert row[3].labels["foil"] == row[0].labels["verb"]
    assert all(count == 6 for count in Counter(prompt.labels["rest"] for prompt in made).values())


def test_the_second_mention_of_a_name_is_the_foil() -> None:
    made = attnscope.prompts.shipped("names")
    women = {prompt.labels["x"] for prompt in attnscope.prompts.shipped("pronouns")}
    used = Counter[str]()
    indirect = Counter[bool]()
    for row in rows(made):
        labels = row[0].labels
        used.update([labels["io"], labels["s1"]])
        indirect[labels["io"] in women] += 1
        assert (labels["io"] in women) != (labels["s1"] in women)
        assert Counter((prompt.labels["form"], prompt.order) for prompt in row) == {
            (form, order): 1 for form in ("went", "talk") for order in ("io,s1", "s1,io")
        }
        for prompt in row:
            assert held(prompt, "s1") == held(prompt, "s2") == prompt.labels["foil"]
            assert held(prompt, "io") == prompt.labels["answer"]
            assert prompt.text.count(prompt.labels["answer"]) == 1
            assert prompt.text.endswith(" to")
            assert prompt.slots["s2"] > max(prompt.slots["io"], prompt.slots["s1"])
    assert set(used.values()) == {1}
    assert indirect == {True: 12, False: 12}
