"""Read facts from a transformers module, its config and its outputs."""
