"""HTTP over IPv4 and IPv6, in operator and trainer."""

import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from lwm_trainer.config.listening_socket import open_port


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
