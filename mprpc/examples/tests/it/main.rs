//! What mprpc/README.md shows works, and each example runs to its end.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "these are tests")]

use std::path::{Path, PathBuf};
use std::process::Command;

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    std::fs::read_to_string(path).unwrap_or_else(|error| format!("{}: {error}", path.display()))
}

/// The text of the first fenced block of a language.
fn block<'a>(document: &'a str, language: &str) -> &'a str {
    let start = format!("```{language}\n");
    let begins = document.find(&start).expect(language) + start.len();
    let length = document[begins..].find("```").expect("the block ends");
    &document[begins..begins + length]
}

#[test]
fn the_readmes_quick_start_is_the_example_and_its_proto_is_what_is_compiled() {
    let readme = text(folder().join("../README.md"));
    assert_eq!(block(&readme, "proto"), text(folder().join("proto/hello.proto")));
    let example = text(folder().join("examples/quick_start.rs"));
    let shown = block(&readme, "rust").replace("quick_start::{", "mprpc_examples::hello::{");
    let (_, body) = example.split_once("use std::time").unwrap();
    assert_eq!(shown, format!("use std::time{body}"));
}

#[test]
fn what_the_readme_links_to_exists() {
    let readme = text(folder().join("../README.md"));
    let links = readme.match_indices("](").map(|(at, _)| &readme[at + 2..]);
    let targets: Vec<&str> =
        links.filter_map(|rest| rest.split_once(')')).map(|(t, _)| t).collect();
    assert!(targets.len() > 5, "{targets:?}");
    for target in targets {
        assert!(folder().join("..").join(target).exists(), "{target}");
    }
}

/// Where cargo puts the examples that it builds before it runs tests.
fn built() -> PathBuf {
    std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().join("examples")
}

#[test]
fn each_example_runs_to_its_end_by_itself() {
    for file in std::fs::read_dir(folder().join("examples")).unwrap() {
        let name = file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned();
        let output = Command::new(built().join(&name)).output().expect(&name);
        let said = String::from_utf8_lossy(&output.stdout);
        let complained = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}: {said}{complained}");
        assert!(!said.is_empty(), "{name} shows nothing");
    }
}
