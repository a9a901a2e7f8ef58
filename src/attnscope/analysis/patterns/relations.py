"""The pattern of a linguistic relation, from sentences annotated in CoNLL-U (https://universaldependencies.org/format.html)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from attnscope.analysis.patterns.pattern import Pattern, Related, digest, require_one_text
from attnscope.analysis.patterns.token_text import folded, visible
from attnscope.analysis.token_groups import TokenGroups
from attnscope.errors import InputError, MissingError
from attnscope.trace.words import Char, Span, reading
from attnscope.validation import user_path

Side = Literal["dependent", "head"]


@dataclass(frozen=True)
class Sentence:
    """An annotated sentence.

    `forms` are the written words without their spaces. `relations` are (dependent, head, relation), where dependent and head are
    indices of `forms`: the words of a multiword token share one.
    """

    forms: tuple[str, ...]
    relations: tuple[tuple[int, int, str], ...]

    @property
    def text(self) -> str:
        """The sentence without spaces."""
        return "".join(self.forms)


@dataclass(frozen=True, eq=False, repr=False)
class _Relation(Pattern):
    """Words in a relation, from the dependent to its head or from the head to its dependents."""

    sentences: tuple[Sentence, ...]
    relation: str
    query: Side
    hash: str

    @property
    def name(self) -> str:
        other = "head" if self.query == "dependent" else "dependent"
        return f"{self.relation}, {self.query} to {other}"

    def related(self, groups: TokenGroups) -> Related:
        require_one_text(groups, self.name)
        chars = visible(groups.query_tokens)
        words: list[Span] = []
        found: list[tuple[Span, Span]] = []
        for sentence, start in _places(self.sentences, chars):
            spans = list(_spans(sentence, chars, start))
            words += spans
            for dependent, head, relation in sentence.relations:
                if relation == self.relation or relation.partition(":")[0] == self.relation:
                    pair = spans[dependent], spans[head]
                    found.append(pair if self.query == "dependent" else (pair[1], pair[0]))
        if not words:
            raise InputError(
                f'No annotated sentence occurs in the text "{reading(groups.query_tokens)}": {_closest(self.sentences)} Trace '
                "the text of a sentence as it is written there."
            )
        return Related.of_spans(groups, [pair for pair in found if not set(pair[0]) & set(pair[1])], words)

    def as_json(self) -> dict[str, Any]:
        return {"pattern": "relation", "relation": self.relation, "query": self.query, "hash": self.hash}


def relation(conllu: str | os.PathLike[str], relation: str, *, query: Side = "dependent") -> Pattern:
    """From a word to the word that it depends on by a relation ("nsubj", "obj", "amod"), or the reverse (Clark 2019).

    `conllu` is the path of a CoNLL-U file, or its content. The pattern applies to texts in which annotated sentences occur; words
    are found by their text, whatever the tokenizer made of them. With `query="dependent"`, the dependent attends to its head
    ("cat" to "sat" in nsubj); with `query="head"`, the head attends to its dependents. In a causal stack, a query can only attend
    to a word before it. "nsubj" includes its subtypes ("nsubj:pass").

    Words of several tokens count as one word: attention is summed over the pieces of the key and averaged over the pieces of the
    query. Words that are written as one (the parts of a multiword token such as "don't") share their tokens, and words that share
    a token aren't related. Empty nodes are ignored.

    Raises `MissingError` for a file that doesn't exist, `InputError` for text that isn't CoNLL-U, a relation that isn't in it, or
    an unknown `query`. `match` raises `InputError` for a text in which no annotated sentence occurs.
    """
    if not isinstance(query, str) or query not in ("dependent", "head"):
        raise InputError(f"`query` must be 'dependent' or 'head'; got {query!r:.80}.")
    if not isinstance(relation, str) or not relation:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"`relation` is the name of a relation, such as 'nsubj'; got {relation!r:.80}.")
    content = _content(conllu)
    sentences = tuple(_parsed(content))
    names = {
        name
        for sentence in sentences
        for _, _, found in sentence.relations
        for name in (found, found.partition(":")[0])
    }
    if relation not in names:
        raise InputError(
            f"No word has the relation {relation!r:.80} in this CoNLL-U. It has {', '.join(sorted(names))[:300]}."
        )
    return _Relation(sentences, relation, query, digest(content))


def _content(conllu: str | os.PathLike[str]) -> str:
    """The text of a CoNLL-U file, or the string itself if it is one."""
    if isinstance(conllu, str) and ("\t" in conllu or "\n" in conllu):
        return conllu
    if not isinstance(conllu, (str, os.PathLike)):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"`conllu` is the path of a CoNLL-U file or its content; got {conllu!r:.80}.")
    path: Path = user_path(conllu)
    if not path.is_file():
        raise MissingError(f"There is no CoNLL-U file {str(path)!r:.200}.")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path.name!r:.80} is no CoNLL-U file: it is not text in UTF-8.") from error


def _parsed(content: str) -> Iterator[Sentence]:
    """The sentences of a CoNLL-U text."""
    from conllu import parse
    from conllu.exceptions import ParseException

    try:
        parsed = parse(content)
    except (ParseException, ValueError, KeyError, IndexError) as error:
        raise InputError(f"This is no CoNLL-U: {error!s:.200}") from error
    for number, tokens in enumerate(parsed, 1):
        forms: list[str] = []
        place: dict[int, int] = {}
        joined_to = 0  # the last word of the multiword token that was read last
        for token in tokens:
            ids: Any = token.get("id")
            form = "".join(str(token.get("form") or "").split())
            if isinstance(ids, int) and ids <= joined_to:
                place[ids] = len(forms) - 1
                continue
            if not isinstance(ids, int) and (not isinstance(ids, tuple) or ids[1] != "-"):
                continue  # an empty node, 8.1
            joined_to = ids if isinstance(ids, int) else ids[2]
            if isinstance(ids, int):
                place[ids] = len(forms)
            forms.append(form)
        relations: list[tuple[int, int, str]] = []
        for token in tokens:
            ids, head, name = token.get("id"), token.get("head"), token.get("deprel")
            if not isinstance(ids, int) or not head or not name or name == "_":
                continue
            if head not in place:
                raise InputError(
                    f"This is no CoNLL-U: in sentence {number}, the head of word {ids} is {head!r:.20}, which is no word."
                )
            relations.append((place[ids], place[head], str(name)))
        yield Sentence(tuple(forms), tuple(relations))


def _places(sentences: Sequence[Sentence], chars: Sequence[Char]) -> list[tuple[Sentence, int]]:
    """The sentences that occur in the text, each once, and where; longer sentences first, without overlap."""
    own, plain = "".join(one.char for one in chars), "".join(folded(one.char)[:1] or one.char for one in chars)
    taken = [False] * len(chars)
    found: list[tuple[Sentence, int]] = []
    for sentence in sorted(sentences, key=lambda one: -len(one.text)):
        for text, wanted in (
            (own, sentence.text),
            (plain, "".join(folded(char)[:1] or char for char in sentence.text)),
        ):
            start = _free(text, wanted, taken, chars)
            if start is not None:
                taken[start : start + len(wanted)] = [True] * len(wanted)
                found.append((sentence, start))
                break
    return found


def _free(text: str, wanted: str, taken: Sequence[bool], chars: Sequence[Char]) -> int | None:
    """The first place of a sentence that isn't part of another sentence or of a longer word."""
    start = text.find(wanted) if wanted else -1
    while start >= 0:
        end = start + len(wanted)
        inside = chars[start].joined or (end < len(chars) and chars[end].joined)
        if not inside and not any(taken[start:end]):
            return start
        start = text.find(wanted, start + 1)
    return None


def _spans(sentence: Sentence, chars: Sequence[Char], start: int) -> Iterator[Span]:
    """The tokens of each written word of a sentence that begins at a character of the text."""
    at = start
    for form in sentence.forms:
        run = chars[at : at + len(form)]
        at += len(form)
        yield tuple(sorted({token for one in run for token in range(one.first, one.last + 1)}))


def _closest(sentences: Sequence[Sentence]) -> str:
    """The first sentences, for an error."""
    shown = [" ".join(sentence.forms)[:60] for sentence in sentences[:2]]
    more = f", and {len(sentences) - 2} more" if len(sentences) > 2 else ""
    return f"annotated are {', '.join(f'{one!r}' for one in shown)}{more}."
