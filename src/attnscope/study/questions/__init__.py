"""The questions of a study. Each goes over the prompts and gives a `Result`."""

from attnscope.study.questions.comparison import compare
from attnscope.study.questions.decays import decay, decays
from attnscope.study.questions.edges import contrast, edge
from attnscope.study.questions.heads import heads

__all__ = ["compare", "contrast", "decay", "decays", "edge", "heads"]
