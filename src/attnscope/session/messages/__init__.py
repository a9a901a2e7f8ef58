"""The requests and responses of a session, one file per type (docs/reference/wire.md)."""
