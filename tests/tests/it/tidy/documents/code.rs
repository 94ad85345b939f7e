//! What the repository has: paths, and the words of its code.

use std::collections::HashSet;

use super::super::File;

/// Files whose words count as code. Documents do not: they would prove each other.
const CODE: &[&str] = &["conf", "js", "mjs", "proto", "rs", "sql", "toml"];

/// Crates of the language itself.
const LANGUAGE: &[&str] = &["alloc", "core", "std"];

/// Paths and words to look up.
pub(super) struct Code<'a> {
    paths: Vec<&'a str>,
    words: HashSet<&'a str>,
    external_crates: HashSet<String>,
}

impl<'a> Code<'a> {
    /// Collects them.
    pub(super) fn of(files: &'a [File]) -> Self {
        let mut words = HashSet::new();
        for file in files {
            let is_code = CODE.contains(&file.extension())
                || ["scripts/", ".ci/"].iter().any(|folder| file.path.starts_with(folder));
            // The words that these checks use as examples prove nothing.
            if is_code && !file.path.starts_with("tests/tests/it/tidy") {
                for line in file.text.lines() {
                    words.extend(without_comment(line).split(|c: char| !is_word(c)));
                }
            }
        }
        let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
        // A crate's name is a word too, although code spells it with `_`.
        words.extend(paths.iter().filter_map(|path| path.split('/').next()));
        let lock = files.iter().find(|file| file.path == "Cargo.lock");
        let external_crates = lock.map(|lock| external_crates(&lock.text)).unwrap_or_default();
        Self { paths, words, external_crates }
    }

    /// Whether the word occurs in code.
    pub(super) fn has_word(&self, word: &str) -> bool {
        self.words.contains(word)
    }

    /// Whether this names a crate that is not ours.
    pub(super) fn is_external_crate(&self, word: &str) -> bool {
        LANGUAGE.contains(&word) || self.external_crates.contains(word)
    }

    /// Whether the first part of the path is a folder of the repository.
    pub(super) fn starts_in_folder(&self, path: &str) -> bool {
        let Some((first, _)) = path.split_once('/') else {
            return false;
        };
        self.paths.iter().any(|known| known.split_once('/').is_some_and(|(top, _)| top == first))
    }

    /// Whether some file's path ends with `path`, or some folder's does. `*` stands for any part of
    /// one component.
    pub(super) fn has_path(&self, path: &str) -> bool {
        let wanted: Vec<&str> = path.split('/').collect();
        let from_root = self.starts_in_folder(path);
        self.paths.iter().any(|known| {
            let known: Vec<&str> = known.split('/').collect();
            let starts = known.len().saturating_sub(wanted.len());
            (0..=starts).any(|start| {
                (start == 0 || !from_root)
                    && known.len() >= start + wanted.len()
                    && wanted.iter().zip(&known[start..]).all(|(pattern, name)| fits(pattern, name))
            })
        })
    }
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Cuts off `// …` and `# …`; what stands in a comment is not code.
fn without_comment(line: &str) -> &str {
    let trimmed = line.trim_start();
    if trimmed.starts_with("//") || trimmed.starts_with("# ") || trimmed == "#" {
        return "";
    }
    line.split_once(" // ").map_or(line, |(code, _)| code)
}

/// Names of the packages in a lock file that come from elsewhere, as code spells them.
fn external_crates(lock: &str) -> HashSet<String> {
    lock.split("[[package]]")
        .filter(|package| package.contains("\nsource = "))
        .filter_map(|package| package.split_once("name = \"")?.1.split('"').next())
        .map(|name| name.replace('-', "_"))
        .collect()
}

/// Whether `name` fits `pattern`, in which `*` stands for anything.
fn fits(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((before, after)) => {
            name.len() >= before.len() + after.len()
                && name.starts_with(before)
                && name.ends_with(after)
        }
    }
}
