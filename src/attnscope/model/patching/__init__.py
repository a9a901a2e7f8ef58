"""Activation patching between two prompts, and causal mediation analysis."""
