"""Find a model's stacks, layers, output projections, gates and rotary pairs by running it."""
