//! The inputs that fuzzing found worth keeping, and random ones, as ordinary tests.

use proptest::prelude::*;

type Target = fn(&[u8]);

/// What each file of `fuzz/fuzz_targets` calls, by its name.
const TARGETS: [(&str, Target); 5] = [
    ("classic", super::classic),
    ("client", super::client),
    ("frames", super::frames),
    ("inflate", super::inflate),
    ("server", super::server),
];

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz");

/// Only cargo-fuzz builds the targets with what runs them, so they have nothing of their own to get
/// wrong.
#[test]
fn a_target_only_calls_its_function_here() {
    let manifest = std::fs::read_to_string(format!("{FOLDER}/Cargo.toml")).unwrap();
    let files = std::fs::read_dir(format!("{FOLDER}/fuzz_targets")).unwrap();
    let mut files: Vec<_> =
        files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    files.sort();
    assert_eq!(files, TARGETS.map(|(name, _)| format!("{name}.rs")));
    for (name, _) in TARGETS {
        let text = std::fs::read_to_string(format!("{FOLDER}/fuzz_targets/{name}.rs")).unwrap();
        let expected = format!(
            "//! See `mprpc::fuzz::{name}`.\n\n#![no_main]\n\n\
             libfuzzer_sys::fuzz_target!(|data: &[u8]| mprpc::fuzz::{name}(data));\n"
        );
        assert_eq!(text, expected);
        let bin = format!("[[bin]]\nname = \"{name}\"\npath = \"fuzz_targets/{name}.rs\"");
        assert!(manifest.contains(&bin), "{name} is no binary of it");
    }
}

/// The inputs that are kept for a target.
fn kept(target: &str) -> Vec<Vec<u8>> {
    let files = std::fs::read_dir(format!("{FOLDER}/corpus/{target}")).unwrap();
    files.map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect()
}

#[test]
fn what_fuzzing_found_is_harmless() {
    for (target, run) in TARGETS {
        let inputs = kept(target);
        assert!(!inputs.is_empty(), "{target}");
        inputs.iter().for_each(|input| run(input));
    }
}

/// How an input is changed, as a fuzzer would.
#[derive(Clone, Debug)]
enum Change {
    Flip {
        at: usize,
        bits: u8,
    },
    Cut {
        at: usize,
    },
    Insert {
        at: usize,
        bytes: Vec<u8>,
    },
    /// The numbers at which lengths and ids are most likely to go wrong.
    Number {
        at: usize,
        number: u32,
    },
    Twice {
        at: usize,
        bytes: usize,
    },
}

impl Change {
    fn apply(&self, input: &mut Vec<u8>) {
        let within = |at: usize| at % (input.len() + 1);
        match self {
            Self::Flip { at, bits } => {
                if let Some(byte) = input.len().checked_sub(1).map(|last| at % (last + 1)) {
                    input[byte] ^= bits;
                }
            }
            Self::Cut { at } => input.truncate(within(*at)),
            Self::Insert { at, bytes } => {
                let at = within(*at);
                input.splice(at..at, bytes.iter().copied());
            }
            Self::Number { at, number } => {
                let at = within(*at);
                let end = input.len().min(at + 4);
                input.splice(at..end, number.to_le_bytes());
            }
            Self::Twice { at, bytes } => {
                let at = within(*at);
                let part = input[at..input.len().min(at + bytes)].to_vec();
                input.splice(at..at, part);
            }
        }
    }
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<usize>;
    prop_oneof![
        (at(), 1_u8..).prop_map(|(at, bits)| Change::Flip { at, bits }),
        at().prop_map(|at| Change::Cut { at }),
        (at(), proptest::collection::vec(any::<u8>(), 1..16))
            .prop_map(|(at, bytes)| Change::Insert { at, bytes }),
        (
            at(),
            proptest::sample::select(vec![0, 1, 63, 64, 65, 0x7fff_ffff, 0x8000_0000, u32::MAX])
        )
            .prop_map(|(at, number)| Change::Number { at, number }),
        (at(), 1_usize..64).prop_map(|(at, bytes)| Change::Twice { at, bytes }),
    ]
}

/// Frames whose headers make sense, with short payloads of anything.
fn frames() -> impl Strategy<Value = Vec<u8>> {
    let payload = proptest::collection::vec(any::<u8>(), 0..40);
    let frame = (1_u8..10, 0_u8..4, 0_u16..3, 0_u32..4, payload).prop_map(
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
        TARGETS.iter().for_each(|(_, run)| run(&data));
    }

    #[test]
    fn whatever_becomes_of_what_fuzzing_found_is_harmless(
        which: usize,
        changes in proptest::collection::vec(change(), 1..6),
    ) {
        for (target, run) in TARGETS {
            let mut inputs = kept(target);
            inputs.sort();
            let mut input = inputs.swap_remove(which % inputs.len());
            changes.iter().for_each(|change| change.apply(&mut input));
            run(&input);
        }
    }

    #[test]
    fn whatever_frames_come_are_harmless(script: u8, frames in frames()) {
        super::server(&frames);
        super::client(&[vec![script], frames].concat());
    }
}
