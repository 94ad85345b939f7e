"""The messages and handlers of mprpc/conformance/proto/conformance.proto."""

import itertools

import wire
from protobuf import BYTES, STRING, UINT
from wire import Status

SERVICE = "mprpc.conformance.TestService"
EMPTY = {}
ECHO_STATUS = {1: ("code", UINT), 2: ("message", STRING)}
SIMPLE_REQUEST = {
    1: ("response_size", UINT),
    2: ("payload", BYTES),
    3: ("response_status", ECHO_STATUS),
    4: ("delay_ms", UINT),
}
SIMPLE_RESPONSE = {
    1: ("payload", BYTES),
    2: ("metadata", [{1: ("key", STRING), 2: ("value", BYTES)}]),
    3: ("remaining_ms", UINT),
    4: ("request_size", UINT),
}
REPORT = {1: ("stopped", UINT), 2: ("streamed_bytes", UINT)}


class Counter:
    """Counts across threads."""

    def __init__(self):
        self.ticks, self.value = itertools.count(1), 0

    def tick(self):
        self.value = next(self.ticks)


STOPPED = Counter()


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


def _unary(call, request):
    remaining_ms = int(call.remaining() * 1000)
    if request["delay_ms"]:
        sleep(call, request["delay_ms"])
    asked_for(request["response_status"])
    ours = [(name, value) for name, value in call.metadata if name.startswith("x-conformance-")]
    return {
        "payload": bytes(request["response_size"]),
        "metadata": [{"key": name, "value": value} for name, value in ours],
        "remaining_ms": remaining_ms,
        "request_size": len(request["payload"]),
    }


UNARY = {
    f"{SERVICE}/EmptyCall": (EMPTY, EMPTY, lambda _call, _request: {}),
    f"{SERVICE}/UnaryCall": (SIMPLE_REQUEST, SIMPLE_RESPONSE, _unary),
    f"{SERVICE}/Report": (EMPTY, REPORT, lambda _call, _request: {"stopped": STOPPED.value}),
}
