"""Edits outside a trace: during calls of the Hugging Face model itself, and written into its weights."""
