"""Reading exactly so many bytes, addresses, and TLS."""

import io
import os
import queue
import select
import socket
import ssl
import threading

SOON = 20.0


class Closed(Exception):
    """The other side closed the connection, or it was lost."""


def parse(address):
    """host and port of `host:port`."""
    host, port = address.rsplit(":", 1)
    return host.strip("[]"), int(port)


def connect(address):
    """A connection whose reads and writes do not wait for ever, in TLS if there is whom to believe."""
    sock = socket.create_connection(parse(address), timeout=SOON)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    authority = os.environ.get("TLS_CA")
    return Secured(sock, authority) if authority else sock


class Secured(io.RawIOBase):
    """TLS for a thread that reads beside one that writes, which the ssl module's sockets are not for."""

    def __init__(self, sock, authority):
        super().__init__()
        context = ssl.create_default_context(cafile=authority)
        # Tests' certificates say no more than they have to.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        context.load_cert_chain(os.environ["TLS_CERT"], os.environ["TLS_KEY"])
        self.sock = context.wrap_socket(sock, server_hostname=sock.getpeername()[0])
        self.sock.setblocking(False)
        self.lock = threading.Lock()

    def attempt(self, operation, data):
        """Does it as soon as the socket lets it, and lets the other thread at it meanwhile."""
        while True:
            try:
                with self.lock:
                    return operation(data)
            except ssl.SSLWantReadError:
                ready = select.select([self.sock], [], [], SOON)
            except ssl.SSLWantWriteError:
                ready = select.select([], [self.sock], [], SOON)
            if not any(ready):
                raise TimeoutError

    def readable(self):
        return True

    def readinto(self, buffer):
        return self.attempt(self.sock.recv_into, buffer)

    def sendall(self, data):
        data = memoryview(data)
        while data:
            data = data[self.attempt(self.sock.send, data) :]

    def makefile(self, _mode, buffering):
        return io.BufferedReader(self, buffering)

    def shutdown(self, how):
        with self.lock:
            self.sock.shutdown(how)

    def close(self):
        super().close()
        self.sock.close()


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
