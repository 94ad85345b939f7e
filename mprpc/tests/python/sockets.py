"""Reading exactly so many bytes, and addresses."""

import queue
import socket
import threading

SOON = 20.0


class Closed(Exception):
    """The other side closed the connection, or it was lost."""


def parse(address):
    """host and port of `host:port`."""
    host, port = address.rsplit(":", 1)
    return host.strip("[]"), int(port)


def connect(address):
    """A connection whose reads and writes do not wait for ever."""
    sock = socket.create_connection(parse(address), timeout=SOON)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def reader(sock):
    """A function that reads exactly n bytes."""
    stream = sock.makefile("rb", buffering=65536)

    def read(size):
        try:
            data = stream.read(size)
        except TimeoutError:
            raise
        except OSError as error:
            raise Closed(str(error)) from error
        if len(data) != size:
            raise Closed(f"{len(data)} of {size} bytes, then the end")
        return data

    return read


class Writer:
    """Writes on a thread of its own, so that who reads never waits for who does not."""

    def __init__(self, sock):
        self.sock, self.waiting = sock, queue.SimpleQueue()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def put(self, data):
        self.waiting.put(data)

    def end(self):
        """Writes what waits, and no more."""
        self.waiting.put(None)
        self.thread.join(SOON)

    def run(self):
        try:
            while (data := self.waiting.get()) is not None:
                self.sock.sendall(data)
        except OSError:
            pass  # The other side is gone; who reads finds out.
