//! Tests of compression.

use proptest::prelude::*;

use super::*;

const ON: Compression = Compression { above: Some(16) };

fn deflated(message: &[u8]) -> Option<Deflated> {
    // Bytes as a message have a tag and a length before them.
    struct Raw<'a>(&'a [u8]);
    impl Outgoing for Raw<'_> {
        fn bytes(&self) -> usize {
            self.0.len()
        }
        fn write(&self, _: usize, out: &mut BytesMut) {
            out.extend_from_slice(self.0);
        }
    }
    ON.deflate(&Raw(message))
}

/// As it stands in a frame.
fn written(message: &dyn Outgoing) -> Bytes {
    let mut out = BytesMut::new();
    message.write(message.bytes(), &mut out);
    out.freeze()
}

fn read(message: Bytes) -> Result<Body, String> {
    Body::read(COMPRESSED, message, ON)
}

/// A length and data that may have nothing to do with each other.
fn body(length: u32, data: &[u8]) -> Bytes {
    let mut out = BytesMut::new();
    put(length as usize, data, &mut out);
    out.freeze()
}

/// The data of `length` zeros.
fn zeros(length: usize) -> Vec<u8> {
    let mut data = Vec::with_capacity(length / 1000 + 64);
    let mut compress = Compress::new(flate2::Compression::best(), false);
    let status = compress.compress_vec(&vec![0; length], &mut data, FlushCompress::Finish);
    assert_eq!(status.unwrap(), Status::StreamEnd);
    data
}

/// The data of so many mebibytes of zeros, each in blocks of its own.
fn mebibytes_of_zeros(count: usize) -> Vec<u8> {
    let mut piece = Vec::with_capacity(4096);
    let mut compress = Compress::new(flate2::Compression::best(), false);
    compress.compress_vec(&vec![0; 1 << 20], &mut piece, FlushCompress::Full).unwrap();
    assert_eq!(compress.total_in(), 1 << 20);
    let mut data = piece.repeat(count);
    // The last block, which is empty.
    data.extend([3, 0]);
    data
}

#[test]
fn a_message_that_repeats_itself_becomes_shorter_and_comes_back() {
    let message = b"to and fro, ".repeat(100);
    let sent = deflated(&message).unwrap();
    assert_eq!((sent.bytes(), sent.flags()), (message.len(), COMPRESSED));
    let bytes = written(&sent);
    assert!(bytes.len() < 100, "{} bytes", bytes.len());
    let body = read(bytes).unwrap();
    assert_eq!(body.len(), message.len());
    assert_eq!(body.inflate().unwrap(), message);
}

#[test]
fn the_data_are_laid_out_as_the_specification_says() {
    let sent = written(&deflated(&[b'a'; 100]).unwrap());
    assert_eq!(sent[..4], 100_u32.to_le_bytes());
    // RFC 1951: one block, which is the last, with codes of its own or the fixed ones.
    assert!(matches!(sent[4] & 0b111, 0b011 | 0b101), "{sent:02x?}");
}

#[test]
fn what_would_not_become_shorter_or_is_short_goes_as_it_is() {
    let random: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(4096).collect();
    assert!(deflated(&random).is_none());
    assert!(deflated(&[0; 15]).is_none());
    assert!(deflated(&[0; 16]).is_some());
    assert!(Compression::default().deflate(&vec![0; 1000]).is_none(), "it is off");
    assert!(deflated(&vec![0; FRAME_BYTES_MAX as usize + 1]).is_none(), "it will be refused");
    let mut out = BytesMut::from(&b"head"[..]);
    out.extend_from_slice(&random);
    assert!(!ON.deflate_in_place(&mut out, 4));
    assert_eq!(&out[4..], random, "untouched");
}

#[test]
fn a_message_is_compressed_where_it_stands() {
    let mut out = BytesMut::from(&b"head"[..]);
    out.extend_from_slice(&[7; 1000]);
    assert!(ON.deflate_in_place(&mut out, 4));
    assert_eq!(&out[..4], b"head");
    let body = read(out.split_off(4).freeze()).unwrap();
    assert_eq!(body.inflate().unwrap(), vec![7; 1000]);
}

#[test]
fn who_did_not_ask_for_compressed_messages_takes_none() {
    let message = body(100, &zeros(100));
    let off = Compression::default();
    assert!(Body::read(COMPRESSED, message.clone(), off).is_err());
    assert_eq!(Body::read(!COMPRESSED, message.clone(), off), Ok(Body::Plain(message)));
    assert_eq!(ON.towards(false), off);
    assert_eq!(ON.towards(true), ON);
}

#[test]
fn a_length_that_is_missing_or_not_more_than_that_of_the_data_breaks_the_protocol() {
    for bytes in 0..4 {
        assert!(read(Bytes::from(vec![1; bytes])).is_err());
    }
    assert!(read(body(0, b"")).is_err());
    assert!(read(body(3, b"abc")).is_err());
    assert_eq!(read(body(4, b"abc")).unwrap().len(), 4);
}

#[test]
fn the_largest_message_inflates_from_four_kilobytes() {
    let length = FRAME_BYTES_MAX as usize;
    let data = zeros(length);
    assert!(data.len() < 5000, "{}", data.len());
    let message = read(body(FRAME_BYTES_MAX, &data)).unwrap().inflate().unwrap();
    assert!(message.len() == length && message.iter().all(|byte| *byte == 0));
}

#[test]
fn a_bomb_is_refused_once_it_has_more_than_its_length() {
    // A gibibyte of zeros; nothing of it is made but what was said.
    let bomb = mebibytes_of_zeros(1024);
    assert!(bomb.len() < 2 << 20, "{} bytes", bomb.len());
    assert_eq!(inflate(&mebibytes_of_zeros(2), 2 << 20).unwrap().len(), 2 << 20);
    for length in [FRAME_BYTES_MAX, 2 << 20] {
        let error = read(body(length, &bomb)).unwrap().inflate().unwrap_err();
        assert!(error.contains("has more"), "{error}");
        let made = INFLATER.with_borrow(|inflater| inflater.total_out());
        assert_eq!(made, u64::from(length) + 1);
    }
}

#[test]
fn no_memory_is_reserved_for_what_cannot_come_of_the_data() {
    let error = read(body(u32::MAX, &zeros(1000))).unwrap().inflate().unwrap_err();
    assert_eq!(
        error,
        format!("a compressed message of {} bytes in {}", u32::MAX, zeros(1000).len())
    );
}

#[test]
fn data_that_are_not_the_message_they_are_said_to_be_are_damaged() {
    let data = zeros(1000);
    let mut longer = data.clone();
    longer.push(0);
    let damaged: [(u32, &[u8]); 6] = [
        (1001, &data),
        (999, &data),
        (1000, &longer),
        (1000, &data[..data.len() - 1]),
        (1000, b"\xff\xff\xff"),
        (1, b""),
    ];
    for (length, data) in damaged {
        let error = read(body(length, data)).unwrap().inflate().unwrap_err();
        assert!(error.starts_with("a compressed message "), "{error}");
    }
    // And the next is none the worse for it.
    assert_eq!(read(body(1000, &data)).unwrap().inflate().unwrap(), vec![0; 1000]);
}

proptest! {
    #[test]
    fn every_message_comes_back(
        piece in proptest::collection::vec(any::<u8>(), 1..64),
        times in 1_usize..200,
    ) {
        let message = piece.repeat(times);
        if let Some(sent) = deflated(&message) {
            let bytes = written(&sent);
            prop_assert!(bytes.len() < message.len());
            prop_assert_eq!(read(bytes).unwrap().inflate().unwrap(), message);
        }
    }

    #[test]
    fn whatever_the_data_no_more_comes_of_them_than_their_length(
        length in 0_u32..100_000,
        mut data in proptest::collection::vec(any::<u8>(), 0..200),
        damage in 0_usize..200,
        real: bool,
    ) {
        if real {
            let at = damage % data.len().max(1);
            let mut sound = zeros(length as usize);
            sound.splice(at.min(sound.len()).., data);
            data = sound;
        }
        if let Ok(body) = read(body(length, &data)) {
            if let Ok(message) = body.inflate() {
                prop_assert_eq!(message.len(), length as usize);
            }
            let made = INFLATER.with_borrow(|inflater| inflater.total_out());
            prop_assert!(made <= 100_001);
        }
    }
}
