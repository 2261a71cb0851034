"""Serves one page and one stream of events, and nothing else of this machine."""

import asyncio
import functools
import hashlib
import hmac
import importlib.resources
import secrets
import socket
import threading
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

from lamina_detect._common import BadInput
from lamina_detect.live._address import Address
from lamina_detect.live._history import History

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

# Seconds between signs of life, so that nothing on the way takes the line for dead.
HEARTBEAT = 15.0
# Seconds that watchers have to read what is left when the line has ended.
PATIENCE = 5.0
# Milliseconds after which a page looks whether a line that has ended is there again.
RETRY = 10_000
# Messages that are sent at once: a newcomer's share of the history is no second copy of it.
TOGETHER = 64
# Connections at the same time: the page is for a control room.
MOST_CONNECTIONS = 128
PARTS = {
    "/*base.css*/": ("lamina_detect.results", "assets/base.css"),
    "/*uPlot.css*/": ("lamina_detect.results", "assets/uplot/uPlot.min.css"),
    "/*live.css*/": ("lamina_detect.live", "assets/live.css"),
    "/*uPlot.js*/": ("lamina_detect.results", "assets/uplot/uPlot.iife.min.js"),
    "/*live.js*/": ("lamina_detect.live", "assets/live.js"),
}


class Server:
    """A web server in a thread of its own.

    Args:
        listening: Where it listens.
        address: As it was asked for.
        token: What a watcher must know: `?token=` once, then a cookie; or `Authorization: Bearer`.
        history: The messages.
        first: Gives what a watcher is told first, as JSON.
    """

    def __init__(
        self,
        listening: socket.socket,
        address: Address,
        token: str | None,
        history: History,
        first: Callable[[], str],
    ) -> None:
        try:
            import starlette
            import uvicorn
        except ModuleNotFoundError as missing:
            listening.close()
            raise BadInput(f"serve needs {missing.name}: pip install 'lamina[serve]'") from None
        del starlette
        self.socket, self.history, self.first, self.token = listening, history, first, token
        self.address = address._replace(port=listening.getsockname()[1])
        # Messages are numbered anew by each run.
        self.run = secrets.token_hex(4)
        self._cookie = f"lamina-{self.address.port}"
        self._waiting: set[asyncio.Event] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        config = uvicorn.Config(
            self._application(),
            log_level="warning",
            access_log=False,
            lifespan="off",
            ws="none",
            server_header=False,
            limit_concurrency=MOST_CONNECTIONS,
            timeout_graceful_shutdown=round(PATIENCE),
        )
        self._server = uvicorn.Server(config)

    @property
    def url(self) -> str:
        """Where the page is, without the token."""
        return f"http://{self.address.shown}/"

    def start(self) -> None:
        """Serve from now on."""
        self._thread.start()
        self._ready.wait()

    def join(self) -> None:
        """Wait until it is stopped."""
        while self._thread.is_alive():
            self._thread.join(1.0)

    def stop(self) -> None:
        """Stop when the watchers have read what is left, in a few seconds at the latest."""
        if self._loop is None:
            self.socket.close()
            return
        self._server.should_exit = True
        self._thread.join(2 * PATIENCE)

    def wake(self) -> None:
        """There is something new for the watchers. From any thread."""
        if self._loop is not None and self._loop.is_running():
            self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        for waiting in self._waiting:
            waiting.set()

    def _work(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ready.set()
        await self._server.serve(sockets=[self.socket])

    def _application(self) -> Any:
        from starlette.applications import Starlette
        from starlette.routing import Route

        routes = [Route("/", self._page, methods=["GET"])]
        routes += [Route("/events", self._stream, methods=["GET"])]
        return Starlette(routes=routes)

    async def _page(self, request: "Request") -> "Response":
        from starlette.responses import HTMLResponse, RedirectResponse

        if refused := self._refused(request):
            return refused
        if "token" in request.query_params:
            # Out of the address: it would stay in the browser's history.
            answer = RedirectResponse("/", 303)
            answer.set_cookie(self._cookie, self._secret, httponly=True, samesite="strict")
            return answer
        nonce = secrets.token_urlsafe(16)
        headers = {
            # Not a thing from another host, and no script but our own.
            "Content-Security-Policy": f"default-src 'none'; script-src 'nonce-{nonce}'; "
            f"style-src 'nonce-{nonce}'; connect-src 'self'; img-src data:; base-uri 'none'; "
            "form-action 'none'; frame-ancestors 'none'",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-store",
        }
        return HTMLResponse(_page_text().replace("{{nonce}}", nonce), headers=headers)

    async def _stream(self, request: "Request") -> "Response":
        from starlette.responses import StreamingResponse

        if refused := self._refused(request):
            return refused
        run, _, number = request.headers.get("last-event-id", "").partition("-")
        begin = int(number) + 1 if run == self.run and number.isdecimal() else 0
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(
            self._messages(begin), media_type="text/event-stream", headers=headers
        )

    async def _messages(self, begin: int) -> AsyncIterator[str]:
        """All messages from `begin` on, as they come."""
        changed = asyncio.Event()
        self._waiting.add(changed)
        try:
            yield f'event: line\ndata: {{"run":"{self.run}","line":{self.first()}}}\n\n'
            while True:
                changed.clear()
                # Asked for before the messages: what comes in between is not the end.
                ended = self.history.ended
                found, gone = self.history.since(begin)
                if gone and begin:
                    yield f"event: lost\ndata: {gone}\n\n"
                if found:
                    begin = found[-1][0] + 1
                    for i in range(0, len(found), TOGETHER):
                        some = found[i : i + TOGETHER]
                        yield "".join(f"id: {self.run}-{n}\n{text}" for n, text in some)
                elif ended:
                    yield f"retry: {RETRY}\nevent: end\ndata: {{}}\n\n"
                    return
                else:
                    try:
                        await asyncio.wait_for(changed.wait(), HEARTBEAT)
                    except TimeoutError:
                        yield ": here\n\n"
        finally:
            self._waiting.discard(changed)

    def _refused(self, request: "Request") -> "Response | None":
        """Why a request is not answered; None if it is."""
        from starlette.responses import PlainTextResponse

        if self.token is None:
            # A page elsewhere may give its own name this address: then the browser calls by it.
            host = request.headers.get("host", "").rpartition(":")[0] or request.headers.get("host")
            if host in ("localhost", "127.0.0.1", "[::1]", self.address.shown.rpartition(":")[0]):
                return None
            return PlainTextResponse("This page is for this machine alone.\n", 403)
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        given = [request.query_params.get("token", ""), bearer]
        hashed = [hashlib.sha256(g.encode()).hexdigest() for g in given]
        hashed.append(request.cookies.get(self._cookie, ""))
        if any(hmac.compare_digest(h.encode(), self._secret.encode()) for h in hashed):
            return None
        return PlainTextResponse("Open the page with ?token=...\n", 401)

    @property
    def _secret(self) -> str:
        return hashlib.sha256((self.token or "").encode()).hexdigest()


@functools.cache
def _page_text() -> str:
    """The page with everything in it but the nonce."""
    text = _asset("lamina_detect.live", "assets/live.html")
    for mark, place in PARTS.items():
        text = text.replace(mark, _asset(*place))
    return text


def _asset(package: str, name: str) -> str:
    return importlib.resources.files(package).joinpath(name).read_text(encoding="utf-8")
