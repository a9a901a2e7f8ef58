"""A model without weights, for tests of whatever talks to a session."""
