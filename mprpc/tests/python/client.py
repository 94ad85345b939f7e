"""A client for both wires."""

import queue
import struct
import threading
import time

import wire
from protobuf import Malformed
from sockets import SOON, Closed, Writer, connect, reader
from streams import Flow, Stream
from wire import Broken, Frame, Status


class ClassicClient:
    """One call at a time on one connection."""

    def __init__(self, address):
        self.sock = connect(address)
        self.read = reader(self.sock)

    def call(self, service, method, arguments):
        """The answer's message. After any exception the connection must not be used again."""
        self.sock.sendall(wire.classic_request(service, method, arguments))
        return wire.read_classic_answer(self.read)

    def close(self):
        self.sock.close()


class Call:
    """A call in flight."""

    def __init__(self, client):
        self.client, self.number = client, None
        self.stream = None
        self.answer = None

    def result(self):
        """The message of the answer, of a call that does not stream its answer."""
        while self.stream.next() is not None:
            pass
        try:
            return self.answer.get()
        except Malformed as error:
            raise Status("INTERNAL", str(error)) from error

    def ended(self):
        return not self.stream.received.empty()

    def cancel(self):
        """Gives the call up; what may still come for it belongs to nobody."""
        self.client.forget(self.number)
        self.stream.discard()
        self.client.send(Frame(wire.CANCEL, wire.END, call=self.number))


class Client:
    """Many calls on one connection. A thread reads, whoever calls writes."""

    def __init__(self, address, frame_bytes_max=wire.FRAME_BYTES_MAX, compress_above=None, token=None):
        self.sock = connect(address)
        self.read = reader(self.sock)
        self.frame_bytes_max = frame_bytes_max
        self.lock = threading.Lock()
        self.writer = Writer(self.sock)
        self.flow = Flow(self.send, compress_above=compress_above)
        self.calls, self.methods, self.next_call = {}, {}, 0
        self.peer = None
        self.settled, self.going, self.ended = (threading.Event() for _ in range(3))
        self.goaway = None
        self.pongs = queue.Queue()
        settings = {"frame_bytes_max": frame_bytes_max, "inflates": int(compress_above is not None)}
        settings = wire.encode(wire.SETTINGS_MESSAGE, settings)
        self.writer.put(wire.PREFACE + Frame(wire.SETTINGS, payload=settings).encode())
        if token is not None:
            self.send(wire.auth(token))
        threading.Thread(target=self.run, daemon=True).start()
        if not self.settled.wait(SOON) or self.peer is None:
            raise Closed("no SETTINGS came")

    def send(self, frame):
        self.writer.put(frame.encode())

    def begin(self, path, message, timeout=None, metadata=()):
        """Sends a request and does not wait for its answer. Without a message the client streams."""
        call = Call(self)
        head = {"metadata": [{"name": name, "value": value} for name, value in metadata]}
        if timeout is not None:
            head["timeout_us"] = max(1, int(timeout * 1_000_000))
        with self.lock:
            if path not in self.methods:
                head["path"] = path
            method = self.methods.setdefault(path, len(self.methods))
            flags, packed = self.flow.packed(message or b"")
            payload = wire.with_head(wire.REQUEST_HEAD, head, packed)
            if len(payload) - len(packed) + len(message or b"") > self.peer_bytes_max():
                if "path" in head:
                    del self.methods[path]
                raise Status("RESOURCE_EXHAUSTED", "longer than the peer accepts")
            call.number = self.next_call
            self.next_call = (self.next_call + 1) % (1 << 32)
            call.stream = Stream(self.flow, call.number)
            self.calls[call.number] = call
            flags |= 0 if message is None else wire.END
            self.send(Frame(wire.REQUEST, flags, method, call.number, payload))
        return call

    def call(self, path, message, timeout=None, metadata=()):
        """A whole unary call. Its deadline is held here too, with time for the answer."""
        started = time.monotonic()
        call = self.begin(path, message, timeout, metadata)
        try:
            return call.result()
        except queue.Empty:
            call.cancel()
            waited = time.monotonic() - started
            raise Status("DEADLINE_EXCEEDED", f"nothing came in {waited:.1f} s") from None

    def ping(self, payload):
        """What the PONG carries."""
        self.send(Frame(wire.PING, payload=payload))
        return self.pongs.get(timeout=SOON)

    def peer_bytes_max(self):
        return self.peer["frame_bytes_max"] or wire.FRAME_BYTES_MAX

    def forget(self, number):
        with self.lock:
            return self.calls.pop(number, None)

    def close(self):
        # A plain close would not end the read of the other thread.
        try:
            self.sock.shutdown(2)
        except OSError:
            pass
        self.ended.wait(SOON)
        self.writer.end()
        self.sock.close()

    def run(self):
        """Reads until the connection ends, which ends all its calls."""
        try:
            while True:
                self.on_frame(wire.read_frame(self.read, self.frame_bytes_max))
        except (Closed, Broken, OSError, struct.error) as error:
            why = error
        self.sock.close()
        with self.lock:
            calls, self.calls = self.calls, {}
        for call in calls.values():
            call.stream.end(Status("UNAVAILABLE", str(why)))
        for event in (self.ended, self.settled):
            event.set()

    def on_frame(self, frame):
        if self.peer is None and frame.kind != wire.SETTINGS:
            raise Broken("the first frame is no SETTINGS")
        if frame.kind == wire.SETTINGS:
            self.peer = wire.checked(wire.SETTINGS_MESSAGE, frame.payload)
            self.flow.on_settings(self.peer)
            self.settled.set()
        elif frame.kind in (wire.DATA, wire.CREDIT):
            call = self.calls.get(frame.call)
            stream = call.stream if call else None
            if frame.kind == wire.CREDIT:
                self.flow.on_credit(frame, stream)
            elif frame.flags & wire.END:
                raise Broken("a server ends with its RESPONSE")
            else:
                self.flow.on_data(frame, stream)
        elif frame.kind == wire.RESPONSE:
            self.on_response(frame)
        elif frame.kind == wire.PING:
            self.send(Frame(wire.PONG, payload=frame.payload))
        elif frame.kind == wire.PONG:
            self.pongs.put(frame.payload)
        elif frame.kind == wire.GOAWAY:
            self.goaway = wire.checked(wire.GOAWAY_MESSAGE, frame.payload)
            self.going.set()
        elif frame.kind in (wire.REQUEST, wire.CANCEL, wire.AUTH):
            raise Broken(f"a server sent kind {frame.kind}")

    def on_response(self, frame):
        call = self.forget(frame.call)
        why = None
        if frame.payload is None:
            why = Status("RESOURCE_EXHAUSTED", f"an answer of {frame.length} bytes")
        else:
            head, message = wire.split_head(wire.RESPONSE_HEAD, frame.payload)
            if head["code"]:
                why = Status(head["code"], head["message"], head["details"])
            else:
                message = self.flow.unpacked(frame.flags, message)
                if message.length > wire.FRAME_BYTES_MAX:
                    why = Status("RESOURCE_EXHAUSTED", f"an answer of {message.length} bytes")
                elif call:
                    call.answer = message
        # Without a call it crossed a CANCEL.
        if call:
            call.stream.end(why)
