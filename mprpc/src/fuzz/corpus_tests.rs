//! The inputs that fuzzing found worth keeping, and random ones, as ordinary tests.

use proptest::prelude::*;

/// Runs a target on each input that is kept for it.
fn kept(target: &str, run: fn(&[u8])) {
    let folder = format!("{}/fuzz/corpus/{target}", env!("CARGO_MANIFEST_DIR"));
    let mut inputs = 0;
    for file in std::fs::read_dir(&folder).unwrap() {
        run(&std::fs::read(file.unwrap().path()).unwrap());
        inputs += 1;
    }
    assert!(inputs > 0, "{folder} is empty");
}

#[test]
fn what_was_found_for_the_classic_codec_is_harmless() {
    kept("classic", super::classic);
}

#[test]
fn what_was_found_for_frames_is_harmless() {
    kept("frames", super::frames);
}

#[test]
fn what_was_found_for_a_server_is_harmless() {
    kept("server", super::server);
}

#[test]
fn what_was_found_for_a_client_is_harmless() {
    kept("client", super::client);
}

/// Frames whose headers make sense, with short payloads of anything.
fn frames() -> impl Strategy<Value = Vec<u8>> {
    let payload = proptest::collection::vec(any::<u8>(), 0..40);
    let frame = (1_u8..10, 0_u8..2, 0_u16..3, 0_u32..4, payload).prop_map(
        |(kind, flags, method, call, payload)| {
            let length = u32::try_from(payload.len()).unwrap();
            let mut bytes = length.to_le_bytes().to_vec();
            bytes.extend([kind, flags]);
            bytes.extend(method.to_le_bytes());
            bytes.extend(call.to_le_bytes());
            bytes.extend(payload);
            bytes
        },
    );
    proptest::collection::vec(frame, 0..24).prop_map(|frames| frames.concat())
}

proptest! {
    #[test]
    fn whatever_comes_is_harmless(data in proptest::collection::vec(any::<u8>(), 0..300)) {
        super::classic(&data);
        super::frames(&data);
        super::server(&data);
        super::client(&data);
    }

    #[test]
    fn whatever_frames_come_are_harmless(script: u8, frames in frames()) {
        super::server(&frames);
        super::client(&[vec![script], frames].concat());
    }
}
