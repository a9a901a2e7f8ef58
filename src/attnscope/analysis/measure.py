"""The measures of a head's attention pattern: names, units and descriptions (formulas: docs/reference/measures.md).

Every measure exists in two versions: over all keys, and *off sink*, without the attention sinks (the first token of a causal
stack, special tokens) and with each row renormalized over the other keys. Rows with no weight left are skipped. A measure that
is undefined is NaN: a masked key is not a key with weight 0. Padding is neither a query nor a key.
"""

from __future__ import annotations

from dataclasses import dataclass

Range = tuple[float | None, float | None]

_SHARE: Range = (0.0, 1.0)
_ANY: Range = (0.0, None)


@dataclass(frozen=True)
class Measure:
    """A measure of a head's attention pattern.

    Attributes:
        name: The column name in `analysis.heads`.
        title: The name for display.
        unit: The unit, or "" for a number without one.
        range: The lowest and highest possible value; None if there is no bound.
        sentence: What the measure says about a head, with its source.
    """

    name: str
    title: str
    unit: str
    range: Range
    sentence: str


MEASURES: tuple[Measure, ...] = (
    Measure(
        "entropy",
        "Entropy",
        "nats",
        _ANY,
        "How widely each query spreads its attention: −Σ α ln α, averaged over queries. In a causal model, later queries have "
        "more keys to spread over (Vig & Belinkov 2019).",
    ),
    Measure(
        "normalized_entropy",
        "Normalized entropy",
        "",
        _SHARE,
        "Entropy divided by ln of the number of keys that the query may attend to: 0 if all weight is on one key, 1 if all keys "
        "have the same weight. Queries with only one key are skipped.",
    ),
    Measure(
        "confidence",
        "Confidence",
        "",
        _SHARE,
        "The largest weight in each row, averaged over queries. In decoders it is mostly the weight on the first token "
        "(Voita 2019).",
    ),
    Measure(
        "distance",
        "Distance",
        "tokens",
        _ANY,
        "How far away the keys are: Σ α·|i − j|, averaged over queries. An attention sink at the first token makes it large "
        "(Vig & Belinkov 2019).",
    ),
    Measure(
        "previous",
        "Previous token",
        "",
        _SHARE,
        "Weight on the previous token, averaged over the queries that may attend to it (Clark 2019, Voita 2019).",
    ),
    Measure("self", "Self", "", _SHARE, "Weight on the token itself, averaged over queries (Clark 2019)."),
    Measure(
        "next",
        "Next token",
        "",
        _SHARE,
        "Weight on the next token, averaged over the queries that may attend to it. Undefined in a causal stack (Clark 2019).",
    ),
    Measure(
        "first_token",
        "First token",
        "",
        _SHARE,
        "Weight on the first token, averaged over the queries that may attend to it. Large in most heads of most decoders, "
        "whatever else they do (Clark 2019).",
    ),
    Measure(
        "special_tokens",
        "Special tokens",
        "",
        _SHARE,
        "Weight on special tokens such as [CLS] and [SEP], averaged over the queries that may attend to any. Heads often attend "
        "to them when they have nothing else to do (Clark 2019).",
    ),
    Measure(
        "sinks",
        "Attention sinks",
        "",
        _SHARE,
        "Weight on all attention sinks together (the first token of a causal stack and special tokens), averaged over the "
        "queries that may attend to any; values off sink exclude these keys.",
    ),
    Measure(
        "learned_sink",
        "Learned sink",
        "",
        _SHARE,
        "The part of each row that goes to a learned sink, 1 − Σ α, averaged over queries. Only in models with learned sinks.",
    ),
    Measure(
        "a_to_a",
        "A→A",
        "",
        _SHARE,
        "Weight from queries in sentence A on keys in sentence A, averaged over the queries that may attend to any. Special "
        "tokens belong to the sentence that they close (Vig 2019).",
    ),
    Measure(
        "a_to_b",
        "A→B",
        "",
        _SHARE,
        "Weight from queries in sentence A on keys in sentence B, averaged over the queries that may attend to any. Undefined if "
        "A cannot attend to B (Vig 2019).",
    ),
    Measure(
        "b_to_a",
        "B→A",
        "",
        _SHARE,
        "Weight from queries in sentence B on keys in sentence A, averaged over the queries that may attend to any (Vig 2019).",
    ),
    Measure(
        "b_to_b",
        "B→B",
        "",
        _SHARE,
        "Weight from queries in sentence B on keys in sentence B, averaged over the queries that may attend to any (Vig 2019).",
    ),
    Measure(
        "induction",
        "Induction",
        "",
        _SHARE,
        "Weight on the tokens after earlier occurrences of the query's token, averaged over the queries that have any. Measured "
        "on this text, where words also repeat for other reasons; the standard test repeats random tokens (Olsson 2022).",
    ),
    Measure(
        "duplicate_token",
        "Duplicate token",
        "",
        _SHARE,
        "Weight on earlier occurrences of the query's token, averaged over the queries that have any. Measured on this text; the "
        "standard test repeats random tokens (Wang 2022).",
    ),
)
"""All measures, in the order of tables and messages."""

NAMES: tuple[str, ...] = tuple(measure.name for measure in MEASURES)
"""The names of all measures, in the same order."""

SENTENCES: dict[str, tuple[str, str]] = {
    "a_to_a": ("A", "A"),
    "a_to_b": ("A", "B"),
    "b_to_a": ("B", "A"),
    "b_to_b": ("B", "B"),
}
"""The measures between sentences: (sentence of the queries, sentence of the keys)."""

OFFSETS: dict[str, int] = {"previous": 1, "self": 0, "next": -1}
"""The measures of one diagonal: how many tokens the key is before the query."""
