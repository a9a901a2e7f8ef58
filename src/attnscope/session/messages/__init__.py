"""The messages that a session reads and answers with, one file each (docs/reference/wire.md)."""
