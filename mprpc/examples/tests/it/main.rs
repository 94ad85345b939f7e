//! What mprpc/README.md shows works, and each example runs to its end.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "these are tests")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

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

/// The names of all examples.
fn examples() -> Vec<String> {
    let files = std::fs::read_dir(folder().join("examples")).unwrap();
    let name = |path: PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
    files.map(|file| name(file.unwrap().path())).collect()
}

#[test]
fn the_readme_names_each_example_and_so_do_its_first_lines() {
    let readme = text(folder().join("../README.md"));
    for name in examples() {
        let row = format!("| [{name}](examples/examples/{name}.rs) | ");
        assert!(readme.contains(&row), "mprpc/README.md has no row {row}");
        let source = text(folder().join("examples").join(&name).with_extension("rs"));
        let command = format!("`cargo run -p mprpc-examples --example {name}`");
        let shown: String = source.lines().take_while(|line| line.starts_with("//!")).collect();
        assert!(shown.contains(&command), "{name} does not say how to run it: {command}");
    }
}

#[test]
fn each_example_runs_to_its_end_by_itself() {
    let start = |name: &String| {
        let mut command = Command::new(built().join(name));
        let started = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        (started.unwrap_or_else(|error| panic!("{name}: {error}")), name.clone())
    };
    let names = examples();
    // A few at once: some of them wait, and the machine may be busy with other tests.
    let running = names.chunks(4).flat_map(|few| few.iter().map(start).collect::<Vec<_>>());
    for (example, name) in running {
        let output = example.wait_with_output().expect(&name);
        let said = String::from_utf8_lossy(&output.stdout);
        let complained = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}: {said}{complained}");
        assert!(!said.is_empty(), "{name} shows nothing");
    }
}
