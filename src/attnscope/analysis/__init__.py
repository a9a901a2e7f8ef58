"""What is computed over whole traces (formulas, sources and caveats: docs/reference/measures.md).

analysis.heads(trace)                   # every measure of every head, a pandas DataFrame
analysis.edge(trace, query=5, key=2)    # all heads by one edge
analysis.match(trace, "brackets")       # all heads by how much of their attention follows a pattern
analysis.variability(traces)            # all heads by how much their attention differs between inputs
analysis.similarity(trace)              # Jensen–Shannon divergence between heads
analysis.difference(after, before, 5, 3)  # attention of one head minus that in another pass, [query, key]
analysis.value_weighted(trace, 5, 3)    # ‖α f(x)‖ of one head, [query, key]
analysis.decays(trace)                  # how steeply scores fall with distance, all heads
analysis.decay(trace, 3, 1)             # which neurons make one head's fall
analysis.rollout(trace)                 # attention through all layers, [query, key]
"""

from attnscope.analysis import patterns
from attnscope.analysis.decay import Decay, decay, decays
from attnscope.analysis.difference import difference
from attnscope.analysis.divergence import similarity
from attnscope.analysis.flow import rollout, value_weighted
from attnscope.analysis.measure import MEASURES, Measure
from attnscope.analysis.norms import output_norms, value_norms
from attnscope.analysis.pattern_table import match
from attnscope.analysis.tables import edge, heads, measures
from attnscope.analysis.variability import variability

__all__ = [
    "MEASURES",
    "Decay",
    "Measure",
    "decay",
    "decays",
    "difference",
    "edge",
    "heads",
    "match",
    "measures",
    "output_norms",
    "patterns",
    "rollout",
    "similarity",
    "value_norms",
    "value_weighted",
    "variability",
]
