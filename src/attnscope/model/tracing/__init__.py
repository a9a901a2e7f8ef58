"""One pass as a trace: its stacks, certificate, lazy logits, predictions and provenance."""
