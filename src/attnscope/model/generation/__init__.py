"""Generating text, and the attention of the run that generated it."""
