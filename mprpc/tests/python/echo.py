"""The messages of mprpc/examples/proto/echo.proto."""

from protobuf import BYTES, STRING, UINT

SERVICE = "echo.EchoService"
ECHO = {1: ("payload", BYTES)}
ECHO_SLOWLY = {1: ("payload", BYTES), 2: ("delay_ms", UINT)}
FAIL = {1: ("code", UINT), 2: ("message", STRING)}
LIST = {1: ("count", UINT), 2: ("size", UINT)}
EMPTY = {}
DESCRIBED = {
    1: ("remaining_ms", UINT),
    2: ("metadata", [{1: ("key", STRING), 2: ("value", BYTES)}]),
}
