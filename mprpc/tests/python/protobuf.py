"""As much of proto3 as the wires and the test services need.

A message type is a dict from a field's number to (name, kind). A kind is UINT, BYTES, STRING,
a message type, or a list with one of these for a repeated field. A message is a dict by names.
"""

UINT, BYTES, STRING = "uint", "bytes", "string"


class Malformed(Exception):
    """The bytes are no message of the type."""


def varint(number):
    """The base-128 encoding of a number below 2^64."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def read_varint(data, at):
    """The number that stands at `at`, and where it ends."""
    number = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise Malformed("a varint that is cut off")
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            if number >= 1 << 64:
                raise Malformed("a varint of more than 64 bits")
            return number, at
    raise Malformed("a varint of more than ten bytes")


def _field(number, kind, value):
    if kind == UINT:
        return varint(number << 3) + varint(value)
    if isinstance(kind, dict):
        value = encode(kind, value)
    elif kind == STRING:
        value = value.encode()
    return varint(number << 3 | 2) + varint(len(value)) + value


def encode(kind, message):
    """The bytes of a message; fields that are missing or have their default are left out."""
    out = b""
    for number, (name, field) in sorted(kind.items()):
        value = message.get(name)
        if isinstance(field, list):
            out += b"".join(_field(number, field[0], one) for one in value or ())
        elif isinstance(field, dict):
            out += _field(number, field, value) if value is not None else b""
        elif value:
            out += _field(number, field, value)
    return out


def _default(kind):
    if isinstance(kind, list):
        return []
    return {UINT: 0, BYTES: b"", STRING: ""}[kind] if isinstance(kind, str) else None


def _raw(data, at, wire_type):
    """The value of a field, as a number or as bytes, and where it ends."""
    if wire_type == 0:
        return read_varint(data, at)
    if wire_type == 2:
        size, at = read_varint(data, at)
    elif wire_type in (1, 5):
        size = {1: 8, 5: 4}[wire_type]
    else:
        raise Malformed(f"wire type {wire_type}")
    if size > len(data) - at:
        raise Malformed("a field that is cut off")
    return bytes(data[at : at + size]), at + size


def decode(kind, data):
    """The message that the bytes hold; unknown fields are skipped."""
    message = {name: _default(field) for name, field in kind.values()}
    at = 0
    while at < len(data):
        tag, at = read_varint(data, at)
        if not 0 < tag >> 3 < 1 << 29:
            raise Malformed("a field number out of range")
        value, at = _raw(data, at, tag & 7)
        if tag >> 3 not in kind:
            continue
        name, field = kind[tag >> 3]
        single = field[0] if isinstance(field, list) else field
        if (tag & 7) != (0 if single == UINT else 2):
            raise Malformed(f"{name} has wire type {tag & 7}")
        if isinstance(single, dict):
            value = decode(single, value)
        elif single == STRING:
            try:
                value = value.decode()
            except UnicodeDecodeError as error:
                raise Malformed(f"{name} is no UTF-8") from error
        if isinstance(field, list):
            message[name].append(value)
        else:
            message[name] = value
    return message
