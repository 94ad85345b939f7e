//! What the documents cite must exist: paths, links, and symbols in `back ticks`.
//!
//! What counts as a citation, outside of fenced blocks:
//!
//! * a **path**: `im-wire/src/lib.rs`, `conf/static/*.toml`, `server.rs`. A part is enough, as long
//!   as it ends some file's path or names a folder;
//! * a **symbol**: `Channel::builder`, `MessageService.Send`, `SendReq`, `client_msg_id`, `serve()`.
//!   Each of its words must occur in code, comments not counted. Single short words (`send`) and
//!   words in capitals (`SEND`) say too little to be checked;
//! * a **link** to something that is not on the web.
//!
//! In fenced blocks the paths that start in a folder of the repository are checked, so that a
//! command that is shown can be typed. Columns of tables whose head says `C++` are left out: they
//! name what the original has.

mod code;
mod markdown;

use std::collections::HashSet;

use super::File;
use code::Code;
use markdown::{Citation, citations};

/// Words that documents may cite although they are not in our code, and why.
const FOREIGN: &[(&str, &str)] =
    &[("header_size", "what the original calls the first field of a classic request")];

/// Folders that appear when the programs run.
const MADE_AT_RUN_TIME: &[&str] = &["data", "target"];

/// A name that ends so is a file's.
const EXTENSIONS: &[&str] = &["js", "lock", "md", "mjs", "proto", "rs", "sql", "toml"];

/// Complaints about all documents among `files`.
pub(super) fn complaints(files: &[File]) -> Vec<String> {
    let code = Code::of(files);
    let documents = files.iter().filter(|file| {
        matches!(file.path.as_str(), "README.md" | "mprpc/PROTOCOL.md")
            || (file.path.starts_with("docs/") && file.extension() == "md")
    });
    let mut complaints = Vec::new();
    for document in documents {
        for (line, citation) in citations(&document.text) {
            if let Some(missing) = missing(&code, &document.path, &citation) {
                complaints.push(format!("{}:{line}: no {missing}", document.path));
            }
        }
    }
    complaints
}

/// What is cited and does not exist.
fn missing(code: &Code<'_>, document: &str, citation: &Citation<'_>) -> Option<String> {
    match citation {
        Citation::Link(target) => {
            let target = target.split('#').next().unwrap_or("");
            let folder = document.rsplit_once('/').map_or("", |(folder, _)| folder);
            let exists = target.is_empty() || code.has_path(&resolve(folder, target));
            (!exists).then(|| format!("file `{target}` to link to"))
        }
        Citation::Shown(word) => {
            let path = word.trim_start_matches("./").trim_end_matches('/');
            let checked = path.contains('/') && code.starts_in_folder(path);
            (checked && !is_made_at_run_time(path) && !code.has_path(path))
                .then(|| format!("path `{word}`"))
        }
        Citation::Named(span) => missing_name(code, span),
    }
}

fn missing_name(code: &Code<'_>, span: &str) -> Option<String> {
    let path = span.trim_start_matches("./").trim_end_matches('/');
    if is_path(code, path) {
        let exists = is_made_at_run_time(path) || code.has_path(path);
        return (!exists).then(|| format!("path `{span}`"));
    }
    let symbol = span.split(['(', '<', '{', '!']).next().unwrap_or("").trim_start_matches('&');
    let words: Vec<&str> = symbol.split("::").flat_map(|part| part.split('.')).collect();
    let is_symbol = words.iter().all(|word| is_identifier(word))
        && (words.len() > 1 || span.ends_with("()") || says_enough(symbol));
    if !is_symbol || code.is_external_crate(words[0]) {
        return None;
    }
    let known: HashSet<&str> = FOREIGN.iter().map(|(word, _)| *word).collect();
    let unknown = words.into_iter().find(|word| !code.has_word(word) && !known.contains(word))?;
    Some(format!("`{unknown}` in the code, cited as `{span}`"))
}

fn is_path(code: &Code<'_>, text: &str) -> bool {
    let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "_-./*".contains(c));
    if !plain || text.starts_with('/') {
        return false;
    }
    let is_file = text
        .rsplit_once('.')
        .is_some_and(|(stem, extension)| !stem.is_empty() && EXTENSIONS.contains(&extension));
    is_file || (text.contains('/') && code.starts_in_folder(text))
}

fn is_made_at_run_time(path: &str) -> bool {
    MADE_AT_RUN_TIME.contains(&path.split('/').next().unwrap_or(""))
}

fn is_identifier(word: &str) -> bool {
    word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
}

/// A single word that can only be a name from the code: `snake_case` or `CamelCase`.
fn says_enough(word: &str) -> bool {
    let lower = word.contains(|c: char| c.is_ascii_lowercase());
    let camel = word.starts_with(|c: char| c.is_ascii_uppercase())
        && word.chars().skip(1).any(|c| c.is_ascii_uppercase());
    lower && (word.contains('_') || camel)
}

/// `target` as seen from `folder`, relative to the repository.
fn resolve(folder: &str, target: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> File {
        File { path: path.to_owned(), text: text.to_owned() }
    }

    fn complaints_about(document: &str) -> Vec<String> {
        complaints(&[
            file("docs/ARCHITECTURE.md", document),
            file("README.md", "# MPIM\n"),
            file("conf/static/im-user.toml", "[password]\nlength_min = 8\n"),
            file("scripts/test", "#!/usr/bin/env bash\n"),
            file("proto/proto/user.proto", "service UserService { rpc Login(LoginReq); }\n"),
            file("mprpc/src/channel.rs", "impl Channel { fn builder() {} } // GoneWord\n"),
            file("Cargo.lock", "[[package]]\nname = \"tokio-util\"\nsource = \"registry\"\n"),
        ])
    }

    #[test]
    fn what_exists_may_be_cited() {
        for fine in [
            "`mprpc/src/channel.rs`, `channel.rs`, `src/channel.rs`, `conf/static/*.toml`, `mprpc/`",
            "`Channel::builder`, `Channel::builder(target)`, `UserService.Login`, `LoginReq`",
            "`length_min`, `password.length_min`, `tokio_util::codec`, `std::io::Read`",
            "`SEND <uid> <text>`, `send`, `.proto`, `SIGTERM`, `127.0.0.1:6000`, `/healthz`, `data/user`",
            "[the readme](../README.md#top), [web](https://example.com), `a b/c.rs`",
            "| C++ | here |\n|---|---|\n| `RpcProvider` | `Channel` |\n",
            "```\nscripts/test --quick > ./data/log\nRpcProvider\n```\n",
        ] {
            assert_eq!(complaints_about(fine), [] as [String; 0], "{fine}");
        }
    }

    #[test]
    fn what_does_not_exist_is_seen() {
        for wrong in [
            "`mprpc/src/gone.rs`",
            "`gone.rs`",
            "`conf/cluster/*.toml`",
            "`scripts/gone`",
            "`Channel::gone`",
            "`UserService.Gone`",
            "`GoneWord`",
            "`gone_word`",
            "`gone()`",
            "[gone](GONE.md)",
            "| C++ | here |\n|---|---|\n| `RpcProvider` | `RpcServer` |\n",
            "```\nscripts/gone --quick\n```\n",
        ] {
            assert_eq!(complaints_about(wrong).len(), 1, "{wrong}");
        }
    }
}
