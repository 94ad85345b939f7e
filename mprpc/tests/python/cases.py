"""What a client written from PROTOCOL.md sees of a server of the echo service.

`cases.py ADDRESS CASE` runs one, and ends with 0 when it holds. `cases.py --list` names them.
"""

import os
import sys
import threading

import echo
import wire
from client import ClassicClient, Client
from protobuf import decode, encode
from sockets import SOON, Closed, connect, reader
from wire import Frame, Status

CASES = {}


def case(function):
    CASES[function.__name__] = function
    return function


def echoed(client, payload, **options):
    """The payload after a round trip over v2."""
    request = encode(echo.ECHO, {"payload": payload})
    return decode(echo.ECHO, client.call(f"{echo.SERVICE}/Echo", request, **options))["payload"]


def slowly(payload, delay_ms):
    """Path and request of a call that takes a while."""
    request = encode(echo.ECHO_SLOWLY, {"payload": payload, "delay_ms": delay_ms})
    return f"{echo.SERVICE}/EchoSlowly", request


def status_of(call):
    """The status that a call ends with, which must be an error."""
    try:
        call()
    except Status as status:
        return status
    raise AssertionError("the call succeeded")


def expect(found, wanted):
    assert found == wanted, f"{found!r} is not {wanted!r}"


def raw(address, *frames):
    """A v2 connection by hand: where to write, and the next frame of a call."""
    sock = connect(address)
    settings = Frame(wire.SETTINGS)
    sock.sendall(wire.PREFACE + b"".join(frame.encode() for frame in (settings, *frames)))
    read = reader(sock)

    def next_frame():
        while (frame := wire.read_frame(read)).kind != wire.RESPONSE:
            pass
        return frame

    return sock, next_frame


def request(path, message=b"", call=0, method=0, flags=wire.END):
    head = {"path": path} if path else {}
    payload = wire.with_head(wire.REQUEST_HEAD, head, message)
    return Frame(wire.REQUEST, flags, method, call, payload)


def head_of(frame):
    expect(frame.kind, wire.RESPONSE)
    return wire.split_head(wire.RESPONSE_HEAD, frame.payload)[0]


def expect_closed(next_frame):
    try:
        while True:
            next_frame()
    except Closed:
        pass


@case
def classic_calls_share_a_connection(address):
    client = ClassicClient(address)
    for payload in (b"one", b"", b"x" * 1_000_000):
        asked = encode(echo.ECHO, {"payload": payload})
        expect(client.call("EchoService", "Echo", asked), asked)


@case
def classic_requests_may_be_pipelined(address):
    client = ClassicClient(address)
    asked = [encode(echo.ECHO, {"payload": b"%d" % number}) for number in range(100)]
    requests = [wire.classic_request("EchoService", "Echo", one) for one in asked]
    client.sock.sendall(b"".join(requests))
    for one in asked:
        expect(wire.read_classic_answer(client.read), one)


@case
def classic_has_no_word_for_an_error_but_the_end(address):
    good = wire.classic_request("EchoService", "Echo", b"")
    bad = (
        wire.classic_request("EchoService", "Nothing", b""),
        wire.classic_request("Nobody", "Echo", b""),
        wire.classic_request("EchoService", "Echo", b"\xff"),
        wire.classic_request("EchoService", "Fail", b"\x08\x05"),
        b"\xff\xff\xff\xff",
        (4097).to_bytes(4, "little"),
        b"\x01\x00\x00\x00\xff",
        wire.classic_request("EchoService", "Echo", b"")[:-2] + b"\x18\x81\x80\x80\x02",
    )
    for one in bad:
        client = ClassicClient(address)
        # What came before is answered.
        client.sock.sendall(good + one + good)
        expect(wire.read_classic_answer(client.read), b"")
        expect_closed(lambda read=client.read: wire.read_classic_answer(read))


@case
def unary(address):
    client = Client(address)
    for payload in (b"hi", b"", "schön\0".encode()):
        expect(echoed(client, payload), payload)


@case
def a_large_message(address):
    client = Client(address)
    payload = bytes(range(256)) * 12_000
    expect(echoed(client, payload), payload)


@case
def many_at_once_and_answers_in_any_order(address):
    client = Client(address)
    # It sleeps for longer than all of this takes on any machine.
    last = client.begin(*slowly(b"last", 60_000), timeout=120)
    calls = [(b"%d" % number, client.begin(*slowly(b"%d" % number, 0))) for number in range(200)]
    for payload, call in calls:
        expect(decode(echo.ECHO, call.result())["payload"], payload)
    assert not last.ended(), "an answer waited for a call before it"
    last.cancel()


@case
def errors(address):
    client = Client(address)
    for number, name in list(enumerate(wire.CODES))[1:]:
        asked = encode(echo.FAIL, {"code": number, "message": f"\t{name} ☺\r\n"})
        status = status_of(lambda one=asked: client.call(f"{echo.SERVICE}/Fail", one))
        expect((status.code, status.message), (name, f"\t{name} ☺\r\n"))
    for path in (f"{echo.SERVICE}/Nothing", "echo.Nobody/Echo", "nonsense"):
        # Each time, also when the number is known.
        for _ in range(2):
            status = status_of(lambda one=path: client.call(one, b""))
            expect(status.code, "UNIMPLEMENTED")
    status = status_of(lambda: client.call(f"{echo.SERVICE}/Echo", b"\xff"))
    expect(status.code, "INVALID_ARGUMENT")
    expect(echoed(client, b"still here"), b"still here")


@case
def deadline(address):
    client = Client(address)
    expect(status_of(lambda: client.call(*slowly(b"", 60_000), timeout=0.1)).code,
           "DEADLINE_EXCEEDED")
    described = client.call(f"{echo.SERVICE}/Describe", b"", timeout=5.0)
    remaining = decode(echo.DESCRIBED, described)["remaining_ms"]
    assert 0 < remaining <= 5000, remaining


@case
def metadata(address):
    client = Client(address)
    sent = [("traceparent", b"00-" + b"1" * 32 + b"-" + b"2" * 16 + b"-01"), ("x-bytes", b"\0\xff")]
    described = client.call(f"{echo.SERVICE}/Describe", b"", metadata=sent)
    seen = {one["key"]: one["value"] for one in decode(echo.DESCRIBED, described)["metadata"]}
    for name, value in sent:
        expect(seen.get(name), value)


@case
def a_cancelled_call_is_not_answered(address):
    sock, next_frame = raw(address)
    path, message = slowly(b"", 300)
    sock.sendall(request(path, message).encode() + Frame(wire.CANCEL, wire.END).encode())
    # Nor does a CANCEL for a call that was never made disturb.
    sock.sendall(Frame(wire.CANCEL, wire.END, call=77).encode())
    # The id may be used again, and the number is still named.
    sock.sendall(request("", slowly(b"again", 0)[1]).encode())
    frame = next_frame()
    _, message = wire.split_head(wire.RESPONSE_HEAD, frame.payload)
    expect(decode(echo.ECHO, message)["payload"], b"again")
    # Longer than the first call would have taken.
    sock.sendall(request("", slowly(b"later", 600)[1], call=5).encode())
    expect(next_frame().call, 5)


@case
def ping(address):
    client = Client(address)
    for payload in (b"", b"12345678", b"x" * 1000):
        expect(client.ping(payload), payload)


@case
def unknown_kinds_and_flags_are_skipped(address):
    for kind in (0, 77, 200, 255):
        sock, next_frame = raw(address, Frame(kind, 0xFF, 9, 9, b"whatever"))
        sock.sendall(request(f"{echo.SERVICE}/Echo", flags=0xF1).encode())
        expect(head_of(next_frame())["code"], 0)


@case
def too_long_a_request_harms_no_other(address):
    sock, next_frame = raw(address)
    path = f"{echo.SERVICE}/Echo"
    sock.sendall(request(path, b"x" * wire.FRAME_BYTES_MAX, call=1).encode())
    # Its path named nothing.
    sock.sendall(request(path, call=2).encode())
    answers = {}
    for _ in range(2):
        frame = next_frame()
        answers[frame.call] = head_of(frame)["code"]
    expect(answers, {1: wire.CODES.index("RESOURCE_EXHAUSTED"), 2: 0})


@case
def too_long_an_answer_fails_its_call_only(address):
    client = Client(address, frame_bytes_max=1000)
    status = status_of(lambda: echoed(client, b"x" * 2000))
    expect(status.code, "RESOURCE_EXHAUSTED")
    expect(echoed(client, b"x" * 500), b"x" * 500)


@case
def what_breaks_the_protocol_ends_the_connection(address):
    path = f"{echo.SERVICE}/Echo"
    slow = request(*slowly(b"", 60_000), call=3)
    huge = Frame(wire.PING).encode()
    huge = b"\xff\xff\xff\xff" + huge[4:]
    for broken in (
        [Frame(wire.RESPONSE, wire.END, payload=b"\0")],
        [request("", method=9)],
        [request(path, method=4096)],
        [Frame(wire.REQUEST, wire.END, payload=b"")],
        [Frame(wire.REQUEST, wire.END, payload=b"\x05\x0a")],
        [Frame(wire.REQUEST, wire.END, payload=b"\x02\x0a\x7f")],
        [Frame(wire.REQUEST, wire.END, payload=b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")],
        [request("x" * 1025)],
        [slow, slow],
    ):
        _, next_frame = raw(address, *broken)
        try:
            expect_closed(next_frame)
        except TimeoutError:
            raise AssertionError(f"still open after {broken}") from None
    sock, next_frame = raw(address)
    sock.sendall(huge)
    expect_closed(next_frame)


@case
def what_a_server_need_not_mind(address):
    path = f"{echo.SERVICE}/Echo"
    # No SETTINGS first, and a client that says that it goes away.
    sock = connect(address)
    sock.sendall(wire.PREFACE + request(path).encode() + Frame(wire.GOAWAY).encode())
    read = reader(sock)
    expect(wire.read_frame(read).kind, wire.SETTINGS)
    # Long frames of a kind from the future, and a number that gets another name.
    sock.sendall(Frame(99, payload=bytes(wire.FRAME_BYTES_MAX + 1)).encode())
    sock.sendall(request("echo.Nobody/Echo", call=1).encode() + request("", call=2).encode())
    sock.sendall(request(path, call=3).encode() + request("", call=4).encode())
    answers = {}
    while len(answers) < 5:
        if (frame := wire.read_frame(read)).kind == wire.RESPONSE:
            answers[frame.call] = head_of(frame)["code"]
    expect(answers, {0: 0, 1: 12, 2: 12, 3: 0, 4: 0})


def chat(client, **options):
    return client.begin(f"{echo.SERVICE}/Chat", None, **options)


@case
def a_stream_of_requests(address):
    call = Client(address).begin(f"{echo.SERVICE}/Upload", None)
    # No message, a message of no bytes, and some.
    sent = [b"", b"one", b"", b"three" * 10_000]
    for payload in sent:
        call.stream.send(encode(echo.ECHO, {"payload": payload}))
    call.stream.finish()
    expect(decode(echo.ECHO, call.result())["payload"], b"".join(sent))


@case
def a_stream_of_answers(address):
    client = Client(address)
    for count, size in ((0, 0), (3, 0), (1, 1_000_000), (500, 10_000)):
        asked = encode(echo.LIST, {"count": count, "size": size})
        call = client.begin(f"{echo.SERVICE}/List", asked)
        found = 0
        while (message := call.stream.next()) is not None:
            expect(len(decode(echo.ECHO, message)["payload"]), size)
            found += 1
        expect(found, count)


@case
def a_stream_both_ways(address):
    client = Client(address)
    calls = [chat(client) for _ in range(10)]
    for turn in range(20):
        for number, call in enumerate(calls):
            call.stream.send(encode(echo.ECHO, {"payload": b"%d of %d" % (turn, number)}))
        for number, call in enumerate(calls):
            found = decode(echo.ECHO, call.stream.next())["payload"]
            expect(found, b"%d of %d" % (turn, number))
    for call in calls:
        call.stream.finish()
        expect(call.stream.next(), None)


@case
def a_message_longer_than_the_window(address):
    call = chat(Client(address))
    for _ in range(3):
        payload = bytes(1_000_000)
        call.stream.send(encode(echo.ECHO, {"payload": payload}))
        expect(len(decode(echo.ECHO, call.stream.next())["payload"]), len(payload))


@case
def who_does_not_read_is_not_sent_more_than_its_window(address):
    client = Client(address)
    asked = encode(echo.LIST, {"count": 1_000, "size": 10_000})
    call = client.begin(f"{echo.SERVICE}/List", asked)
    # Breaking the window would end the connection, see Flow; other calls go on meanwhile.
    for _ in range(20):
        expect(echoed(client, b"beside it"), b"beside it")
    assert call.stream.received.qsize() <= 7, call.stream.received.qsize()
    found = 0
    while call.stream.next() is not None:
        found += 1
    expect(found, 1_000)


@case
def whose_messages_are_not_read_waits(address):
    """Nobody reads the answers, so the server stops reading what is to be answered."""
    client = Client(address)
    call = chat(client)
    message = encode(echo.ECHO, {"payload": bytes(30_000)})
    sent = 0
    while call.stream.send(message, timeout=0.5):
        sent += 1
        assert sent < 200, "6 MB, and no credit is missing"
    expect(echoed(client, b"beside it"), b"beside it")
    for _ in range(sent):
        assert call.stream.next() is not None
    call.stream.finish()
    expect(call.stream.next(), None)


@case
def a_stream_ends_with_its_deadline(address):
    call = chat(Client(address), timeout=0.2)
    call.stream.send(b"")
    expect(call.stream.next(), b"")
    expect(status_of(call.stream.next).code, "DEADLINE_EXCEEDED")


@case
def a_cancelled_stream_leaves_the_others(address):
    client = Client(address)
    other = chat(client)
    for _ in range(20):
        call = chat(client)
        call.stream.send(encode(echo.ECHO, {"payload": bytes(60_000)}))
        call.cancel()
        # Crosses the CANCEL, for all that the server knows.
        client.send(Frame(wire.DATA, call=call.number, payload=b""))
        client.send(wire.credit(call.number, 100, 0))
        other.stream.send(encode(echo.ECHO, {"payload": b"other"}))
        expect(decode(echo.ECHO, other.stream.next())["payload"], b"other")


@case
def a_method_of_another_kind_is_not_served(address):
    client = Client(address)
    for method in ("Echo", "List"):
        call = client.begin(f"{echo.SERVICE}/{method}", None)
        expect(status_of(call.stream.next).code, "UNIMPLEMENTED")
    for method in ("Upload", "Chat"):
        status = status_of(lambda one=method: client.call(f"{echo.SERVICE}/{one}", b""))
        expect(status.code, "UNIMPLEMENTED")


@case
def what_breaks_a_stream_ends_the_connection(address):
    opened = request(f"{echo.SERVICE}/Upload", call=1, flags=0)
    data = Frame(wire.DATA, call=1, payload=encode(echo.ECHO, {"payload": bytes(60_000)}))
    end = Frame(wire.DATA, wire.END, call=1)
    for broken in (
        [opened, Frame(wire.DATA, wire.END, call=1, payload=b"x")],
        [opened, Frame(wire.CREDIT, call=1, payload=bytes(7))],
        [opened, wire.credit(1, 0xFFFFFFFF, 0)],
        [wire.credit(0, 0, 0xFFFFFFFF)],
        [request(*slowly(b"", 60_000), call=1), data],
        [request(f"{echo.SERVICE}/Chat", call=1, flags=0), *[data] * 300],
    ):
        try:
            expect_closed(raw(address, *broken)[1])
        except ConnectionError:
            pass  # Closed while all this was still being written.
        except TimeoutError:
            raise AssertionError(f"still open after {broken[0]}, {broken[-1]}") from None
    # Behind the end of a call that is answered, it is a call that nobody knows.
    _, next_frame = raw(address, opened, end, request(*slowly(b"", 0), call=2))
    expect({next_frame().call, next_frame().call}, {1, 2})


@case
def compressed_messages(address):
    """Against a server that compresses what has a thousand bytes or more."""
    client = Client(address, compress_above=1000)
    assert client.peer["inflates"], client.peer
    for payload in (b"", b"short", b"to and fro " * 100_000, os.urandom(100_000)):
        asked = encode(echo.ECHO, {"payload": payload})
        call = client.begin(f"{echo.SERVICE}/Echo", asked)
        expect(decode(echo.ECHO, call.result())["payload"], payload)
        expect(call.answer.compressed, payload.startswith(b"to"))
    call = chat(client)
    for size in (1, 1_000_000, 10, 2_000_000):
        asked = encode(echo.ECHO, {"payload": bytes(size)})
        call.stream.send(asked)
        expect(call.stream.next(), asked)
    call.stream.finish()
    expect(call.stream.next(), None)
    # Who does not ask for compressed messages gets none, but may send them.
    packed = wire.compressed(encode(echo.ECHO, {"payload": bytes(10_000)}))
    _, next_frame = raw(address, request(f"{echo.SERVICE}/Echo", packed, flags=3))
    frame = next_frame()
    expect(frame.flags, wire.END)
    expect(head_of(frame)["code"], 0)


@case
def damaged_messages_that_are_compressed(address):
    client = Client(address, compress_above=1000)
    packed = wire.compressed(bytes(2_000))
    for broken in (packed[:-1], packed + b"\0", b"\xd1" + packed[1:], packed[:4] + b"\xff"):
        sock, next_frame = raw(address, request(f"{echo.SERVICE}/Echo", broken, flags=3))
        expect(head_of(next_frame())["code"], wire.CODES.index("INVALID_ARGUMENT"))
    too_long = b"\xff\xff\xff\xff" + packed[4:]
    sock, next_frame = raw(address, request(f"{echo.SERVICE}/Echo", too_long, flags=3))
    expect(head_of(next_frame())["code"], wire.CODES.index("RESOURCE_EXHAUSTED"))
    for broken in (b"", packed[:3], len(packed[4:]).to_bytes(4, "little") + packed[4:]):
        expect_closed(raw(address, request(f"{echo.SERVICE}/Echo", broken, flags=3))[1])
    expect(echoed(client, b"still here"), b"still here")


# What the server of the two cases below asks for.
TOKEN = b"0123456789abcdef"


@case
def who_shows_the_token_is_served(address):
    client = Client(address, token=TOKEN)
    for payload in (b"one", b"two"):
        expect(echoed(client, payload), payload)


@case
def who_does_not_is_told_so_and_asked_to_go(address):
    path = f"{echo.SERVICE}/Echo"
    wrong = (None, b"", TOKEN[:-1], TOKEN + b"x", TOKEN[::-1])
    clients = []
    for token in wrong:
        for asked in (path, "no.Such/Method", "grpc.health.v1.Health/Check"):
            # A connection of its own each time: it does not last.
            clients.append(Client(address, token=token))
            expect(status_of(lambda: clients[-1].call(asked, b"")).code, "UNAUTHENTICATED")
    for client in clients:
        assert client.going.wait(SOON), "no GOAWAY"
        expect(client.goaway["code"], wire.CODES.index("UNAUTHENTICATED"))
        client.close()
    once, called = wire.auth(TOKEN), request(path)
    for frames in ((once, once), (called, once)):
        expect_closed(raw(address, *frames)[1])


@case
def goaway_lets_what_is_in_flight_finish(address):
    """The one who runs this stops the server when it reads `in flight`."""
    client = Client(address)
    call = client.begin(*slowly(b"in flight", 1000))
    client.ping(b"the request is there")
    print("in flight", flush=True)
    assert client.going.wait(SOON), "no GOAWAY"
    # Crossed the GOAWAY, for all that the server knows.
    expect(echoed(client, b"crossed"), b"crossed")
    expect(decode(echo.ECHO, call.result())["payload"], b"in flight")
    client.close()


def main():
    if sys.argv[1:] == ["--list"]:
        print("\n".join(CASES))
        return
    address, name = sys.argv[1:]
    # Nothing here may hang, whatever the server does.
    watchdog = threading.Timer(3 * SOON, os._exit, (3,))
    watchdog.daemon = True
    watchdog.start()
    CASES[name](address)


if __name__ == "__main__":
    main()
