"""What is computed over whole traces: thumbnails of every head."""

from attnscope.analysis.overview import LayerOverview, overview

__all__ = ["LayerOverview", "overview"]
