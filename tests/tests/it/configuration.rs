//! The shipped files, and files with a mistake in them.

use std::path::{Path, PathBuf};
use std::process::Output;

use mpim_tests::Process;

/// Every shipped file with the program that it is for.
fn shipped() -> Vec<(&'static str, PathBuf)> {
    let conf = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("conf");
    let mut files = vec![("mpim", conf.join("embedded/mpim.toml"))];
    for program in ["im-user", "im-message", "im-presence", "im-group", "im-gateway"] {
        for folder in ["static", "cluster"] {
            files.push((program, conf.join(format!("{folder}/{program}.toml"))));
        }
    }
    for part in ["presence", "routing", "dispatch", "connections"] {
        files.push(("im-presence", conf.join(format!("apart/im-{part}.toml"))));
    }
    files
}

#[test]
fn every_shipped_file_is_tested_here() {
    let conf = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("conf");
    let folders = std::fs::read_dir(conf).unwrap();
    let files = folders.flat_map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap());
    let files = files.map(|file| file.unwrap().path());
    // nginx reads its own, in a test of its own.
    let mut files: Vec<_> =
        files.filter(|file| file.extension() == Some("toml".as_ref())).collect();
    let mut tested: Vec<_> = shipped().into_iter().map(|(_, file)| file).collect();
    files.sort();
    tested.sort();
    assert_eq!(files, tested);
}

/// Runs a program to its end.
async fn run(process: Process) -> Output {
    process.command().output().await.unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test]
async fn a_check_of_each_shipped_file_succeeds_and_says_what_it_would_do() {
    for (program, file) in shipped() {
        let directory = tempfile::tempdir().unwrap();
        let process = Process::new(program, directory.path());
        let output = run(process.argument("--config").argument(&file).argument("--check")).await;
        let (said, errors) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{program}: {said}{errors}");
        let first = format!("{program}: the configuration is valid; it would run with\n");
        assert!(said.starts_with(&first) && said.contains("rpc.listen"), "{said}");
        let left: Vec<_> = std::fs::read_dir(directory.path()).unwrap().collect();
        assert!(left.is_empty(), "{program} --check has left {left:?}");
    }
}

/// What a program says about its shipped file with one line changed; it must not start.
async fn complaint(program: &'static str, file: &Path, from: &str, to: &str) -> (String, usize) {
    let directory = tempfile::tempdir().unwrap();
    let shipped = std::fs::read_to_string(file).unwrap();
    let line = shipped.lines().position(|line| line == from);
    let line = line.unwrap_or_else(|| panic!("{} has no line {from:?}", file.display())) + 1;
    let changed: Vec<_> = shipped
        .lines()
        .enumerate()
        .map(|(index, text)| if index + 1 == line { to } else { text })
        .collect();
    std::fs::write(directory.path().join("changed.toml"), changed.join("\n")).unwrap();
    let process = Process::new(program, directory.path());
    let output = run(process.argument("-i").argument("changed.toml")).await;
    assert_eq!(output.status.code(), Some(2), "{program}: {}", text(&output.stdout));
    (text(&output.stderr), line)
}

#[tokio::test]
async fn a_typo_is_named_with_its_place_and_the_key_that_was_probably_meant() {
    for (program, file) in shipped() {
        let (from, to) = ("filter = \"info\"", "fitler = \"info\"");
        let (said, line) = complaint(program, &file, from, to).await;
        for part in [&format!("changed.toml:{line}"), "log.fitler", "log.filter"] {
            assert!(said.contains(part), "{program} says {said:?}, without {part:?}");
        }
    }
}

#[tokio::test]
async fn a_bad_value_is_named_with_its_place_and_what_would_be_right() {
    for (program, file) in shipped() {
        let (from, to) = ("drain_ms = 10000", "drain_ms = \"soon\"");
        let (said, line) = complaint(program, &file, from, to).await;
        for part in [&format!("changed.toml:{line}"), "shutdown.drain_ms", "integer"] {
            assert!(said.contains(part), "{program} says {said:?}, without {part:?}");
        }
    }
}

#[tokio::test]
async fn a_missing_file_a_wrong_variable_and_a_wrong_argument_are_named() {
    let directory = tempfile::tempdir().unwrap();
    for (program, _) in shipped() {
        let process = || Process::new(program, directory.path());
        for (process, expected) in [
            (process().argument("-i").argument("no/such.toml"), "no/such.toml"),
            (process().variable("MPIM_LOG__FITLER", "info"), "MPIM_LOG__FITLER"),
            (process().argument("--chekc"), "--chekc"),
        ] {
            let output = run(process).await;
            assert_eq!(output.status.code(), Some(2), "{program}: {}", text(&output.stdout));
            let said = text(&output.stderr);
            assert!(said.contains(expected), "{program} says {said:?}, without {expected:?}");
        }
    }
}

#[tokio::test]
async fn every_program_tells_its_version_and_how_it_is_used() {
    let directory = tempfile::tempdir().unwrap();
    for (program, _) in shipped() {
        let output = run(Process::new(program, directory.path()).argument("--version")).await;
        assert_eq!(text(&output.stdout), format!("{program} {}\n", env!("CARGO_PKG_VERSION")));
        let output = run(Process::new(program, directory.path()).argument("--help")).await;
        assert!(text(&output.stdout).contains("--check"), "{}", text(&output.stdout));
    }
}
