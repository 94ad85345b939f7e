//! The shipped configuration files: every key is there, with its default, under a comment of its
//! own, and the program that they are for takes them.

use std::collections::BTreeMap;

use im_common::{ProcessConfig, Validate};
use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

/// What makes a service one of a cluster: keys, or sections whole, whose values in `conf/cluster` are
/// not the defaults. A default is what needs no server.
const OF_A_CLUSTER: &[&str] = &[
    "targets.",
    "original.presence",
    "zookeeper.hosts",
    "zookeeper.snapshot_dir",
    "database.url",
    "redis.cache_url",
    "redis.metadata_url",
    "redis.queue_url",
    "token.key_file",
];

/// What makes a file in `conf/apart` that of one part.
const OF_A_PART: &[&str] = &["parts", "rpc.listen"];

/// Complaints about the file `path` with the text `shipped`, which configures `T` and the process.
pub(super) fn complaints<T>(path: &str, shipped: &str) -> Vec<String>
where
    T: Default + Serialize + DeserializeOwned + Validate,
{
    // Read by the body of every binary, not by the service, which may have other defaults.
    let process = table(&ProcessConfig::with_admin_port(admin_port(path)));
    let mut defaults = process.clone();
    defaults.extend(table(&T::default()));
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
            Some(value) if value != default && !may_differ(path, key) => {
                complaints.push(format!("{path}: {key} is {value}, its default is {default}"));
            }
            Some(_) => {}
        }
    }
    let unknown = values.keys().filter(|key| !defaults.contains_key(*key));
    complaints.extend(unknown.map(|key| format!("{path}: {key} configures nothing")));
    complaints.extend(bare_keys(shipped).map(|line| format!("{path}:{line}: no comment above it")));
    if complaints.is_empty() {
        let of_both = table(&T::default());
        for section in process.keys().filter(|section| !of_both.contains_key(*section)) {
            shipped_table.remove(section);
        }
        complaints.extend(refusals::<T>(shipped_table).map(|refusal| format!("{path}: {refusal}")));
    }
    complaints
}

fn may_differ(path: &str, key: &str) -> bool {
    path.starts_with("conf/cluster/") && OF_A_CLUSTER.iter().any(|start| key.starts_with(start))
        || path.starts_with("conf/apart/") && OF_A_PART.contains(&key)
}

/// Each program has its own, so that all of them can run on one machine.
fn admin_port(path: &str) -> u16 {
    let programs = ["im-user", "im-message", "im-presence", "im-group", "im-gateway"];
    let parts = ["im-routing", "im-dispatch", "im-connections"];
    let place = programs.iter().chain(&parts).position(|name| path.contains(name));
    (9010..).nth(place.unwrap_or(0)).expect("there are nine")
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

    /// The sections of the process, each key under a comment.
    fn process() -> String {
        let process = toml::to_string(&ProcessConfig::with_admin_port(9010)).unwrap();
        let explained = process.lines().map(|line| match line.contains(" = ") {
            true => format!("# What.\n{line}\n"),
            false => format!("{line}\n"),
        });
        format!("\n{}", explained.collect::<String>())
    }

    #[test]
    fn a_complete_and_explained_file_passes() {
        let file = "# Where.\ndata_dir = \"data\"\n\n[limits]\n# How many.\nmembers_max = 500\n";
        assert_eq!(complaints::<Config>("a", &format!("{file}{}", process())), [] as [String; 0]);
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
            let seen = complaints::<Config>("a", &format!("{wrong}{}", process()));
            assert_eq!(seen.len(), 1, "{wrong}\n{seen:?}");
        }
    }

    #[test]
    fn only_what_makes_a_cluster_differs_in_its_files() {
        for key in ["targets.user", "zookeeper.hosts", "database.url"] {
            assert!(may_differ("conf/cluster/im-user.toml", key), "{key}");
            assert!(!may_differ("conf/static/im-user.toml", key), "{key}");
        }
        for key in ["rpc.listen", "zookeeper.session_timeout_ms", "database.connections_max"] {
            assert!(!may_differ("conf/cluster/im-user.toml", key), "{key}");
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
