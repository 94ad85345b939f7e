//! The inputs that are kept for the fuzz targets, and what becomes of them, as ordinary tests.

use proptest::{collection::vec, prelude::*, sample::Index};

type Target = fn(&[u8]);

/// What each file of `fuzz/fuzz_targets` calls, by its name.
const TARGETS: [(&str, Target); 4] = [
    ("frames", super::frames),
    ("json", super::json),
    ("lines", super::lines),
    ("web_socket", super::web_socket),
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
            "//! See `im_wire::fuzz::{name}`.\n\n#![no_main]\n\n\
             libfuzzer_sys::fuzz_target!(|data: &[u8]| im_wire::fuzz::{name}(data));\n"
        );
        assert_eq!(text, expected);
        let bin = format!("[[bin]]\nname = \"{name}\"\npath = \"fuzz_targets/{name}.rs\"");
        assert!(manifest.contains(&bin), "{name} is no binary of it");
    }
}

/// The inputs that are kept for a target.
fn kept(target: &str) -> Vec<Vec<u8>> {
    let files = std::fs::read_dir(format!("{FOLDER}/corpus/{target}")).unwrap();
    let mut kept: Vec<_> = files.map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect();
    kept.sort();
    kept
}

#[test]
fn what_is_kept_is_harmless() {
    for (target, run) in TARGETS {
        let inputs = kept(target);
        assert!(!inputs.is_empty(), "{target}");
        inputs.iter().for_each(|input| run(input));
    }
}

/// The beginning of one input, something, and the end of another.
fn crossed(
    inputs: &[Vec<u8>],
    which: (Index, Index),
    cut: (Index, Index),
    middle: &[u8],
) -> Vec<u8> {
    let (one, other) = (which.0.get(inputs), which.1.get(inputs));
    let (end, begin) = (cut.0.index(one.len() + 1), cut.1.index(other.len() + 1));
    [&one[..end], middle, &other[begin..]].concat()
}

proptest! {
    #[test]
    fn whatever_comes_is_harmless(data in vec(any::<u8>(), 0..400)) {
        TARGETS.iter().for_each(|(_, run)| run(&data));
    }

    #[test]
    fn whatever_becomes_of_what_is_kept_is_harmless(
        which: (Index, Index),
        cut: (Index, Index),
        middle in vec(any::<u8>(), 0..6),
    ) {
        for (target, run) in TARGETS {
            run(&crossed(&kept(target), which, cut, &middle));
        }
    }
}
