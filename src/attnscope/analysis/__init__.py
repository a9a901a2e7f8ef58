"""What is computed over whole traces: thumbnails and measures of every head, one edge in every head."""

from attnscope.analysis.edges import Edge, edge_of
from attnscope.analysis.measures import MEASURES, Measure
from attnscope.analysis.overview import LayerOverview, overview

__all__ = ["MEASURES", "Edge", "LayerOverview", "Measure", "edge_of", "overview"]
