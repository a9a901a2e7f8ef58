"""The server's host and port. The socket is opened before anything else starts."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
from dataclasses import dataclass

from attnscope.errors import AttnscopeError, InputError
from attnscope.server.access import LOOPBACK_NAMES, Access, host_headers, new_token, url_host

DEFAULT_PORT = 8760

_PORTS_TRIED = 20
_SHORTEST_TOKEN = 8
_BACKLOG = 128


class ListenError(AttnscopeError, OSError):
    """The address cannot be listened on."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


@dataclass(frozen=True)
class Listener:
    """A listening socket and its access rules. `moved` is set if the default port was in use."""

    socket: socket.socket
    host: str
    access: Access
    moved: bool = False

    @property
    def url(self) -> str:
        """The URL that opens the page, with its token."""
        host = "127.0.0.1" if self.host == "0.0.0.0" else "::1" if self.host == "::" else self.host  # noqa: S104
        return f"http://{url_host(host)}:{self.access.port}/?token={self.access.token}"


def listen(
    host: str = "127.0.0.1",
    port: int | None = None,
    token: str | None = None,
    allowed_hosts: tuple[str, ...] = (),
) -> Listener:
    """Listen on `host` and `port` (None: the default port, or the next free one).

    An address that other machines can reach needs an explicit `token`. `allowed_hosts` (`name` or `name:port`) are
    additional Host headers to accept, for a server behind a tunnel.

    Raises:
        InputError: The port or the token is invalid, or the token is missing.
        ListenError: The address is unknown, or the port is in use or not permitted.
    """
    family, address = _resolve(host)
    local = ipaddress.ip_address(address.partition("%")[0]).is_loopback
    if not local and token is None:
        raise InputError(
            f"Other machines can reach {host}, so the server needs an access token. Pass one with --token, "
            "or drop --host to serve this machine only."
        )
    if not local and token is not None and len(token) < _SHORTEST_TOKEN:
        raise InputError(
            f"The access token for {host} must have at least {_SHORTEST_TOKEN} characters; got {len(token)}."
        )
    opened, moved = _open(family, address, port, host)
    at = opened.getsockname()[1]
    wildcard = ipaddress.ip_address(address.partition("%")[0]).is_unspecified
    names = [*LOOPBACK_NAMES] if local or wildcard else []
    names += [socket.gethostname()] if wildcard else [url_host(host), url_host(address)]
    hosts = {header for name in names for header in host_headers(name, at)}
    hosts |= {header for name in allowed_hosts for header in _allowed(name, at)}
    try:
        access = Access(new_token() if token is None else token, at, frozenset(hosts), any_local_address=wildcard)
    except InputError:
        opened.close()
        raise
    return Listener(opened, host, access, moved)


def _allowed(host: str, port: int) -> frozenset[str]:
    name, colon, its_port = host.rpartition(":")
    if colon and its_port.isdigit() and (":" not in name or name.startswith("[")):
        return host_headers(name, int(its_port)) | {host.lower()}
    return host_headers(host, port)


def _resolve(host: str) -> tuple[socket.AddressFamily, str]:
    try:
        found = socket.getaddrinfo(host.strip("[]"), None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise ListenError(
            f"Unknown address {host!r:.300}. Pass a name or address of this machine with --host."
        ) from error
    family, _, _, _, address = found[0]
    return family, str(address[0])


def _open(family: socket.AddressFamily, address: str, port: int | None, host: str) -> tuple[socket.socket, bool]:
    """The listening socket, and whether the default port was in use."""
    candidates = range(DEFAULT_PORT, DEFAULT_PORT + _PORTS_TRIED) if port is None else (port,)
    for candidate in candidates:
        try:
            return _listening(family, address, candidate), candidate != candidates[0]
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                continue
            reason = error.strerror or str(error)
            raise ListenError(f"Cannot listen on {url_host(host)}:{candidate}: {reason}.") from error
        except OverflowError as error:
            raise InputError(f"The port must be from 0 to 65535; got {candidate}.") from error
    if port is None:
        raise ListenError(
            f"Ports {candidates[0]} to {candidates[-1]} are in use. Choose another with --port (0 for any free port)."
        )
    raise ListenError(f"Port {port} is in use. Choose another with --port (0 for any free port).")


def _listening(family: socket.AddressFamily, address: str, port: int) -> socket.socket:
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":  # on Windows, this option would let two programs share a port
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind((address, port))
        opened.listen(_BACKLOG)
    except BaseException:
        opened.close()
        raise
    return opened
