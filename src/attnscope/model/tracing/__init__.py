"""Turn one forward pass into a trace: its stacks, certificate, logits, predictions and provenance."""
