//! Keys in their dotted form, and the one that was probably meant.

use toml::Table;
use toml::Value;

/// Every key of `table` in full (`password.length_min`), sections included.
pub(super) fn all(table: &Table) -> Vec<String> {
    let mut keys = Vec::new();
    collect(table, "", &mut keys);
    keys
}

fn collect(table: &Table, prefix: &str, keys: &mut Vec<String>) {
    for (name, value) in table {
        let key = join(prefix, name);
        keys.push(key.clone());
        if let Value::Table(table) = value {
            collect(table, &key, keys);
        }
    }
}

pub(super) fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") }
}

/// The value at a key.
pub(super) fn get<'t>(table: &'t Table, key: &str) -> Option<&'t Value> {
    let (first, rest) = split_first(key);
    match (table.get(first)?, rest) {
        (value, None) => Some(value),
        (Value::Table(table), Some(rest)) => get(table, rest),
        _ => None,
    }
}

/// Replaces the value at a key that exists.
pub(super) fn set(table: &mut Table, key: &str, value: Value) {
    let (first, rest) = split_first(key);
    match (table.get_mut(first), rest) {
        (Some(slot), None) => *slot = value,
        (Some(Value::Table(table)), Some(rest)) => set(table, rest, value),
        _ => {}
    }
}

fn split_first(key: &str) -> (&str, Option<&str>) {
    key.split_once('.').map_or((key, None), |(first, rest)| (first, Some(rest)))
}

/// The known key that is nearest to an unknown one: a slip in one part counts as such, and a key
/// under the wrong section is found by its last part.
pub(super) fn nearest<'k>(unknown: &str, known: &'k [String]) -> Option<&'k str> {
    known.iter().map(String::as_str).min_by_key(|known| {
        let whole = strsim::damerau_levenshtein(unknown, known);
        let last = strsim::damerau_levenshtein(last_part(unknown), last_part(known));
        // The distance of the last part, and then a little for standing elsewhere.
        (whole.min(last + 2), whole)
    })
}

fn last_part(key: &str) -> &str {
    key.rsplit_once('.').map_or(key, |(_, last)| last)
}

/// Whether a key holds something that must not be shown.
pub(super) fn is_secret(key: &str) -> bool {
    let last = last_part(key);
    ["secret", "password", "token", "key"].iter().any(|word| {
        last == *word || last.strip_suffix(word).is_some_and(|rest| rest.ends_with('_'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_key_is_the_one_that_was_meant() {
        let known: Vec<String> =
            ["data_dir", "rpc", "rpc.listen", "log.filter", "password.length_min"]
                .map(str::to_owned)
                .into();
        let nearest = |unknown| nearest(unknown, &known).unwrap();
        assert_eq!(nearest("datadir"), "data_dir");
        assert_eq!(nearest("rcp.listen"), "rpc.listen");
        assert_eq!(nearest("listen"), "rpc.listen");
        assert_eq!(nearest("password.lenght_min"), "password.length_min");
        assert_eq!(nearest("length_min"), "password.length_min");
    }

    #[test]
    fn secrets_are_known_by_the_end_of_their_name() {
        assert!(is_secret("token.secret") && is_secret("database.password"));
        assert!(is_secret("private_key"));
        assert!(!is_secret("password.length_min") && !is_secret("monkey"));
    }
}
