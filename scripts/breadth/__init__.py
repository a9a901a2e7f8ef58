"""Build a tiny model of every model type of the installed transformers, run it, trace it, and certify it.

`scripts/table.py` makes the table.
"""
