//! The crate page tells of everything that can be set or counted.

use std::fs;
use std::path::{Path, PathBuf};

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|its| its == extension) {
            found.push(path);
        }
    }
    found
}

/// All that the crate page is made of.
fn page() -> String {
    let texts = files(&folder().join("docs"), "md");
    let texts =
        texts.into_iter().chain(["lib.rs", "metrics.md"].map(|it| folder().join("src").join(it)));
    texts.map(|path| fs::read_to_string(path).unwrap()).collect()
}

/// The methods of builders of channels and servers that set something.
fn options() -> Vec<String> {
    let mut options = Vec::new();
    for file in ["channel/builder.rs", "channel/spread.rs", "server/builder.rs"] {
        let text = fs::read_to_string(folder().join("src").join(file)).unwrap();
        let option = |line: &str| {
            let (name, parameters) = line.strip_prefix("    pub fn ")?.split_once('(')?;
            parameters.starts_with("mut self").then(|| name.to_owned())
        };
        options.extend(text.lines().filter_map(option));
    }
    options
}

/// The names of metrics as they stand in the code.
fn metrics() -> Vec<String> {
    let texts = files(&folder().join("src"), "rs").into_iter().map(fs::read_to_string);
    let texts: Vec<String> = texts.map(Result::unwrap).collect();
    let quoted = texts.iter().flat_map(|text| text.split('"'));
    let is_name = |word: &&str| {
        word.starts_with("mprpc_")
            && word.bytes().all(|byte| byte == b'_' || byte.is_ascii_lowercase())
    };
    quoted.filter(is_name).map(str::to_owned).collect()
}

#[test]
fn the_crate_page_names_every_option_of_channels_and_servers_and_every_metric() {
    let page = page();
    let words: Vec<&str> = page.split(|c: char| c != '_' && !c.is_ascii_alphanumeric()).collect();
    let (options, metrics) = (options(), metrics());
    assert!(options.len() > 30 && metrics.len() > 30, "{options:?} {metrics:?}");
    for name in options.iter().chain(&metrics) {
        assert!(
            words.contains(&name.as_str()),
            "mprpc/docs and metrics.md say nothing of `{name}`"
        );
    }
}
