"""A local web server for one session. It listens on loopback by default and checks every request (docs/explanation/security.md)."""
