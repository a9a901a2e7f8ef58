"""Every model type of the installed transformers: built tiny, run, traced, certified. `scripts/table.py` makes the table."""
