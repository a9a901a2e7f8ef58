"""The residual stream: its blocks, the logit lens, and direct logit attribution."""
