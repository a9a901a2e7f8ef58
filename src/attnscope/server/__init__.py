"""A local web server for one session: loopback by default, guarded from the first line (docs/explanation/security.md)."""
