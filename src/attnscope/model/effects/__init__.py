"""What edits do to a metric: effects, and controls that make the same edits elsewhere."""
