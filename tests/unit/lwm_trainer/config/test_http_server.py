"""A page over both families."""

import socket
import urllib.request
from http.server import BaseHTTPRequestHandler

from lwm_trainer.config.http_server import serve_in_thread
from lwm_trainer.config.listening_socket import open_port

HAS_IPV6 = socket.has_dualstack_ipv6()


class Hello(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


def hosts() -> list[str]:
    return ["127.0.0.1", "[::1]"] if HAS_IPV6 else ["127.0.0.1"]


def test_a_page_is_served_over_both_families() -> None:
    with open_port(0) as probe:
        port = probe.getsockname()[1]
    serve_in_thread(port, Hello)
    for host in hosts():
        with urllib.request.urlopen(f"http://{host}:{port}/", timeout=10) as answer:
            assert answer.status == 200
