//! WebSocket: what lengths say, and what they may cost.

use crate::web_socket::{BINARY, MASK, close_code, drain, frame, frames, logged_in, take};
use bytes::BytesMut;
use im_wire::frames::put_frame;
use im_wire::web_socket::{Incoming, Messages};

/// A client's header that announces so many bytes, in eight.
fn announced(flags: u8, bytes: u64) -> Vec<u8> {
    [&[flags, 0xff][..], &bytes.to_be_bytes(), &MASK].concat()
}

#[test]
fn memory_grows_with_what_arrives_and_not_with_what_is_announced() {
    const BYTES: u64 = 64 << 10;
    let whole = announced(BINARY, BYTES);
    // The second frame of a message, too.
    let first = frame(0x02, b"x");
    let second = [&first[..], &announced(0x80, BYTES)].concat();
    for (begin, message_bytes) in [(whole, BYTES), (second, BYTES + 1)] {
        let mut messages = Messages::new(1 << 20);
        messages.receive(&begin);
        assert_eq!(drain(&mut messages), []);
        let begun = messages.buffer_bytes();
        assert!(begun < 1_024, "holds {begun} for {} bytes", begin.len());
        let (mut came, bytes) = (0, usize::try_from(BYTES).unwrap());
        while came < bytes {
            messages.receive(&[0; 1_000][..1_000.min(bytes - came)]);
            came += 1_000;
            let held = messages.buffer_bytes();
            assert!(held <= begun + 3 * came, "holds {held} of {came}");
            if came < bytes {
                assert_eq!(drain(&mut messages), []);
            }
        }
        let all = drain(&mut messages);
        let [Incoming::Binary(all)] = &all[..] else { panic!("{}", all.len()) };
        assert_eq!(all.len() as u64, message_bytes);
        assert_eq!(messages.buffer_bytes(), 0);
    }
}

#[test]
fn a_length_is_judged_by_the_header_alone() {
    const MAX: usize = 1 << 20;
    let max = MAX as u64;
    for (length, code) in [
        (65_536, None),
        (max, None),
        (max + 1, Some(1009)),
        ((1 << 31) - 1, Some(1009)),
        (1 << 31, Some(1009)),
        (u32::MAX.into(), Some(1009)),
        (1 << 63, Some(1009)),
        (u64::MAX, Some(1009)),
        // Each has a shorter form, and so may not have this one.
        (0, Some(1002)),
        (7, Some(1002)),
        (125, Some(1002)),
    ] {
        let mut messages = Messages::new(MAX);
        messages.receive(&announced(BINARY, length));
        let expected = code.map(|_| Incoming::Closed);
        assert_eq!(messages.next_message(), expected, "{length}");
        let sent = frames(messages.output());
        assert_eq!(sent.first().map(|(_, payload)| close_code(payload)), code, "{length}");
        assert!(messages.buffer_bytes() < 512, "{length}: {}", messages.buffer_bytes());
    }
}

#[test]
fn a_binary_message_that_is_more_than_one_frame_or_less_ends_the_connection() {
    let mut beat = BytesMut::new();
    put_frame(&mut beat, 9002, b"{}");
    let saying = |length: u32| [&length.to_be_bytes()[..], &beat[4..]].concat();
    for bytes in [
        &b""[..],
        &beat[..7],
        &beat[..9],
        &[&beat[..], b"x"].concat(),
        &saying(0),
        &saying(7),
        &saying(8),
        &saying(11),
        &saying(1 << 31),
        &saying(u32::MAX),
    ] {
        let mut connection = logged_in();
        connection.receive(&frame(BINARY, bytes));
        assert!(connection.next_command().is_none());
        assert_eq!(connection.ended(), Some("bad length"), "{bytes:?}");
        connection.close("bad length");
        assert_eq!(close_code(&frames(connection.output())[0].1), 1002);
    }
    let mut connection = logged_in();
    connection.receive(&frame(BINARY, &beat));
    assert!(connection.next_command().is_none());
    assert_eq!((take(&mut connection).len(), connection.ended()), (1, None));
}
