"""A server for both wires on one port: `server.py` prints where it listens, and serves until its
standard input ends. On a line `goaway` there it says GOAWAY on every connection."""

import hmac
import socket
import sys
import threading
import time

import services
import wire
from protobuf import Malformed
from sockets import SOON, Closed, Writer, reader
from streams import Flow, Stream
from wire import Broken, Frame, Status

CALLS_MAX = 1024
REFUSED_MAX = 1.0
CONNECTIONS = set()


class Call:
    """A call as its handler sees it."""

    def __init__(self, timeout_us=0, metadata=()):
        self.deadline = time.monotonic() + timeout_us / 1e6 if timeout_us else None
        self.metadata = metadata
        self.over = threading.Event()
        self.stream = None

    def remaining(self):
        """Seconds."""
        return self.deadline - time.monotonic() if self.deadline else SOON

    def sleep(self, seconds):
        """Sleeps, unless the call is over before."""
        if self.over.wait(seconds):
            raise Status("CANCELLED")


class Connection:
    """A connection that speaks v2."""

    def __init__(self, sock, read, frame_bytes_max, compress_above, token):
        self.sock, self.read, self.frame_bytes_max = sock, read, frame_bytes_max
        self.token, self.proven, self.shown, self.refused = token, token is None, False, False
        self.lock = threading.Lock()
        self.writer = Writer(sock)
        self.flow = Flow(self.send, compress_above=compress_above)
        self.peer_bytes_max = wire.FRAME_BYTES_MAX
        self.methods, self.calls = {}, {}

    def send(self, frame):
        self.writer.put(frame.encode())

    def serve(self):
        settings = {"frame_bytes_max": self.frame_bytes_max, "calls_max": CALLS_MAX}
        settings["inflates"] = int(self.flow.compress_above is not None)
        payload = wire.encode(wire.SETTINGS_MESSAGE, settings)
        self.send(Frame(wire.SETTINGS, payload=payload))
        # Whoever reads this must skip it: kinds that nobody knows are for later.
        self.send(Frame(200, 0xFF, 1, 2, b"for later"))
        CONNECTIONS.add(self)
        try:
            while True:
                self.on_frame(wire.read_frame(self.read, self.frame_bytes_max))
        finally:
            CONNECTIONS.discard(self)
            for number in list(self.calls):
                self.cancel(number)
            self.writer.end()

    def cancel(self, number):
        """A call that the client gave up, or whose client is gone."""
        call = self.calls.pop(number, None)
        if call:
            call.over.set()
            call.stream.discard()
            call.stream.end(Status("CANCELLED"))

    def on_frame(self, frame):
        if frame.kind == wire.SETTINGS:
            settings = wire.checked(wire.SETTINGS_MESSAGE, frame.payload)
            self.peer_bytes_max = settings["frame_bytes_max"] or self.peer_bytes_max
            self.flow.on_settings(settings)
        elif frame.kind == wire.AUTH:
            self.on_auth(wire.read_auth(frame.payload))
        elif frame.kind == wire.REQUEST and not self.proven:
            self.refuse(frame)
        elif frame.kind == wire.REQUEST:
            self.on_request(frame)
        elif frame.kind == wire.CANCEL:
            self.cancel(frame.call)
        elif frame.kind in (wire.DATA, wire.CREDIT):
            call = self.calls.get(frame.call)
            receive = self.flow.on_data if frame.kind == wire.DATA else self.flow.on_credit
            receive(frame, call.stream if call else None)
        elif frame.kind == wire.PING:
            self.send(Frame(wire.PONG, payload=frame.payload))
        elif frame.kind == wire.RESPONSE:
            raise Broken(f"a client sent kind {frame.kind}")

    def on_auth(self, token):
        if self.shown or self.methods:
            raise Broken("an AUTH that is not the first, or behind a request")
        self.shown = True
        self.proven = self.proven or hmac.compare_digest(token, self.token)

    def refuse(self, frame):
        """A call of somebody who has not shown who it is."""
        head, _ = wire.split_head(wire.REQUEST_HEAD, frame.payload or b"\0")
        self.methods[frame.method] = head["path"]
        self.answer(frame.call, {"code": wire.CODES.index("UNAUTHENTICATED"), "message": "who?"})
        if not self.refused:
            self.refused = True
            timer = threading.Timer(REFUSED_MAX, self.ask_to_go)
            timer.daemon = True
            timer.start()

    def ask_to_go(self):
        goaway = {"code": wire.CODES.index("UNAUTHENTICATED"), "message": "who?"}
        self.send(Frame(wire.GOAWAY, payload=wire.encode(wire.GOAWAY_MESSAGE, goaway)))
        self.sock.shutdown(socket.SHUT_RD)

    def on_request(self, frame):
        if frame.call in self.calls:
            raise Broken(f"call id {frame.call} is in use")
        if frame.payload is None:
            return self.answer(frame.call, {"code": 8, "message": "too long a request"})
        head, message = wire.split_head(wire.REQUEST_HEAD, frame.payload)
        if frame.method >= wire.METHODS_MAX:
            raise Broken(f"method number {frame.method}")
        if head["path"]:
            self.methods[frame.method] = head["path"]
        path = self.methods.get(frame.method)
        if path is None:
            raise Broken(f"method number {frame.method} was not named")
        ended = bool(frame.flags & wire.END)
        message = self.flow.unpacked(frame.flags if ended else 0, message)
        if message.length > wire.FRAME_BYTES_MAX:
            return self.answer(frame.call, {"code": 8, "message": "too long a request"})
        if len(self.calls) >= CALLS_MAX:
            return self.answer(frame.call, {"code": 8, "message": "too many calls"})
        method = services.UNARY.get(path)
        streams, function = services.STREAMS.get(path, (False, None))
        if not (method or function) or ended == streams:
            return self.answer(frame.call, {"code": 12, "message": f"{path} is not served"})
        metadata = [(entry["name"], entry["value"]) for entry in head["metadata"]]
        call = Call(head["timeout_us"], metadata)
        call.stream = Stream(self.flow, frame.call, peer_ended=ended)
        call.stream.request = message
        self.calls[frame.call] = call
        if call.deadline:
            timer = threading.Timer(call.remaining(), self.expire, (frame.call, call))
            timer.daemon = True
            timer.start()
        handler = (lambda: function(call)) if function else (
            lambda: services.unary(method, call, message.get())
        )
        arguments = (frame.call, call, handler)
        threading.Thread(target=self.run, args=arguments, daemon=True).start()

    def expire(self, number, call):
        self.end(number, call, {"code": 4, "message": "out of time"})

    def run(self, number, call, handler):
        try:
            answer = handler()
            self.end(number, call, {}, answer)
        except Status as status:
            head = {"code": wire.CODES.index(status.code), "message": status.message}
            self.end(number, call, head | {"details": status.details})
        except Malformed as error:
            self.end(number, call, {"code": 3, "message": str(error)})

    def end(self, number, call, head, message=b""):
        """Answers, if nobody did and the client still waits."""
        with self.lock:
            if self.calls.get(number) is not call:
                return
            del self.calls[number]
        call.over.set()
        call.stream.discard()
        call.stream.end(Status("CANCELLED"))
        self.answer(number, head, message)

    def answer(self, number, head, message=b""):
        flags, packed = self.flow.packed(message)
        payload = wire.with_head(wire.RESPONSE_HEAD, head, packed)
        if len(payload) - len(packed) + len(message) > self.peer_bytes_max:
            head, flags = {"code": head.get("code") or 8}, 0
            payload = wire.with_head(wire.RESPONSE_HEAD, head, b"")
        self.send(Frame(wire.RESPONSE, wire.END | flags, call=number, payload=payload))


def serve_classic(sock, read, first):
    """Answers in order, one at a time; where the wire has no answer it closes."""
    ahead = first

    def again(size):
        nonlocal ahead
        start, ahead = ahead[:size], ahead[size:]
        return start + read(size - len(start))

    while True:
        service, method, arguments = wire.read_classic_request(again)
        method = services.CLASSIC.get((service.decode(), method.decode()))
        if method is None:
            return
        sock.sendall(wire.classic_answer(services.unary(method, Call(), arguments)))


def serve(sock, *options):
    read = reader(sock)
    try:
        first = read(4)
        if first == wire.PREFACE:
            Connection(sock, read, *options).serve()
        else:
            serve_classic(sock, read, first)
    except (Broken, Closed, Malformed, Status, UnicodeDecodeError, OSError) as error:
        print(f"closed: {error!r}", file=sys.stderr)
    finally:
        # Skips what the client still sends: a close with unread bytes may take answers with it.
        try:
            sock.shutdown(socket.SHUT_WR)
            sock.settimeout(2)
            while sock.recv(65536):
                pass
        except OSError:
            pass
        sock.close()


def main():
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    frame_bytes_max = int(sys.argv[1]) if len(sys.argv) > 1 else wire.FRAME_BYTES_MAX
    compress_above = int(sys.argv[2]) if len(sys.argv) > 2 else None
    token = sys.argv[3].encode() if len(sys.argv) > 3 else None

    def accept():
        while True:
            sock, _ = listener.accept()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(SOON)
            arguments = (sock, frame_bytes_max, compress_above, token)
            threading.Thread(target=serve, args=arguments, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    print("%s:%d" % listener.getsockname(), flush=True)
    for line in sys.stdin:
        assert line == "goaway\n", line
        goaway = wire.encode(wire.GOAWAY_MESSAGE, {"message": "restarting"})
        for connection in list(CONNECTIONS):
            connection.send(Frame(wire.GOAWAY, payload=goaway))
        print("gone away", len(CONNECTIONS), flush=True)


if __name__ == "__main__":
    main()
