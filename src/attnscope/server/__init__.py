"""A local web server for one session: it listens on loopback by default and checks every request.

See docs/explanation/security.md.
"""
