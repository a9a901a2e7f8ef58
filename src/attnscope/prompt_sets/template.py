"""A template: a text with slots in braces, and how values are written into them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from string import Formatter

from attnscope.errors import InputError
from attnscope.prompt_sets.prompt import Span, Value
from attnscope.validation import TEXT

_FORMS = {
    "": "the value as it is",
    "a": "after “a” or “an”",
    "A": "after “A” or “An”",
    "cap": "with a capital letter",
}
_AN = re.compile(r"(honest|honor|honour|hour|heir|herbs?\b|herbal)", re.IGNORECASE)
_A = re.compile(r"(uni(?!d|m|n)|us[eu]|u[ty][ei]|uto|ukr|ugan|ubi|eu|ewe|one\b|once\b)", re.IGNORECASE)
_LETTER_U = re.compile(r"U[A-Z]")


@dataclass(frozen=True)
class Place:
    """One place of a template: the text before it, the slot that is written there, and in which form."""

    before: str
    slot: str
    form: str


@dataclass(frozen=True)
class Template:
    """A parsed template: `text` as the user wrote it, its places in order, and the text after the last one."""

    text: str
    places: tuple[Place, ...]
    after: str

    @property
    def slots(self) -> tuple[str, ...]:
        """The names of the slots, each once, in the order of their first places."""
        return tuple(dict.fromkeys(place.slot for place in self.places))

    def swapped(self, first: str, second: str) -> Template:
        """The same template with two slots exchanged in all their places. The form of a place stays where it is."""
        other = {first: second, second: first}
        places = (Place(place.before, other.get(place.slot, place.slot), place.form) for place in self.places)
        return Template(self.text, tuple(places), self.after)

    def filled(self, values: Mapping[str, Value]) -> tuple[str, dict[str, Span]]:
        """The text with `values` in their slots, and where each value is; its n-th place is called "slot#n" from n = 2."""
        text, spans, times = "", dict[str, Span](), dict[str, int]()
        for place in self.places:
            value = str(values[place.slot])
            if place.form in ("a", "A"):
                text += f"{place.before}{_article(value, place.form)} "
            else:
                text += place.before
            written = value[:1].upper() + value[1:] if place.form == "cap" else value
            times[place.slot] = times.get(place.slot, 0) + 1
            name = place.slot if times[place.slot] == 1 else f"{place.slot}#{times[place.slot]}"
            spans[name] = (len(text), len(text) + len(written))
            text += written
        return text + self.after, spans


def parse(text: object) -> Template:
    """A template from its text. Raises `InputError` if there is no slot, or if a slot cannot be read."""
    if not isinstance(text, str) or not TEXT.fits(text):
        raise InputError(f"A template must be {TEXT.words}; got {text!r:.80}.")
    if not text.strip():
        raise InputError("A template is empty.")
    try:
        pieces = list(Formatter().parse(text))
    except ValueError as error:
        raise InputError(
            f"The template {text!r:.80} has an unmatched brace; write {{{{ or }}}} for a brace."
        ) from error
    places: list[Place] = []
    literal = ""
    for before, slot, form, conversion in pieces:
        literal += before
        if slot is not None:
            _check(slot, form or "", conversion, text)
            places.append(Place(literal, slot, form or ""))
            literal = ""
    if not places:
        raise InputError(
            f"The template {text!r:.80} has no slot such as {{x}}. To use texts as they are, pass a list of them."
        )
    return Template(text, tuple(places), literal)


def _check(slot: str, form: str, conversion: str | None, text: str) -> None:
    if not slot.isidentifier() or conversion:
        raise InputError(
            f"The template {text!r:.80} has a slot {slot or '{}'!r:.40} that is not a name. "
            "Use letters, digits and _ (such as {x}), and {{ or }} for a brace."
        )
    if form not in _FORMS:
        known = ", ".join(f"{{{slot}:{name}}} ({meaning})" for name, meaning in _FORMS.items() if name)
        raise InputError(
            f"The slot {slot!r} of the template {text!r:.80} has an unknown form {form!r:.40}. Use {known}."
        )


def _article(value: str, form: str) -> str:
    """The article of a value by its spelling: a vowel, a silent h, a u or o that is spoken as in "university" or "one"."""
    if _AN.match(value):
        consonant = False
    elif _A.match(value) or _LETTER_U.match(value):
        consonant = True
    else:
        consonant = value[:1].lower() not in "aeiou"
    article = "a" if consonant else "an"
    return article.capitalize() if form == "A" else article
