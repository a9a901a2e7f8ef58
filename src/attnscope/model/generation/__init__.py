"""Generate text and record the attention of the run that generates it."""
