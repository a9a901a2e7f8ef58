"""The messages that a session reads and answers with, one file each (docs/wire.md)."""
