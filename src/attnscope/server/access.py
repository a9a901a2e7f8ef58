"""Who may talk to the server: the names it answers to, and the secret that opens it."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass

from attnscope.errors import InputError

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")

_TOKEN_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~")


def new_token() -> str:
    """A token that nobody guesses: 256 random bits, in characters that a URL needs no escapes for."""
    return secrets.token_urlsafe(32)


@dataclass(frozen=True)
class Access:
    """What a request must show. `hosts` are the exact values that the Host header may have, in lower case.

    `any_local_address` also allows the address at which a connection arrived, for a server that listens on all
    addresses of the machine. (A name that somebody points at this machine is never such an address.)
    """

    token: str
    port: int
    hosts: frozenset[str]
    any_local_address: bool = False

    def __post_init__(self) -> None:
        if not self.token or not _TOKEN_CHARACTERS.issuperset(self.token):
            raise InputError("A token is one or more letters, digits or any of `-_.~`; give one such with --token.")

    @property
    def cookie_name(self) -> str:
        """Cookies are shared by all ports of a host: each port has its own name."""
        return f"attnscope-{self.port}"

    @property
    def cookie_value(self) -> str:
        """What the token is exchanged for: tells nobody the token, and is the same after a restart with that token."""
        return hmac.new(self.token.encode(), b"attnscope cookie", hashlib.sha256).hexdigest()

    def token_is(self, given: str) -> bool:
        """Whether this is the token; takes the same time whatever is given."""
        return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), self.token.encode())

    def cookie_is(self, given: str) -> bool:
        """Whether this is the cookie's value; takes the same time whatever is given."""
        return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), self.cookie_value.encode())

    def host_is(self, given: str, arrived_at: tuple[str, int | None] | None) -> bool:
        """Whether the Host header names this server, to the letter."""
        given = given.lower()
        if given in self.hosts:
            return True
        if not self.any_local_address or arrived_at is None:
            return False
        return given in host_headers(url_host(arrived_at[0]), self.port)


def host_headers(name: str, port: int) -> frozenset[str]:
    """The Host headers that a browser sends for a name and a port: HTTP's own port is left out."""
    name = name.lower()
    return frozenset({name, f"{name}:{port}"} if port == 80 else {f"{name}:{port}"})


def url_host(address: str) -> str:
    """An address or name as it stands in a URL: IPv6 in brackets."""
    return f"[{address}]" if ":" in address and not address.startswith("[") else address
