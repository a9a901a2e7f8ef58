"""Patterns that the attention of a head may follow, for `analysis.match`.

from attnscope.analysis import match, patterns

match(trace, patterns.offset(1))                               # the previous token
match(trace, patterns.brackets())                              # the opening bracket of a closing one
match(trace, patterns.regex(r"\\b(she|he)\\b", r"\\b(nurse|doctor)\\b"))
match(trace, patterns.relation("en.conllu", "nsubj"))          # a subject's verb
"""

from attnscope.analysis.patterns.aligned_words import aligned
from attnscope.analysis.patterns.brackets import brackets
from attnscope.analysis.patterns.expressions import regex
from attnscope.analysis.patterns.items import next_item
from attnscope.analysis.patterns.pattern import Pattern, Related
from attnscope.analysis.patterns.positional import Place, matrix, offset, predicate
from attnscope.analysis.patterns.relations import relation
from attnscope.analysis.patterns.repetitions import induction, same_word

__all__ = [
    "Pattern",
    "Place",
    "Related",
    "aligned",
    "brackets",
    "induction",
    "matrix",
    "next_item",
    "offset",
    "predicate",
    "regex",
    "relation",
    "same_word",
]
