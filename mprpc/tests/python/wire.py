"""Both wires as bytes, written from PROTOCOL.md: no sockets here."""

import dataclasses
import struct
import zlib

from protobuf import BYTES, STRING, UINT, Malformed, decode, encode, read_varint, varint

HEADER_BYTES_MAX = 4096
ARGUMENTS_BYTES_MAX = 4_194_304
FRAME_BYTES_MAX = 4_194_304
REQUEST_HEAD_BYTES_MAX = 16_384
PATH_BYTES_MAX = 1024
METHODS_MAX = 4096
AUTH_BYTES_MAX = 1024

RPC_HEADER = {1: ("service_name", BYTES), 2: ("method_name", BYTES), 3: ("args_size", UINT)}
SETTINGS_MESSAGE = {
    1: ("frame_bytes_max", UINT),
    2: ("calls_max", UINT),
    3: ("stream_window", UINT),
    4: ("connection_window", UINT),
    5: ("inflates", UINT),
}
ENTRY = {1: ("name", STRING), 2: ("value", BYTES)}
REQUEST_HEAD = {1: ("path", STRING), 2: ("timeout_us", UINT), 3: ("metadata", [ENTRY])}
RESPONSE_HEAD = {1: ("code", UINT), 2: ("message", STRING), 3: ("details", BYTES)}
AUTH_MESSAGE = {1: ("token", BYTES)}
GOAWAY_MESSAGE = {1: ("code", UINT), 2: ("message", STRING)}

PREFACE = b"MPR2"
SETTINGS, REQUEST, RESPONSE, CANCEL, PING, PONG, GOAWAY, DATA, CREDIT, AUTH = KINDS = range(1, 11)
END = 1
COMPRESSED = 2
STREAM_WINDOW = 65_536
CONNECTION_WINDOW = 33_554_432
CREDIT_MAX = 2_147_483_647

CODES = (
    "OK CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS"
    " PERMISSION_DENIED RESOURCE_EXHAUSTED FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED"
    " INTERNAL UNAVAILABLE DATA_LOSS UNAUTHENTICATED"
).split()


class Broken(Exception):
    """The other side does not keep to the protocol: the connection must be closed."""


class Status(Exception):
    """How a call ended that did not succeed."""

    def __init__(self, code, message="", details=b""):
        super().__init__(f"{code}: {message}")
        self.code = code if isinstance(code, str) else code_name(code)
        self.message, self.details = message, details


def code_name(number):
    """The name of a status code; unknown ones read as UNKNOWN."""
    return CODES[number] if number < len(CODES) else "UNKNOWN"


def checked(kind, data):
    """A message of the protocol itself; one that does not parse breaks it."""
    try:
        return decode(kind, data)
    except Malformed as error:
        raise Broken(str(error)) from error


# Classic.


def classic_request(service, method, arguments):
    """A request: size and header, then the arguments."""
    header = encode(
        RPC_HEADER,
        {
            "service_name": service.encode(),
            "method_name": method.encode(),
            "args_size": len(arguments),
        },
    )
    return struct.pack("<I", len(header)) + header + arguments


def read_classic_request(read):
    """Service, method and arguments; `read(n)` gives exactly n bytes."""
    (size,) = struct.unpack("<I", read(4))
    if size > HEADER_BYTES_MAX:
        raise Broken(f"a header of {size} bytes")
    header = checked(RPC_HEADER, read(size))
    if header["args_size"] > ARGUMENTS_BYTES_MAX:
        raise Broken(f"arguments of {header['args_size']} bytes")
    return header["service_name"], header["method_name"], read(header["args_size"])


def classic_answer(message):
    """An answer: its length, then the message."""
    return struct.pack("<I", len(message)) + message


def read_classic_answer(read):
    """The message of an answer."""
    (size,) = struct.unpack("<I", read(4))
    if size > FRAME_BYTES_MAX:
        raise Broken(f"an answer of {size} bytes")
    return read(size)


# v2.


@dataclasses.dataclass
class Frame:
    """A frame as it stands on the wire. Of one that is too long the payload is None."""

    kind: int
    flags: int = 0
    method: int = 0
    call: int = 0
    payload: bytes = b""
    length: int = 0

    def encode(self):
        """The frame's bytes."""
        payload = self.payload
        return struct.pack(
            "<IBBHI", len(payload), self.kind, self.flags, self.method, self.call
        ) + payload


def read_frame(read, bytes_max=FRAME_BYTES_MAX):
    """The next frame; what may be too long is skipped
    then, like what is of an unknown kind."""
    length, kind, flags, method, call = struct.unpack("<IBBHI", read(12))
    frame = Frame(kind, flags, method, call, None, length)
    if kind in KINDS and length <= bytes_max:
        frame.payload = read(length)
        return frame
    if kind not in (REQUEST, RESPONSE) and kind in KINDS:
        raise Broken(f"a frame of kind {kind} with {length} bytes")
    while length:
        length -= len(read(min(length, 65536)))
    return frame


def with_head(kind, head, message):
    """The payload of a REQUEST or RESPONSE."""
    head = encode(kind, head)
    return varint(len(head)) + head + message


def split_head(kind, payload):
    """The head and the message of the payload of a REQUEST or RESPONSE."""
    try:
        size, at = read_varint(payload, 0)
    except Malformed as error:
        raise Broken(str(error)) from error
    if size > len(payload) - at:
        raise Broken("a head that is longer than its frame")
    if kind is REQUEST_HEAD and size > REQUEST_HEAD_BYTES_MAX:
        raise Broken(f"a head of {size} bytes")
    head = checked(kind, payload[at : at + size])
    if kind is REQUEST_HEAD and len(head["path"].encode()) > PATH_BYTES_MAX:
        raise Broken("a path that is too long")
    return head, payload[at + size :]


class Message:
    """The message of a frame with these flags, to a side that takes compressed ones or does not."""

    def __init__(self, flags, data, inflates):
        self.data, self.length = data, len(data)
        self.compressed = bool(flags & COMPRESSED)
        if not self.compressed:
            return
        if not inflates:
            raise Broken("a compressed message that nobody asked for")
        if len(data) < 4:
            raise Broken("a compressed message without its length")
        (self.length,), self.data = struct.unpack("<I", data[:4]), data[4:]
        if len(self.data) >= self.length:
            raise Broken("a compressed message that is no shorter so")

    def get(self):
        """The message itself."""
        if not self.compressed:
            return self.data
        inflater = zlib.decompressobj(-15)
        try:
            message = inflater.decompress(self.data, self.length + 1)
        except zlib.error as error:
            raise Malformed(str(error)) from error
        if len(message) != self.length or not inflater.eof or inflater.unused_data:
            raise Malformed(f"not {self.length} bytes")
        return message


def compressed(message):
    """The message as it stands in a frame with COMPRESSED, None if that is no shorter."""
    deflater = zlib.compressobj(wbits=-15)
    data = deflater.compress(message) + deflater.flush()
    return struct.pack("<I", len(message)) + data if len(data) + 4 < len(message) else None


def credit(call, stream, connection):
    """A CREDIT frame."""
    return Frame(CREDIT, call=call, payload=struct.pack("<II", stream, connection))


def read_credit(payload):
    """What a CREDIT gives to its stream and to the connection."""
    if len(payload) < 8:
        raise Broken("a CREDIT that is too short")
    return struct.unpack("<II", payload[:8])


def read_auth(payload):
    """The token of an AUTH."""
    if len(payload) > AUTH_BYTES_MAX:
        raise Broken("an AUTH that is too long")
    return checked(AUTH_MESSAGE, payload)["token"]


def auth(token):
    """An AUTH frame."""
    return Frame(AUTH, payload=encode(AUTH_MESSAGE, {"token": token}))
