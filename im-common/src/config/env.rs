//! Overrides from the environment: `MPIM_PASSWORD__LENGTH_MIN=6` for `password.length_min`.

use std::ffi::OsString;

use toml::Value;

/// Two underscores stand for the dot: one is part of many names.
const NESTING: &str = "__";

/// The variables that begin with the prefix, as (variable, key, text). Sorted: the order of the
/// environment is nobody's choice, and errors should come in the same order each time.
pub(super) fn overrides(
    prefix: &str,
    variables: impl Iterator<Item = (OsString, OsString)>,
) -> Vec<(String, String, Option<String>)> {
    let start = format!("{prefix}_");
    let mut found: Vec<_> = variables
        .filter_map(|(name, value)| {
            let name = name.into_string().ok()?;
            let key = name.strip_prefix(&start)?.to_lowercase().replace(NESTING, ".");
            Some((name, key, value.into_string().ok()))
        })
        .collect();
    found.sort();
    found
}

/// The variable for a key.
pub(super) fn variable(prefix: &str, key: &str) -> String {
    format!("{prefix}_{}", key.to_uppercase().replace('.', NESTING))
}

/// Reads a text as the kind of value that the default is. What cannot be read stays a string, so
/// that the check of kinds, which is the same for files, reports it.
pub(super) fn parse(text: &str, default: &Value) -> Value {
    let parsed = match default {
        Value::String(_) | Value::Table(_) | Value::Datetime(_) => None,
        Value::Integer(_) => text.parse().ok().map(Value::Integer),
        Value::Float(_) => text.parse().ok().map(Value::Float),
        Value::Boolean(_) => text.parse().ok().map(Value::Boolean),
        Value::Array(_) => format!("value = {text}")
            .parse::<toml::Table>()
            .ok()
            .and_then(|mut table| table.remove("value")),
    };
    parsed.unwrap_or_else(|| Value::String(text.to_owned()))
}
