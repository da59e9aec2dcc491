"""A TCP forwarder to put in front of a server that is to fail."""

import socket
import threading
import time
from contextlib import suppress


class Pipe:
    """A forwarder to ``host`` (or the path of a socket), which can be cut at any byte.

    ``buffer`` limits the bytes of each connection to the server that the kernel receives before they are read, which
    else are as many as the server has to send.
    """

    def __init__(self, host, buffer=None):
        name, _, port = host.partition(":")
        self._buffer = buffer
        self._slow = None
        self._target = host if host.startswith("/") else (name, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.open = True
        self.passes = None
        self.passed = 0
        """How many bytes came from the server."""
        self.taken = 0
        """How many bytes came from clients."""
        self._hangs_at = self._hangs_at_passed = None
        self.connected = 0
        """How many connections to the server are open."""
        self.accepted = 0
        """How many there were."""
        self._live = []
        self._refuses_then = False
        self._flows = threading.Event()
        self._flows.set()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self, after=None):
        """Refuse all; or, with ``after``, break each connection once so many bytes came from the server."""
        self.passes = after
        self.open = after is not None
        for connection in self._live:
            # Closing alone would not wake a thread that waits for its bytes.
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        self._live = []

    def cut_once(self, after):
        """Break each connection once so many bytes came from the server, and from the first break on refuse all."""
        self.cut(after)
        self._refuses_then = True

    def hang(self, after=0):
        """Pass nothing on once so many bytes came from clients, and break no connection: as a stopped server."""
        self._hangs_at = self.taken + after
        if not after:
            self._flows.clear()

    def hang_in_answer(self, after):
        """Hang once so many bytes came from the server."""
        self._hangs_at_passed = self.passed + after

    def slow(self, rate):
        """Pass on so many bytes a second of each connection, in both directions, and those smoothly."""
        self._slow = rate

    @property
    def hangs(self):
        return not self._flows.is_set()

    def mend(self):
        self._hangs_at = self._hangs_at_passed = self._slow = None
        self._flows.set()
        self.open, self.passes, self._refuses_then = True, None, False

    def _accept(self):
        while True:
            client, _ = self._listener.accept()
            if not self.open:
                client.close()
                continue
            try:
                server = _connect(self._target, self._buffer)
            except OSError:
                client.close()
                continue
            self._live += [client, server]
            self.connected += 1
            self.accepted += 1
            threading.Thread(target=self._pump, args=(client, server, None), daemon=True).start()
            threading.Thread(target=self._give, args=(server, client, self.passes), daemon=True).start()

    def _give(self, server, client, left):
        self._pump(server, client, left, counted=True)
        self.connected -= 1

    def _pump(self, source, target, left, counted=False):
        with suppress(OSError):
            while data := source.recv(65536 if left is None else min(65536, left)):
                if not counted:
                    self.taken += len(data)
                    if self._hangs_at is not None and self.taken >= self._hangs_at:
                        self._flows.clear()
                self._flows.wait()
                while self._slow and len(data) > self._slow // 10:
                    target.sendall(data[: self._slow // 10])
                    data = data[self._slow // 10 :]
                    time.sleep(0.1)
                target.sendall(data)
                if counted:
                    self.passed += len(data)
                    if self._hangs_at_passed is not None and self.passed >= self._hangs_at_passed:
                        self._flows.clear()
                if left is not None:
                    left -= len(data)
                    if left <= 0:
                        self.open = not self._refuses_then
                        break
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


def _connect(target, buffer):
    server = socket.socket(socket.AF_INET if isinstance(target, tuple) else socket.AF_UNIX)
    try:
        if buffer is not None:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        server.connect(target)
    except OSError:
        server.close()
        raise
    return server
