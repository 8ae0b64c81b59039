"""The server under the application: uvicorn, one request a connection, and none that only waits."""

import asyncio
import socket

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol

from port.serve.labelling import Limits


def server(app: Starlette, limits: Limits) -> uvicorn.Server:
    """Return the server of an application; nothing runs yet."""
    class Patient(H11Protocol):
        """Closes a connection that brings no whole head of a request in time."""

        def connection_made(self, transport: asyncio.Transport) -> None:      # type: ignore[override]
            super().connection_made(transport)
            self.loop.call_later(limits.seconds, self._look)

        def _look(self) -> None:
            if self.cycle is None and not self.transport.is_closing():
                self.transport.close()
    return uvicorn.Server(uvicorn.Config(
        app, http=Patient, ws='none', lifespan='off', log_level='warning', access_log=False,
        server_header=False, proxy_headers=False, headers=[('Connection', 'close')],
        timeout_graceful_shutdown=1, limit_concurrency=connections(limits)))


def connections(limits: Limits) -> int:
    """Return how many connections are kept at a time: what waits, and as many again to look."""
    return 2 * limits.waiting + 8


def run(app: Starlette, place: socket.socket, limits: Limits) -> None:
    """Answer on a socket until the process is asked to stop; raises KeyboardInterrupt then."""
    server(app, limits).run(sockets=[place])
