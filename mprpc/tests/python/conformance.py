"""The messages and handlers of mprpc/conformance/proto/conformance.proto."""

import itertools

import wire
from protobuf import BYTES, STRING, UINT, decode, encode
from wire import Status

SERVICE = "mprpc.conformance.TestService"
EMPTY = {}
ECHO_STATUS = {1: ("code", UINT), 2: ("message", STRING)}
METADATA = [{1: ("key", STRING), 2: ("value", BYTES)}]
SIMPLE_REQUEST = {
    1: ("response_size", UINT),
    2: ("payload", BYTES),
    3: ("response_status", ECHO_STATUS),
    4: ("delay_ms", UINT),
}
SIMPLE_RESPONSE = {
    1: ("payload", BYTES),
    2: ("metadata", METADATA),
    3: ("remaining_ms", UINT),
    4: ("request_size", UINT),
}
PARAMETERS = {1: ("size", UINT), 2: ("delay_ms", UINT)}
OUTPUT_REQUEST = {
    1: ("answers", [PARAMETERS]),
    2: ("payload", BYTES),
    3: ("response_status", ECHO_STATUS),
}
OUTPUT_RESPONSE = {1: ("payload", BYTES), 2: ("metadata", METADATA)}
INPUT_REQUEST = {
    1: ("payload", BYTES),
    2: ("pause_ms", UINT),
    3: ("response_status", ECHO_STATUS),
}
INPUT_RESPONSE = {1: ("total_size", UINT), 2: ("metadata", METADATA)}
REPORT = {1: ("stopped", UINT), 2: ("streamed_bytes", UINT)}


class Counter:
    """Counts across threads."""

    def __init__(self):
        self.ticks, self.value = itertools.count(1), 0

    def tick(self):
        self.value = next(self.ticks)


STOPPED = Counter()
# Of the only size that is counted while a case looks.
STREAMED = Counter()
STREAMED_SIZE = 64 * 1024


def sleep(call, milliseconds):
    """Sleeps, and counts a call that is over before."""
    try:
        call.sleep(milliseconds / 1000)
    except Status:
        STOPPED.tick()
        raise


def asked_for(status):
    """Ends with the status that the caller asks for."""
    if status and status["code"]:
        raise Status(wire.code_name(status["code"]), status["message"])


def metadata(call):
    """What the cases sent of it."""
    ours = [(name, value) for name, value in call.metadata if name.startswith("x-conformance-")]
    return [{"key": name, "value": value} for name, value in ours]


def _unary(call, request):
    remaining_ms = int(call.remaining() * 1000)
    if request["delay_ms"]:
        sleep(call, request["delay_ms"])
    asked_for(request["response_status"])
    return {
        "payload": bytes(request["response_size"]),
        "metadata": metadata(call),
        "remaining_ms": remaining_ms,
        "request_size": len(request["payload"]),
    }


def _report(_call, _request):
    return {"stopped": STOPPED.value, "streamed_bytes": STREAMED.value * STREAMED_SIZE}


UNARY = {
    f"{SERVICE}/EmptyCall": (EMPTY, EMPTY, lambda _call, _request: {}),
    f"{SERVICE}/UnaryCall": (SIMPLE_REQUEST, SIMPLE_RESPONSE, _unary),
    f"{SERVICE}/Report": (EMPTY, REPORT, _report),
}


def counts(handler):
    """Counts a stream that ends before its time."""

    def handle(call):
        try:
            return handler(call)
        except Status as status:
            if call.over.is_set():
                STOPPED.tick()
            raise status

    return handle


def _answer(call, request, found):
    """Sends what is asked for. The first answer takes the metadata that was found along."""
    for asked in request["answers"]:
        if asked["delay_ms"]:
            call.sleep(asked["delay_ms"] / 1000)
        answer = {"payload": bytes(asked["size"]), "metadata": list(found)}
        found.clear()
        call.stream.send(encode(OUTPUT_RESPONSE, answer))
        if asked["size"] == STREAMED_SIZE:
            STREAMED.tick()
    asked_for(request["response_status"])


def _output(call):
    _answer(call, decode(OUTPUT_REQUEST, call.stream.request.get()), metadata(call))
    return b""


def _input(call):
    total = 0
    while (message := call.stream.next()) is not None:
        request = decode(INPUT_REQUEST, message)
        total += len(request["payload"])
        asked_for(request["response_status"])
        if request["pause_ms"]:
            call.sleep(request["pause_ms"] / 1000)
    return encode(INPUT_RESPONSE, {"total_size": total, "metadata": metadata(call)})


def _duplex(call):
    found = metadata(call)
    while (message := call.stream.next()) is not None:
        _answer(call, decode(OUTPUT_REQUEST, message), found)
    return b""


STREAMS = {
    f"{SERVICE}/StreamingOutputCall": (False, counts(_output)),
    f"{SERVICE}/StreamingInputCall": (True, counts(_input)),
    f"{SERVICE}/FullDuplexCall": (True, counts(_duplex)),
}
