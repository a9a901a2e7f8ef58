"""Load, run, trace and edit transformers models."""
