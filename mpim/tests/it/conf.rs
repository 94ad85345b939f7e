//! Every shipped file loads, holds every key with its default, and explains each.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use im_common::{LogConfig, ShutdownConfig, Validate};
use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

#[test]
fn the_embedded_file_is_the_defaults_explained() {
    check::<mpim::Config>("embedded/mpim.toml");
}

#[test]
fn the_file_of_im_user_is_its_defaults_explained() {
    check::<im_user::Config>("static/im-user.toml");
}

#[test]
fn the_file_of_im_message_is_its_defaults_explained() {
    check::<im_message::Config>("static/im-message.toml");
}

#[test]
fn the_file_of_im_presence_is_its_defaults_explained() {
    check::<im_presence::Config>("static/im-presence.toml");
}

#[test]
fn the_file_of_im_group_is_its_defaults_explained() {
    check::<im_group::Config>("static/im-group.toml");
}

#[test]
fn the_file_of_im_gateway_is_its_defaults_explained() {
    check::<im_gateway::Config>("static/im-gateway.toml");
}

#[test]
fn no_shipped_file_is_left_unchecked() {
    let mut files: Vec<_> = ["embedded", "static"]
        .iter()
        .flat_map(|folder| std::fs::read_dir(conf().join(folder)).unwrap())
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    let services = ["gateway", "group", "message", "presence", "user"];
    let mut expected: Vec<_> = services.iter().map(|name| format!("im-{name}.toml")).collect();
    expected.push("mpim.toml".to_owned());
    assert_eq!(files, expected);
}

fn conf() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../conf")
}

/// A shipped file against the defaults of the program that it is for.
fn check<C>(file: &str)
where
    C: Default + Serialize + DeserializeOwned + Validate,
{
    let text = std::fs::read_to_string(conf().join(file)).unwrap();
    let mut shipped: Table = text.parse().unwrap();

    let mut defaults = Table::try_from(C::default()).unwrap();
    let process = [
        ("log", Table::try_from(LogConfig::default()).unwrap()),
        ("shutdown", Table::try_from(ShutdownConfig::default()).unwrap()),
    ];
    for (section, values) in process.clone() {
        defaults.insert(section.to_owned(), Value::Table(values));
    }
    let (shipped_keys, default_keys) = (flat(&shipped), flat(&defaults));
    let missing: Vec<_> = default_keys.difference(&shipped_keys).collect();
    let wrong: Vec<_> = shipped_keys.difference(&default_keys).collect();
    assert!(
        missing.is_empty() && wrong.is_empty(),
        "{file}: the defaults have {missing:?}, the file has {wrong:?} instead"
    );
    assert_eq!(unexplained(&text), Vec::<String>::new(), "keys without a comment in {file}");

    for (section, _) in process {
        shipped.remove(section);
    }
    let config: C = Value::Table(shipped).try_into().unwrap();
    config.validate().unwrap();
}

/// Every `key = value`, the keys in full.
fn flat(table: &Table) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    for (name, value) in table {
        match value {
            Value::Table(table) => {
                keys.extend(flat(table).into_iter().map(|key| format!("{name}.{key}")));
            }
            value => {
                keys.insert(format!("{name} = {value}"));
            }
        }
    }
    keys
}

/// The keys whose line does not follow a comment.
fn unexplained(text: &str) -> Vec<String> {
    let lines = || text.lines().map(str::trim);
    let before = std::iter::once("").chain(lines());
    lines()
        .zip(before)
        .filter(|(line, before)| {
            let is_key = !line.is_empty() && !line.starts_with(['#', '[']);
            is_key && !before.starts_with('#')
        })
        .map(|(line, _)| line.to_owned())
        .collect()
}

#[test]
fn a_key_without_a_comment_is_noticed() {
    let text = "# explained\na = 1\nb = 2\n\n[section]\nc = 3\n";
    assert_eq!(unexplained(text), ["b = 2", "c = 3"]);
}
