"""Access to the server: the host names it answers to, and the token."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass

from attnscope.errors import InputError

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")

_TOKEN_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~")


def new_token() -> str:
    """A random token of 256 bits, in characters that need no escaping in a URL."""
    return secrets.token_urlsafe(32)


@dataclass(frozen=True)
class Access:
    """What a request needs to be allowed. `hosts` are the exact values that the Host header may have, in lower case.

    `any_local_address` also allows the address at which a connection arrived, for a server that listens on all
    addresses of the machine. (A DNS name that somebody points at this machine never equals such an address.)
    """

    token: str
    port: int
    hosts: frozenset[str]
    any_local_address: bool = False

    def __post_init__(self) -> None:
        if not self.token or not _TOKEN_CHARACTERS.issuperset(self.token):
            raise InputError(
                "The access token may only contain letters, digits and `-_.~`. Choose another with --token."
            )

    @property
    def cookie_name(self) -> str:
        """The cookie's name. It contains the port, because browsers share cookies between all ports of a host."""
        return f"attnscope-{self.port}"

    @property
    def script_cookie(self) -> str:
        """The cookie of a program that is no browser. It is enough for every request."""
        return self._derived("script cookie")

    @property
    def page_cookie(self) -> str:
        """The cookie of a browser. Requests to `/api` need the page key as well."""
        return self._derived("page cookie")

    @property
    def page_key(self) -> str:
        """What a browser's page sends with each request to `/api`.

        Browsers send cookies to every port of a host, and so to servers of other users. The page key is sent to no other
        server, because the page keeps it in storage that belongs to one port only.
        """
        return self._derived("page key")

    def _derived(self, purpose: str) -> str:
        """A secret that does not reveal the token, and stays the same after a restart with the same token and port."""
        return hmac.new(self.token.encode(), f"attnscope {purpose} {self.port}".encode(), hashlib.sha256).hexdigest()

    def token_is(self, value: str) -> bool:
        """Whether `value` is the token, compared in constant time."""
        return _equal(value, self.token)

    def script_cookie_is(self, value: str) -> bool:
        """Whether `value` is the cookie of a program, compared in constant time."""
        return _equal(value, self.script_cookie)

    def page_cookie_is(self, value: str) -> bool:
        """Whether `value` is the cookie of a browser, compared in constant time."""
        return _equal(value, self.page_cookie)

    def page_key_is(self, value: str) -> bool:
        """Whether `value` is the page key, compared in constant time."""
        return _equal(value, self.page_key)

    def host_is(self, header: str, arrived_at: tuple[str, int | None] | None) -> bool:
        """Whether the Host header is one of this server's names, exactly."""
        header = header.lower()
        if header in self.hosts:
            return True
        if not self.any_local_address or arrived_at is None:
            return False
        return header in host_headers(url_host(arrived_at[0]), self.port)


def _equal(value: str, secret: str) -> bool:
    return hmac.compare_digest(value.encode("utf-8", "surrogateescape"), secret.encode())


def host_headers(name: str, port: int) -> frozenset[str]:
    """The Host headers that a browser sends for a name and a port. Browsers omit port 80."""
    name = name.lower()
    return frozenset({name, f"{name}:{port}"} if port == 80 else {f"{name}:{port}"})


def url_host(address: str) -> str:
    """An address or name as written in a URL: IPv6 in brackets."""
    return f"[{address}]" if ":" in address and not address.startswith("[") else address
