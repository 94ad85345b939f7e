//! The shipped configuration files: every key is there, with its default, under a comment.

use std::collections::BTreeMap;

use im_common::{LogConfig, ShutdownConfig};
use serde::Serialize;
use toml::{Table, Value};

/// Complaints about the file `path` with the text `shipped`, which configures `T` and the process.
pub(super) fn complaints<T: Default + Serialize>(path: &str, shipped: &str) -> Vec<String> {
    let mut defaults = table(&T::default());
    // Read by the body of every binary, not by the service.
    defaults.insert("log".to_owned(), table(&LogConfig::default()).into());
    defaults.insert("shutdown".to_owned(), table(&ShutdownConfig::default()).into());
    let shipped_table: Table = match shipped.parse() {
        Ok(table) => table,
        Err(error) => return vec![format!("{path}: {error}")],
    };
    let defaults = flat(&defaults);
    let values = flat(&shipped_table);
    let mut complaints = Vec::new();
    for (key, default) in &defaults {
        match values.get(key) {
            None => complaints.push(format!("{path}: {key} is missing")),
            Some(value) if value != default => {
                complaints.push(format!("{path}: {key} is {value}, its default is {default}"));
            }
            Some(_) => {}
        }
    }
    let unknown = values.keys().filter(|key| !defaults.contains_key(*key));
    complaints.extend(unknown.map(|key| format!("{path}: {key} configures nothing")));
    complaints.extend(bare_keys(shipped).map(|line| format!("{path}:{line}: no comment above it")));
    complaints
}

fn table<T: Serialize>(value: &T) -> Table {
    Table::try_from(value).expect("a configuration is a table")
}

/// The leaves of a table, by their keys in full.
fn flat(table: &Table) -> BTreeMap<String, String> {
    let mut leaves = BTreeMap::new();
    for (key, value) in table {
        match value {
            Value::Table(inner) => {
                leaves.extend(
                    flat(inner).into_iter().map(|(rest, leaf)| (format!("{key}.{rest}"), leaf)),
                );
            }
            leaf => {
                leaves.insert(key.clone(), leaf.to_string());
            }
        }
    }
    leaves
}

/// Numbers of the lines with a key that no comment stands above. One comment may stand above
/// several keys.
fn bare_keys(text: &str) -> impl Iterator<Item = usize> {
    let mut explained = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        if line.starts_with('#') {
            explained = true;
        } else if line.trim().is_empty() {
            explained = false;
        } else if !line.starts_with('[') && line.contains('=') {
            return (!explained).then_some(index + 1);
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Config {
        data_dir: String,
        limits: Limits,
    }

    #[derive(Serialize)]
    struct Limits {
        members_max: u32,
    }

    impl Default for Config {
        fn default() -> Self {
            Self { data_dir: "data".to_owned(), limits: Limits { members_max: 500 } }
        }
    }

    const PROCESS: &str = "\n[log]\n# How.\nfilter = \"info\"\nformat = \"auto\"\nspans = false\n\
        \n[shutdown]\n# Until when.\ndrain_ms = 10000\n";

    #[test]
    fn a_complete_and_explained_file_passes() {
        let file = "# Where.\ndata_dir = \"data\"\n\n[limits]\n# How many.\nmembers_max = 500\n";
        assert_eq!(complaints::<Config>("a", &format!("{file}{PROCESS}")), [] as [String; 0]);
    }

    #[test]
    fn what_is_missing_unknown_bare_or_no_default_is_seen() {
        for wrong in [
            "# Where.\ndata_dir = \"data\"\n",
            "# Where.\ndata_dir = \"elsewhere\"\n\n[limits]\n# How many.\nmembers_max = 500\n",
            "# Where.\ndata_dir = \"data\"\n\n[limits]\n# How many.\nmembers_max = 500\ntypo = 1\n",
            "# Where.\ndata_dir = \"data\"\n\n[limits]\nmembers_max = 500\n",
            "data_dir = ",
        ] {
            let seen = complaints::<Config>("a", &format!("{wrong}{PROCESS}"));
            assert_eq!(seen.len(), 1, "{wrong}\n{seen:?}");
        }
    }
}
