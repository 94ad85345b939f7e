//! The program as one uses it.

use std::process::{Command, Output};

fn program(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mprpc-conformance")).args(arguments).output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn the_list_names_each_case_and_says_what_it_is_about() {
    let listed = program(&["list"]);
    assert!(listed.status.success());
    for case in mprpc_conformance::CASES {
        assert!(text(&listed).contains(&format!("{:<32} {}", case.name, case.about)));
    }
}

#[test]
fn a_case_that_does_not_hold_is_named_with_its_reason_and_fails_the_program() {
    // Nobody listens on port 1.
    let run = program(&["run", "--target", "static://127.0.0.1:1", "empty_unary"]);
    assert_eq!(run.status.code(), Some(1));
    assert!(text(&run).starts_with("FAIL empty_unary: a call failed: "), "{}", text(&run));
    assert!(text(&run).ends_with("0 of 1 cases hold\n"), "{}", text(&run));
}

#[test]
fn what_cannot_run_is_told_apart_from_what_does_not_hold() {
    for arguments in [
        &["run", "--target", "nonsense"][..],
        &["run", "--target", "static://127.0.0.1:1", "no_such_case"],
    ] {
        assert_eq!(program(arguments).status.code(), Some(2), "{arguments:?}");
    }
}
