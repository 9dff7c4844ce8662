"""A socket that listens on IPv4 and IPv6."""

import errno
import socket

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
