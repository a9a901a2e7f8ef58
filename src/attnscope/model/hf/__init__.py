"""What is asked of a transformers module, its config and its outputs."""
