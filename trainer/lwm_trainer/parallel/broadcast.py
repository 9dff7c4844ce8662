"""Messages of process 0 to all others, in their order, by the store of keys that the gang's coordinator has. Devices are not involved."""

import time
from collections import deque

import jax
import orbax.checkpoint as ocp

PART = 2**20
"""Bytes of a value: gRPC refuses messages of 4 MiB."""
KEPT = 64
"""Messages that stay in the store: those before them have been read."""
_PATIENCE_MS = 60_000
_LATE = "DEADLINE_EXCEEDED"


class Broadcast:
    """One sequence of messages; every process makes it, and process 0 sends.

    Process 0 must not be `KEPT` messages before another process: it is not where messages are about programs that communicate.
    """

    def __init__(self, name: str) -> None:
        """`name`: that of the sequence, the same on every process."""
        self._client, self._name, self._number = ocp.multihost.get_jax_distributed_client(), name, 0
        self._sent: deque[range] = deque()

    def send(self, message: bytes) -> None:
        """Give a message to every other process."""
        first = self._number
        for begin in range(0, max(len(message), 1), PART):
            last = begin + PART >= len(message)
            self._client.key_value_set_bytes(self._key(self._number), bytes([last]) + message[begin : begin + PART])
            self._number += 1
        self._sent.append(range(first, self._number))
        if len(self._sent) > KEPT:
            for number in self._sent.popleft():
                self._client.key_value_delete(self._key(number))

    def receive(self) -> bytes:
        """The next message, however long it takes to come. A process 0 that died ends this one: JAX aborts it."""
        message = bytearray()
        while True:
            try:
                part = self._client.blocking_key_value_get_bytes(self._key(self._number), _PATIENCE_MS)
            except jax.errors.JaxRuntimeError as error:
                if _LATE not in str(error):
                    raise
                continue
            self._number += 1
            message += part[1:]
            if part[0]:
                return bytes(message)

    def confirm(self) -> None:
        """Let process 0 know that this process has read all messages so far."""
        self._client.key_value_set(self._confirmed_by(jax.process_index()), "")

    def wait_until_confirmed(self, seconds: float) -> None:
        """Wait until every other process has confirmed the last message. Raises TimeoutError, which names the first that has not."""
        end = time.monotonic() + seconds
        for process in range(1, jax.process_count()):
            left = max(end - time.monotonic(), 0.001)
            try:
                self._client.blocking_key_value_get(self._confirmed_by(process), int(1000 * left) + 1)
            except jax.errors.JaxRuntimeError as error:
                if _LATE not in str(error):
                    raise
                raise TimeoutError(f"host {process} has not answered within {seconds:.0f} s") from error
            self._client.key_value_delete(self._confirmed_by(process))

    def _confirmed_by(self, process: int) -> str:
        return f"{self._key(self._number)}/{process}"

    def _key(self, number: int) -> str:
        return f"lwm-broadcast/{self._name}/{number}"
