"""Credit and streams of one connection, the same at both ends."""

import queue
import threading

import wire
from sockets import SOON
from wire import Broken, Frame


class Flow:
    """What a connection may send and receive in DATA frames."""

    def __init__(self, send, stream_window=wire.STREAM_WINDOW, compress_above=None):
        self.send = send
        # From how many bytes on messages are compressed; None: this side has nothing to do with it.
        self.compress_above, self.peer_inflates = compress_above, False
        self.stream_window = stream_window
        # What this side may send, until the other's SETTINGS say more, and who waits for more.
        self.changed = threading.Condition()
        self.peer_stream_window = self.credit = self.window = None
        # What the other side may send.
        self.left = wire.CONNECTION_WINDOW

    def on_settings(self, settings):
        """Only the first SETTINGS say how much credit there is."""
        with self.changed:
            if self.credit is None:
                self.peer_stream_window = settings["stream_window"] or wire.STREAM_WINDOW
                self.window = settings["connection_window"] or wire.CONNECTION_WINDOW
                self.credit = self.window
                self.peer_inflates = bool(settings["inflates"])
                self.changed.notify_all()

    def packed(self, message):
        """The flags and the message as they are sent."""
        above = self.compress_above
        if above is not None and self.peer_inflates and len(message) >= above:
            if (packed := wire.compressed(message)) is not None:
                return wire.COMPRESSED, packed
        return 0, message

    def unpacked(self, flags, data):
        """What came."""
        return wire.Message(flags, data, self.compress_above is not None)

    def lets(self, of_stream, cost):
        """Whether a message may go out that costs this."""
        of_connection = self.credit or 0
        plenty = (self.window or 0) * 5 // 8
        return min(of_connection, of_stream) > 0 and (of_stream >= cost or of_connection > plenty)

    def on_credit(self, frame, stream):
        """A CREDIT; `stream` is None when its call is over."""
        of_stream, of_connection = wire.read_credit(frame.payload)
        with self.changed:
            self.credit += of_connection
            if stream:
                stream.given += of_stream
            if max(self.credit, stream.credit() if stream else 0) > wire.CREDIT_MAX:
                raise Broken("more credit than there may be")
            self.changed.notify_all()

    def on_data(self, frame, stream):
        """A DATA frame; `stream` is None when its call is over, or unknown."""
        end = frame.flags & wire.END
        message = None if end else self.unpacked(frame.flags, frame.payload)
        if message and message.length > wire.FRAME_BYTES_MAX:
            raise Broken(f"a message of {message.length} bytes")
        cost = 12 + message.length if message else 0
        if cost and self.left <= 0:
            raise Broken("more than the connection has credit for")
        self.left -= cost
        if not stream:
            return self.give(0, 0, cost)
        if stream.peer_ended or (end and frame.payload):
            raise Broken("DATA behind its end")
        if cost and stream.left <= 0:
            raise Broken("more than the stream has credit for")
        stream.left -= cost
        stream.peer_ended = bool(end)
        stream.received.put(message)

    def give(self, call, stream, connection):
        """All of it at once: nothing is withheld, which is more than the duty."""
        self.left += connection
        self.send(wire.credit(call, stream, connection))


class Stream:
    """One call's messages, in both directions."""

    def __init__(self, flow, call, peer_ended=False):
        self.flow, self.call = flow, call
        self.sent = self.given = 0
        self.left = flow.stream_window
        self.peer_ended = peer_ended
        # Messages, None behind the last; whatever else ends the stream is put here as well.
        self.received = queue.Queue()
        self.over = None

    def credit(self):
        return (self.flow.peer_stream_window or 0) + self.given - self.sent

    def send(self, message, timeout=SOON):
        """Sends a message once there is credit for it; False if there is none in time."""
        flow, cost = self.flow, 12 + len(message)
        flags, message = flow.packed(message)
        with flow.changed:
            ready = lambda: self.over or flow.lets(self.credit(), cost)
            if not flow.changed.wait_for(ready, timeout):
                return False
            if self.over:
                raise self.over
            flow.credit -= cost
            self.sent += cost
        flow.send(Frame(wire.DATA, flags, call=self.call, payload=message))
        return True

    def finish(self):
        """Half-closes."""
        self.flow.send(Frame(wire.DATA, wire.END, call=self.call))

    def next(self):
        """The next message, None behind the last; raises what the stream ended with."""
        event = self.received.get(timeout=SOON)
        if isinstance(event, Exception):
            raise event
        if event is not None:
            cost = 12 + event.length
            if self.over or self.peer_ended:
                self.flow.give(0, 0, cost)
            else:
                self.left += cost
                self.flow.give(self.call, cost, cost)
        return event and event.get()

    def end(self, why):
        """The call is over; `why` is what its next message is."""
        with self.flow.changed:
            self.over = why if isinstance(why, Exception) else wire.Status("CANCELLED")
            self.flow.changed.notify_all()
        self.received.put(why)

    def discard(self):
        """Nobody reads what has come: the connection gets its credit back."""
        cost = 0
        while not self.received.empty():
            event = self.received.get()
            cost += 12 + event.length if isinstance(event, wire.Message) else 0
        if cost:
            self.flow.give(0, 0, cost)
