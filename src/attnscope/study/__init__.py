"""Studies: one question asked of many inputs, with the number of inputs, intervals and controls."""
