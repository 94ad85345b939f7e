//! The shipped configuration files: every key is there, with its default, under a comment of its
//! own, and the program that they are for takes them.

use std::collections::BTreeMap;

use im_common::{LogConfig, ShutdownConfig, Validate};
use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

/// Complaints about the file `path` with the text `shipped`, which configures `T` and the process.
pub(super) fn complaints<T>(path: &str, shipped: &str) -> Vec<String>
where
    T: Default + Serialize + DeserializeOwned + Validate,
{
    let mut defaults = table(&T::default());
    // Read by the body of every binary, not by the service.
    let process =
        [("log", table(&LogConfig::default())), ("shutdown", table(&ShutdownConfig::default()))];
    for (section, values) in process.clone() {
        defaults.insert(section.to_owned(), values.into());
    }
    let mut shipped_table: Table = match shipped.parse() {
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
    if complaints.is_empty() {
        for (section, _) in process {
            shipped_table.remove(section);
        }
        complaints.extend(refusals::<T>(shipped_table).map(|refusal| format!("{path}: {refusal}")));
    }
    complaints
}

/// What the program objects to.
fn refusals<T: DeserializeOwned + Validate>(shipped: Table) -> impl Iterator<Item = String> {
    let refusals = match shipped.try_into::<T>() {
        Ok(config) => config.validate().err().unwrap_or_default(),
        Err(error) => vec![error.to_string()],
    };
    refusals.into_iter()
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

/// Numbers of the lines with a key that does not follow a comment.
fn bare_keys(text: &str) -> impl Iterator<Item = usize> {
    let mut explained = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        let is_key = !line.trim().is_empty() && !line.starts_with(['#', '[']);
        let is_bare = is_key && !explained;
        explained = line.starts_with('#');
        is_bare.then_some(index + 1)
    })
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize, Serialize)]
    struct Config {
        data_dir: String,
        limits: Limits,
    }

    #[derive(Deserialize, Serialize)]
    struct Limits {
        members_max: u32,
    }

    impl Validate for Config {
        fn validate(&self) -> Result<(), Vec<String>> {
            if self.data_dir == "refused" { Err(vec!["data_dir: no".to_owned()]) } else { Ok(()) }
        }
    }

    impl Default for Config {
        fn default() -> Self {
            Self { data_dir: "data".to_owned(), limits: Limits { members_max: 500 } }
        }
    }

    const PROCESS: &str = "\n[log]\n# Which.\nfilter = \"info\"\n\
        # How.\nformat = \"auto\"\n# And.\nspans = false\n\
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
            "# Where.\ndata_dir = \"data\"\n\n[limits]\n# How many.\nmembers_max = 500\n# What.\ntypo = 1\n",
            "# Where.\ndata_dir = \"data\"\n\n[limits]\nmembers_max = 500\n",
            "data_dir = ",
        ] {
            let seen = complaints::<Config>("a", &format!("{wrong}{PROCESS}"));
            assert_eq!(seen.len(), 1, "{wrong}\n{seen:?}");
        }
    }

    #[test]
    fn one_comment_explains_one_key() {
        let text = "# explained\na = 1\nb = 2\n\n[section]\nc = 3\n";
        assert_eq!(bare_keys(text).collect::<Vec<_>>(), [3, 6]);
    }

    #[test]
    fn what_the_program_would_refuse_is_seen() {
        let refused = |text: &str| refusals::<Config>(text.parse().unwrap()).count();
        assert_eq!(refused("data_dir = \"data\"\nlimits.members_max = 500"), 0);
        assert_eq!(refused("data_dir = \"refused\"\nlimits.members_max = 500"), 1);
        assert_eq!(refused("data_dir = \"data\"\nlimits.members_max = -1"), 1);
    }
}
