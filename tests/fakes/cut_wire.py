"""A wire to a server that can be cut, also between what was done and the word of it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress

Change = Callable[[bytes], bytes]


class CutWire:
    """Passes on what is said between its clients and a server on this machine."""

    def __init__(self, port: int, heard: Change = bytes) -> None:
        """`heard`: what becomes of what the server says."""
        self._server = ("127.0.0.1", port)
        self._heard = heard
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._clients: list[socket.socket] = []
        self._servers: list[socket.socket] = []
        self._is_deaf = False
        self._is_closed = False
        self.port = int(self._listener.getsockname()[1])
        self._serving = threading.Thread(target=self._serve, daemon=True)
        self._serving.start()

    def __enter__(self) -> CutWire:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._serving.join()
        self.cut()
        self.cut_behind()

    def lose_the_next_answer(self) -> None:
        """The server hears and does; at its first word, the clients are cut off instead."""
        self._is_deaf = True

    def turn_away(self) -> None:
        """From here on nobody new is let through."""
        self._is_closed = True

    def let_in(self) -> None:
        """From here on everybody is, again."""
        self._is_closed = False

    def cut(self) -> None:
        """For clients the server is gone; the server does not know yet."""
        gone, self._clients = self._clients, []  # whoever comes meanwhile is not cut off
        _close(gone)

    def cut_behind(self) -> None:
        """Now it does."""
        gone, self._servers = self._servers, []
        _close(gone)

    def _serve(self) -> None:
        with suppress(OSError):  # the listener was closed
            while True:
                client, _ = self._listener.accept()
                if self._is_closed:
                    client.close()
                    continue
                try:
                    server = socket.create_connection(self._server)
                except OSError:
                    client.close()
                    continue
                self._clients.append(client)
                self._servers.append(server)
                threading.Thread(target=self._tell, args=(client, server), daemon=True).start()
                threading.Thread(target=self._hear, args=(client, server), daemon=True).start()

    def _tell(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while told := client.recv(65536):
                server.sendall(told)
        # The client is gone. The server is not told: `cut_behind` does.

    def _hear(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while heard := server.recv(65536):
                if self._is_deaf:
                    self._is_deaf = False
                    self.cut()
                    return
                client.sendall(self._heard(heard))
        _close([client])


def _close(sockets: list[socket.socket]) -> None:
    for one in sockets:
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()
