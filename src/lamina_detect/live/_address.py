"""Where a page is served, and who may see it."""

import ipaddress
import socket
from typing import NamedTuple

from lamina_detect._common import BadInput

# So many characters of a token cannot be guessed over a network.
SHORTEST_TOKEN = 16


class Address(NamedTuple):
    """A host and a port; 0: one that is free."""

    host: str
    port: int

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def shown(self) -> str:
        """As it stands in a web address."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def address_of(text: str, token: str | None) -> Address:
    """From `HOST:PORT` or a port of this machine alone.

    Raises:
        BadInput: if other machines can reach it and there is no token, or a short one.
    """
    host, _, port = text.strip().rpartition(":")
    host = host.strip("[]") or "127.0.0.1"
    if not port.isdecimal() or int(port) > 65535:
        raise BadInput(f"serve: write HOST:PORT, such as 127.0.0.1:8000. Received: {text}")
    address = Address(host, int(port))
    if token is not None and len(token) < SHORTEST_TOKEN:
        raise BadInput(f"token: at least {SHORTEST_TOKEN} characters, so that nobody guesses it")
    if token is None and not address.loopback:
        raise BadInput(
            f"serve: {host} can be reached by other machines: give a --token that they must know, "
            "or serve 127.0.0.1"
        )
    return address


def listen(address: Address) -> socket.socket:
    """A socket that listens there; BadInput if it cannot be had."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        return socket.create_server((address.host, address.port), family=family, backlog=64)
    except OSError as error:
        reason = error.strerror or str(error)
        raise BadInput(f"serve: {address.shown} cannot be served: {reason}") from None
