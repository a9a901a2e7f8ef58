"""The questions of a study. Each goes over the prompts and gives a `Result`."""

from attnscope.study.questions.causal import effect, mediate, patch, states
from attnscope.study.questions.comparison import compare
from attnscope.study.questions.decays import decay, decays
from attnscope.study.questions.edges import contrast, edge
from attnscope.study.questions.heads import heads
from attnscope.study.questions.patterns import match, variability
from attnscope.study.questions.scaling import scale_pairs

__all__ = [
    "compare",
    "contrast",
    "decay",
    "decays",
    "edge",
    "effect",
    "heads",
    "match",
    "mediate",
    "patch",
    "scale_pairs",
    "states",
    "variability",
]
