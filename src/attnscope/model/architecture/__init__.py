"""What a model looks like, found by running it: its stacks, layers, output projections, gates and rotary pairs."""
