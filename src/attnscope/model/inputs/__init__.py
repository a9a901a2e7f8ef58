"""Turn everything that can be traced into model inputs and the tokens that they stand for."""
