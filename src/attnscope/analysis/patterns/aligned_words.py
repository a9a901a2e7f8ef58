"""The pattern of words that correspond in two texts: the sentences of a pair, or a text and its translation."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from attnscope.analysis.patterns.pattern import Pattern, Related
from attnscope.analysis.patterns.repetitions import between_texts, same_words
from attnscope.analysis.patterns.token_text import Word, spaced_words_of, words_of
from attnscope.analysis.token_groups import TokenGroups
from attnscope.errors import InputError
from attnscope.trace.words import Span
from attnscope.types import Token
from attnscope.validation import is_whole

_PAIR = re.compile(r"(\d+)[-–](\d+)")


@dataclass(frozen=True, eq=False, repr=False)
class _Aligned(Pattern):
    """Words of the other text that correspond to the query's word."""

    alignment: tuple[tuple[int, int], ...] | None

    @property
    def name(self) -> str:
        return "aligned words"

    def related(self, groups: TokenGroups) -> Related:
        words = words_of if self.alignment is None else spaced_words_of
        if not groups.aligned:
            sources, targets = words(groups.key_tokens), words(groups.query_tokens)
            return between_texts(groups, self._pairs(targets, sources), targets, sources)
        sources, targets = (_of_sentence(words(groups.key_tokens), groups.key_tokens, name) for name in "AB")
        if not sources or not targets:
            raise InputError(
                "The pattern 'aligned words' needs two texts: a pair of sentences (`model.trace(text, pair=…)`), or the "
                "cross-attention of an encoder-decoder model."
            )
        pairs = self._pairs(targets, sources)
        both = [*pairs, *((source, target) for target, source in pairs)]
        return Related.of_spans(groups, both, [word.tokens for word in (*sources, *targets)])

    def as_json(self) -> dict[str, Any]:
        listed = None if self.alignment is None else [list(pair) for pair in self.alignment]
        return {"pattern": "aligned words", "alignment": listed}

    def _pairs(self, targets: Sequence[Word], sources: Sequence[Word]) -> list[tuple[Span, Span]]:
        """The pairs (target, source)."""
        if self.alignment is None:
            return list(same_words(targets, sources))
        for source, target in self.alignment:
            for at, words, side in ((source, sources, "source"), (target, targets, "target")):
                if at >= len(words):
                    raise InputError(
                        f"The alignment {source}-{target} names the {side} word {at}, and the {side} has {len(words)} words: "
                        f"{' '.join(word.text for word in words)[:120]}"
                    )
        return [(targets[target].tokens, sources[source].tokens) for source, target in self.alignment]


def aligned(alignment: str | Iterable[tuple[int, int]] | None = None) -> Pattern:
    """The words of the other text that correspond to the query's word.

    In a pair of sentences, queries of either sentence attend to the other one. In cross-attention, queries of the target attend
    to the source. Without `alignment`, words correspond if they are the same, whatever their case (Vig 2019). With it, they
    correspond as listed: pairs (source word, target word), or "0-0 1-2" as word aligners write it. Words are then what stands
    between two spaces, counted from 0; sentence A is the source and sentence B the target.

    Raises `InputError` for an alignment that isn't a list of such pairs.
    """
    if alignment is None:
        return _Aligned(None)
    pairs: list[tuple[int, int]] = []
    if not isinstance(alignment, Iterable) or getattr(alignment, "ndim", 1) == 0:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"An alignment lists pairs (source word, target word), counted from 0; got {alignment!r:.80}.")
    entries: Iterable[object] = alignment.split() if isinstance(alignment, str) else alignment
    for entry in entries:
        found = _PAIR.fullmatch(entry) if isinstance(entry, str) else None
        pair: object = tuple(map(int, found.groups())) if found else entry
        if not isinstance(pair, (tuple, list)) or len(pair) != 2 or not all(is_whole(at) and at >= 0 for at in pair):
            raise InputError(f"An alignment lists pairs (source word, target word), counted from 0; got {entry!r:.80}.")
        pairs.append((int(pair[0]), int(pair[1])))
    return _Aligned(tuple(sorted(set(pairs))))


def _of_sentence(words: Sequence[Word], tokens: Sequence[Token], sentence: str) -> list[Word]:
    return [word for word in words if tokens[word.tokens[0]].sentence == sentence]
