"""Whatever can be traced, as model inputs and the tokens that they stand for."""
