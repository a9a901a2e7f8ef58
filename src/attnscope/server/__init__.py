"""A local web server for one session: loopback by default, guarded from the first line."""

from attnscope.server.access import Access
from attnscope.server.address import DEFAULT_PORT, Listener, ListenError, listen
from attnscope.server.app import create_app
from attnscope.server.body import BodyLimits
from attnscope.server.serve import LocalServer
from attnscope.server.static import StaticFiles

__all__ = [
    "DEFAULT_PORT",
    "Access",
    "BodyLimits",
    "ListenError",
    "Listener",
    "LocalServer",
    "StaticFiles",
    "create_app",
    "listen",
]
