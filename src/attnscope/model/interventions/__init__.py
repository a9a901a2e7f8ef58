"""Edits outside a trace: calls of the Hugging Face model itself, and edits written into weights."""
