"""First-order estimates of effects by gradients, confirmed by real interventions; value zeroing."""
