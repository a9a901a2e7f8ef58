"""The measures of a head's pattern: names, units, and what they say for a person (formulas: docs/reference/measures.md).

Every measure exists twice. Over all keys, and *off sink*: without the sinks (the first token of a causal stack, special
tokens), after the rest of each row was brought back to a sum of 1. A row with nothing left is left out. Where a measure is
not defined it is NaN: a weight that the mask forbids is not a weight of 0.
"""

from __future__ import annotations

from dataclasses import dataclass

Range = tuple[float | None, float | None]

_SHARE: Range = (0.0, 1.0)
_ANY: Range = (0.0, None)


@dataclass(frozen=True)
class Measure:
    """A number known of every head. `range` holds the possible values, None where there is no bound."""

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
        "How widely a query spreads its attention, −Σ α ln α, mean over queries; later queries of a causal model have "
        "more keys to spread over (Vig & Belinkov 2019).",
    ),
    Measure(
        "normalized_entropy",
        "Normalized entropy",
        "",
        _SHARE,
        "Entropy divided by ln of the number of keys a query may look at: 0 looks at one key, 1 at all alike; queries with "
        "one key are left out.",
    ),
    Measure(
        "confidence",
        "Confidence",
        "",
        _SHARE,
        "The largest weight of a row, mean over queries; in decoders it is mostly that of the first token (Voita 2019).",
    ),
    Measure(
        "distance",
        "Distance",
        "tokens",
        _ANY,
        "How far away the keys are, Σ α·|i − j|, mean over queries; a sink at the first token makes it long "
        "(Vig & Belinkov 2019).",
    ),
    Measure(
        "previous",
        "Previous token",
        "",
        _SHARE,
        "Weight on the token just before, mean over the queries that have one (Clark 2019, Voita 2019).",
    ),
    Measure("self", "Self", "", _SHARE, "Weight on the token itself, mean over queries (Clark 2019)."),
    Measure(
        "next",
        "Next token",
        "",
        _SHARE,
        "Weight on the token just after, mean over the queries that have one; not defined in a causal stack (Clark 2019).",
    ),
    Measure(
        "first_token",
        "First token",
        "",
        _SHARE,
        "Weight on the first token, mean over queries; large in most heads of most decoders, whatever they do (Clark 2019).",
    ),
    Measure(
        "special_tokens",
        "Special tokens",
        "",
        _SHARE,
        "Weight on special tokens such as [CLS] and [SEP], mean over queries; often where a head looks that has nothing to do "
        "(Clark 2019).",
    ),
    Measure(
        "sinks",
        "Sinks",
        "",
        _SHARE,
        "Weight on all sinks together, the first token of a causal stack and special tokens: what “off sink” leaves out.",
    ),
    Measure(
        "learned_sink",
        "Learned sink",
        "",
        _SHARE,
        "What a learned sink takes from the row, 1 − Σ α, mean over queries; only models with such sinks have it.",
    ),
    Measure(
        "a_to_a",
        "A→A",
        "",
        _SHARE,
        "Weight of sentence A's queries on sentence A, mean over them; special tokens count to the sentence they "
        "close (Vig 2019).",
    ),
    Measure(
        "a_to_b",
        "A→B",
        "",
        _SHARE,
        "Weight of sentence A's queries on sentence B, mean over them; not defined where A cannot look at B (Vig 2019).",
    ),
    Measure("b_to_a", "B→A", "", _SHARE, "Weight of sentence B's queries on sentence A, mean over them (Vig 2019)."),
    Measure("b_to_b", "B→B", "", _SHARE, "Weight of sentence B's queries on sentence B, mean over them (Vig 2019)."),
    Measure(
        "induction",
        "Induction",
        "",
        _SHARE,
        "Weight on the tokens that followed earlier occurrences of the query's token, mean over the queries that have any; "
        "in this text, so words that repeat for other reasons count too: the usual test takes repeated random "
        "tokens (Olsson 2022).",
    ),
    Measure(
        "duplicate_token",
        "Duplicate token",
        "",
        _SHARE,
        "Weight on earlier occurrences of the query's token, mean over the queries that have any; in this text, where the usual "
        "test takes repeated random tokens (Wang 2022).",
    ),
)
"""All measures, in the order in which tables and messages have them."""

NAMES: tuple[str, ...] = tuple(measure.name for measure in MEASURES)
"""Their names."""

SENTENCES: dict[str, tuple[str, str]] = {
    "a_to_a": ("A", "A"),
    "a_to_b": ("A", "B"),
    "b_to_a": ("B", "A"),
    "b_to_b": ("B", "B"),
}
"""The measures between sentences: whose queries look at whose keys."""

OFFSETS: dict[str, int] = {"previous": 1, "self": 0, "next": -1}
"""The measures of one diagonal: how far the key is behind the query."""
