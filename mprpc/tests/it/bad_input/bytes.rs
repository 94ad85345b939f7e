//! Frames and requests byte by byte, also such as make no sense.

pub(super) const SETTINGS: u8 = 1;
pub(super) const REQUEST: u8 = 2;
pub(super) const RESPONSE: u8 = 3;
pub(super) const CANCEL: u8 = 4;
pub(super) const PING: u8 = 5;
pub(super) const PONG: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const DATA: u8 = 8;
pub(super) const CREDIT: u8 = 9;
pub(super) const AUTH: u8 = 10;
pub(super) const END: u8 = 1;

/// The call of those cases that have one.
pub(super) const CALL: u32 = 7;

/// A header of v2 that promises `length` bytes.
pub(super) fn header(length: u32, kind: u8, flags: u8, method: u16, call: u32) -> Vec<u8> {
    let mut bytes = length.to_le_bytes().to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(method.to_le_bytes());
    bytes.extend(call.to_le_bytes());
    bytes
}

pub(super) fn frame(kind: u8, flags: u8, call: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap();
    [header(length, kind, flags, 0, call), payload.to_vec()].concat()
}

/// What a client says first, and then this.
pub(super) fn v2(then: impl AsRef<[u8]>) -> Vec<u8> {
    [b"MPR2", &frame(SETTINGS, 0, 0, &[])[..], then.as_ref()].concat()
}

pub(super) fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    bytes.push(value.to_le_bytes()[0]);
    bytes
}

/// A field of protobuf that holds bytes.
pub(super) fn field(number: u8, value: &[u8]) -> Vec<u8> {
    [&[number << 3 | 2][..], &varint(value.len() as u64), value].concat()
}

/// Groups in groups, of a field that nobody knows.
pub(super) fn nested(depth: usize) -> Vec<u8> {
    [[0x7b].repeat(depth), [0x7c].repeat(depth)].concat()
}

/// The payload of a request: its head's length, its head, its message.
pub(super) fn payload(head: &[u8], message: &[u8]) -> Vec<u8> {
    [&varint(head.len() as u64)[..], head, message].concat()
}

/// A request for a method of the echo service, whose number it names.
pub(super) fn request(method: &str, flags: u8, call: u32, message: &[u8]) -> Vec<u8> {
    let path = format!("echo.EchoService/{method}");
    frame(REQUEST, flags, call, &payload(&field(1, path.as_bytes()), message))
}

/// A request of the classic wire.
pub(super) fn classic(header: &[u8], arguments: &[u8]) -> Vec<u8> {
    let length = u32::try_from(header.len()).unwrap();
    [&length.to_le_bytes()[..], header, arguments].concat()
}

/// Its header, which promises `arguments` bytes.
pub(super) fn classic_header(service: &[u8], method: &[u8], arguments: u64) -> Vec<u8> {
    [field(1, service), field(2, method), vec![0x18], varint(arguments)].concat()
}
