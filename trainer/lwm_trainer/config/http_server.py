"""HTTP over IPv4 and IPv6, in operator and trainer."""

import errno
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_NO_IPV6 = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
_BACKLOG = 64


def open_port(port: int) -> socket.socket:
    """Return a socket that listens on every address of both families; on IPv4 alone where the machine has no IPv6.

    Port 0 is any free one. Raises OSError when the port cannot be opened.
    """
    if socket.has_dualstack_ipv6():
        try:
            return socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=_BACKLOG)
        except OSError as error:
            if error.errno not in _NO_IPV6:
                raise
    return socket.create_server(("", port), backlog=_BACKLOG)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, listening: socket.socket, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("", 0), handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listening


def serve_in_thread(port: int, handler: type[BaseHTTPRequestHandler]) -> None:
    """Answer requests with `handler` until the process ends. Raises OSError when the port cannot be opened."""
    server = _Server(open_port(port), handler)
    threading.Thread(target=server.serve_forever, name=f"http-{port}", daemon=True).start()
