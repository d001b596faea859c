"""Ports of the loopback address for servers that are stopped and started again."""

from __future__ import annotations

import socket
import sys

HOST = "127.0.0.1"


class ReservedPort:
    """A port that the system gives to nobody else, also while no server listens on it.

    It is bound and never listened on; a server may then bind it too. Otherwise a client that connects to a port
    without a server could be given that very port to connect from, and would talk to itself.
    """

    def __init__(self) -> None:
        self._socket = socket.socket()
        self._socket.bind((HOST, 0))
        self.number: int = self._socket.getsockname()[1]
        # Not before it is bound: this lets others in.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)

    def hand_over(self) -> None:
        """Let a server have it. Other systems than Linux take a port to be in use while it is held."""
        if sys.platform != "linux":
            self.close()

    def close(self) -> None:
        self._socket.close()
