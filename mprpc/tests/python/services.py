"""The services that server.py serves."""

import conformance
import echo
import wire
from protobuf import decode, encode
from wire import Status


def _echo(_call, request):
    return {"payload": request["payload"]}


def _echo_slowly(call, request):
    call.sleep(request["delay_ms"] / 1000)
    return {"payload": request["payload"]}


def _fail(_call, request):
    raise Status(wire.code_name(request["code"]), request["message"])


def _describe(call, _request):
    metadata = [{"key": name, "value": value} for name, value in call.metadata]
    return {"remaining_ms": int(call.remaining() * 1000), "metadata": metadata}


# By path: what is asked, what is answered, and by which function.
UNARY = {
    f"{echo.SERVICE}/Echo": (echo.ECHO, echo.ECHO, _echo),
    f"{echo.SERVICE}/EchoSlowly": (echo.ECHO_SLOWLY, echo.ECHO, _echo_slowly),
    f"{echo.SERVICE}/Fail": (echo.FAIL, echo.ECHO, _fail),
    f"{echo.SERVICE}/Describe": (echo.EMPTY, echo.DESCRIBED, _describe),
    **conformance.UNARY,
}


def _upload(call):
    stream, payloads = call.stream, []
    while (message := stream.next()) is not None:
        payloads.append(decode(echo.ECHO, message)["payload"])
    return encode(echo.ECHO, {"payload": b"".join(payloads)})


def _list(call):
    stream = call.stream
    asked = decode(echo.LIST, stream.request.get())
    for _ in range(asked["count"]):
        stream.send(encode(echo.ECHO, {"payload": bytes(asked["size"])}))
    return b""


def _chat(call):
    stream = call.stream
    while (message := stream.next()) is not None:
        stream.send(message)
    return b""


# By path: whether the client streams, and the function that gets the call.
STREAMS = {
    f"{echo.SERVICE}/Upload": (True, _upload),
    f"{echo.SERVICE}/List": (False, _list),
    f"{echo.SERVICE}/Chat": (True, _chat),
    **conformance.STREAMS,
}


def _classic(path):
    service, method = path.split("/")
    return service.rsplit(".", 1)[-1], method


CLASSIC = {_classic(path): method for path, method in UNARY.items()}


def unary(method, call, message):
    """The bytes of the answer."""
    asked, answered, function = method
    return encode(answered, function(call, decode(asked, message)))
