"""Checks the implementation in wire.py against the golden vectors: `golden.py FOLDER`.

A vector is a file of bytes in hex, with comments. The comment `expect:` says in JSON what stands
there. It must be read so and, unless it is for decoding only, must be what is written for it; one
that is broken must be refused.
"""

import json
import pathlib
import sys

import wire
from protobuf import encode
from wire import Frame


def parse(text):
    """The bytes, and what to expect of them."""
    lines = text.splitlines()
    (expected,) = (line[9:] for line in lines if line.startswith("# expect:"))
    return bytes.fromhex("".join(line.split("#")[0] for line in lines)), json.loads(expected)


def reader(data):
    """A function that reads exactly n bytes; more than there are is broken as well."""
    at = 0

    def read(size):
        nonlocal at
        assert size <= 1 << 22, "waits for more than it may"
        at += size
        if at > len(data):
            raise AssertionError("waits for bytes that it need not see")
        return data[at - size : at]

    return read, lambda: at == len(data)


def classic(data, expected):
    read, at_end = reader(data)
    if expected["classic"] == "answer":
        message = wire.read_classic_answer(read)
        assert message.hex() == expected["message"], message
        written = wire.classic_answer(message)
    else:
        service, method, arguments = wire.read_classic_request(read)
        found = [service.decode(), method.decode(), arguments.hex()]
        assert found == [expected[name] for name in ("service", "method", "arguments")], found
        written = wire.classic_request(found[0], found[1], arguments)
    assert at_end(), "not everything was read"
    return written


def unpacked(flags, data):
    """The message that stands there."""
    return wire.Message(flags, data, inflates=True).get().hex()


def head(kind, frame, expected):
    """Reads a head and its message, and writes them again."""
    found, message = wire.split_head(kind, frame.payload)
    plain = dict(found)
    if kind is wire.REQUEST_HEAD:
        plain["metadata"] = [[one["name"], one["value"].hex()] for one in found["metadata"]]
    else:
        plain["details"] = found["details"].hex()
    if expected:
        assert [plain, unpacked(frame.flags, message)] == [expected["head"], expected["message"]], plain
    return wire.with_head(kind, found, message)


def body(frame, expected):
    """What the frame's payload says, and the payload that is written for it."""
    heads = {wire.REQUEST: wire.REQUEST_HEAD, wire.RESPONSE: wire.RESPONSE_HEAD}
    messages = {
        wire.SETTINGS: ("settings", wire.SETTINGS_MESSAGE),
        wire.GOAWAY: ("goaway", wire.GOAWAY_MESSAGE),
    }
    if frame.kind in heads:
        return head(heads[frame.kind], frame, expected)
    if frame.kind in messages:
        name, kind = messages[frame.kind]
        found = wire.checked(kind, frame.payload)
        assert not expected or found == expected[name], found
        return encode(kind, found)
    if frame.kind == wire.CREDIT:
        stream, connection = wire.read_credit(frame.payload)
        assert not expected or [stream, connection] == [expected["stream"], expected["connection"]]
        return wire.credit(frame.call, stream, connection).payload
    if frame.kind == wire.AUTH:
        token = wire.read_auth(frame.payload)
        assert not expected or token.hex() == expected["token"], token
        return wire.auth(token).payload
    if frame.kind == wire.DATA:
        found = unpacked(frame.flags, frame.payload)
    else:
        found = frame.payload.hex()
    assert not expected or found == expected.get("payload", ""), found
    return frame.payload


def v2(data, expected):
    read, at_end = reader(data)
    frame = wire.read_frame(read)
    while frame.kind not in wire.KINDS:
        frame = wire.read_frame(read)
    fields = [frame.kind, frame.flags, frame.method, frame.call]
    assert fields == [expected[name] for name in ("frame", "flags", "method", "call")], fields
    payload = body(frame, None if expected.get("broken") else expected)
    assert at_end(), "not everything was read"
    return Frame(*fields, payload).encode()


def check(data, expected):
    if expected.get("preface"):
        assert data == wire.PREFACE
        return
    decode = classic if "classic" in expected else v2
    try:
        written = decode(data, expected)
    except wire.Broken:
        assert expected.get("broken"), "refused"
        return
    assert not expected.get("broken"), "not refused"
    assert expected.get("decode_only") or written == data, f"written as {written.hex(' ')}"


def main():
    vectors = sorted(pathlib.Path(sys.argv[1]).glob("*.hex"))
    for vector in vectors:
        try:
            check(*parse(vector.read_text(encoding="utf-8")))
        except Exception as error:
            sys.exit(f"{vector.name}: {error!r}")
    print(len(vectors), "vectors")


if __name__ == "__main__":
    main()
