"""An alarm to a web address."""

import ipaddress
import re

from lamina_detect._common import BadInput
from lamina_detect.live._notify import Undelivered

# Seconds for one try.
PATIENCE = 10.0
# Besides the 5xx of a server in trouble: it asks for a later try.
AGAIN = (408, 425, 429)
# A part of a name of DNS, as it is sent, and a name's longest. RFC 1123 has no underscore, but
# containers and machines in a plant are called so.
LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
LONGEST_NAME = 253


class Webhook:
    """Posts each event as JSON to a web address.

    The header `Idempotency-Key` is the same for each try of an event, so that a receiver can tell a
    repetition from another event. Other answers than 2xx are failures; redirects are not followed.

    Args:
        address: `https://...` or `http://...`. It may hold a secret: messages show its host only.
    """

    def __init__(self, address: str) -> None:
        try:
            import httpx
        except ModuleNotFoundError:
            raise BadInput("a webhook needs httpx: pip install 'lamina[webhook]'") from None
        try:
            self.address = httpx.URL(address)
        except httpx.InvalidURL:
            self.address = httpx.URL("")
        self.host = self.address.host
        # httpx lets `http://[1` through, with a host that nobody can have.
        known = _is_host(self.address.raw_host.decode()) and _is_port(self.address.port)
        if self.address.scheme not in ("http", "https") or not known:
            raise BadInput("webhook: write an address such as https://example.org/alarms")
        self._failed = httpx.HTTPError
        self._client = httpx.Client(timeout=PATIENCE, follow_redirects=False)

    def __call__(self, text: str, key: str) -> None:
        """One try; `Undelivered` if it was not taken."""
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        try:
            answer = self._client.post(self.address, content=text, headers=headers)
        except self._failed as error:
            raise Undelivered(f"{self.host}: {type(error).__name__}", again=True) from None
        if not answer.is_success:
            again = answer.is_server_error or answer.status_code in AGAIN
            raise Undelivered(f"{self.host} answered {answer.status_code}", again)

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()


def _is_host(host: str) -> bool:
    """Whether it is an IP address or can be a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        labels = host.removesuffix(".").split(".")
        return len(host) <= LONGEST_NAME and all(map(LABEL.fullmatch, labels))
    return True


def _is_port(port: int | None) -> bool:
    return port is None or 0 < port < 65536
