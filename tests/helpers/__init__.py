"""Shared by several tests: tiny models, processes, a browser, reference implementations."""
