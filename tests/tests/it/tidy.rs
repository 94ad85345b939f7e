//! Style that can be checked is a test.
//!
//! Each rule is a function from what it looks at to a list of complaints, so that it can be shown
//! what it must object to (the tests beside it) as well as the repository (the tests here).

mod arrows;
mod config;
mod documents;
mod text;

use std::path::{Path, PathBuf};
use std::process::Command;

/// A file of the repository; `path` is relative to its root, with `/`.
struct File {
    path: String,
    text: String,
}

impl File {
    fn extension(&self) -> &str {
        Path::new(&self.path).extension().and_then(|extension| extension.to_str()).unwrap_or("")
    }
}

fn repository() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("the package is one level below the root").to_path_buf()
}

/// Every text file that is, or would be, committed.
fn files() -> Vec<File> {
    let root = repository();
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(&root)
        .output()
        .expect("git runs");
    assert!(listed.status.success(), "git ls-files: {}", String::from_utf8_lossy(&listed.stderr));
    let listed = String::from_utf8(listed.stdout).expect("paths are UTF-8");
    let files: Vec<File> = listed
        .split_terminator('\0')
        // What fuzzing found is bytes, even where they happen to be text.
        .filter(|path| !path.contains("/fuzz/corpus/"))
        // A file that is deleted but not committed is not there; a picture has no text.
        .filter_map(|path| {
            let bytes = std::fs::read(root.join(path)).ok()?;
            Some(File { path: path.to_owned(), text: String::from_utf8(bytes).unwrap_or_default() })
        })
        .collect();
    assert!(files.iter().any(|file| file.path == "Cargo.toml"), "the root was not found");
    files
}

fn assert_none(complaints: &[String]) {
    assert!(complaints.is_empty(), "{} complaints:\n{}", complaints.len(), complaints.join("\n"));
}

#[test]
fn crates_depend_only_on_those_the_design_allows() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(repository())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata = serde_json::from_slice(&output.stdout).expect("cargo prints JSON");
    assert_none(&arrows::complaints(&metadata));
}

#[test]
fn mprpc_says_nothing_of_instant_messaging() {
    assert_none(&arrows::foreign_words_in_mprpc(&files()));
}

#[test]
fn no_file_is_longer_than_one_can_keep_in_mind() {
    assert_none(&text::too_long(&files()));
}

#[test]
fn no_file_has_tabs_or_trailing_blanks() {
    assert_none(&files().iter().flat_map(text::blanks).collect::<Vec<_>>());
}

#[test]
fn every_note_of_something_left_to_do_is_explained() {
    assert_none(&files().iter().flat_map(text::bare_notes).collect::<Vec<_>>());
}

#[test]
fn no_file_names_a_package_registry_or_a_path_of_this_machine() {
    let root = repository();
    let root = root.to_str().expect("the root is UTF-8");
    assert_none(&files().iter().flat_map(|file| text::places(file, root)).collect::<Vec<_>>());
}

#[test]
fn the_paths_and_symbols_that_documents_cite_exist() {
    assert_none(&documents::complaints(&files()));
}

#[test]
fn every_rpc_says_what_it_does() {
    let files = files();
    let protos: Vec<&File> =
        files.iter().filter(|file| file.path.starts_with("proto/proto/")).collect();
    assert!(protos.iter().any(|file| file.text.contains("rpc SendBatch")), "none were found");
    assert_none(&protos.into_iter().flat_map(text::bare_rpcs).collect::<Vec<_>>());
}

/// From the path and the text of a file.
type Complaints = fn(&str, &str) -> Vec<String>;

#[test]
fn the_shipped_configuration_files_have_every_key_with_its_default_and_a_comment() {
    let read = |path: &str| std::fs::read_to_string(repository().join(path)).expect(path);
    let shipped: [(&str, Complaints); 15] = [
        ("conf/static/im-user.toml", config::complaints::<im_user::Config>),
        ("conf/static/im-message.toml", config::complaints::<im_message::Config>),
        ("conf/static/im-presence.toml", config::complaints::<im_presence::Config>),
        ("conf/static/im-group.toml", config::complaints::<im_group::Config>),
        ("conf/static/im-gateway.toml", config::complaints::<im_gateway::Config>),
        ("conf/cluster/im-user.toml", config::complaints::<im_user::Config>),
        ("conf/cluster/im-message.toml", config::complaints::<im_message::Config>),
        ("conf/cluster/im-presence.toml", config::complaints::<im_presence::Config>),
        ("conf/cluster/im-group.toml", config::complaints::<im_group::Config>),
        ("conf/cluster/im-gateway.toml", config::complaints::<im_gateway::Config>),
        ("conf/apart/im-presence.toml", config::complaints::<im_presence::Config>),
        ("conf/apart/im-routing.toml", config::complaints::<im_presence::Config>),
        ("conf/apart/im-dispatch.toml", config::complaints::<im_presence::Config>),
        ("conf/apart/im-connections.toml", config::complaints::<im_presence::Config>),
        ("conf/embedded/mpim.toml", config::complaints::<mpim::Config>),
    ];
    let complaints = shipped.iter().flat_map(|(path, complaints)| complaints(path, &read(path)));
    assert_none(&complaints.collect::<Vec<_>>());
    let is_checked = |path: &str| shipped.iter().any(|(checked, _)| *checked == path);
    let is_ours = |path: &String| path.starts_with("conf/") && path.ends_with(".toml");
    let is_unchecked = |path: &String| is_ours(path) && !is_checked(path);
    let unchecked: Vec<_> =
        files().into_iter().map(|file| file.path).filter(is_unchecked).collect();
    assert_eq!(unchecked, Vec::<String>::new(), "shipped and checked by nothing");
}
