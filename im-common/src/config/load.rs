//! Layers a file, the environment and arguments over the defaults, checking every key on the way.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::error::{ConfigError, Origin, Problem};
use super::file::File;
use super::{Validate, env, key};

/// The layers of one program's configuration, later ones over earlier ones.
#[derive(Default)]
pub(crate) struct Layers<'a> {
    pub(crate) file: Option<&'a Path>,
    pub(crate) env_prefix: &'a str,
    pub(crate) env: Vec<(OsString, OsString)>,
    /// (argument, key, value)
    pub(crate) arguments: Vec<(&'static str, &'static str, String)>,
}

/// All keys with the values that hold, and where each was set.
#[derive(Debug)]
pub(crate) struct Effective {
    pub(super) defaults: Table,
    pub(super) values: Table,
    pub(super) origins: BTreeMap<String, Origin>,
    pub(super) problems: Vec<Problem>,
    env_prefix: String,
}

impl Layers<'_> {
    /// Puts the layers together over `defaults`, whose keys are the known ones. Wrong keys and
    /// values of a wrong kind are left out and noted, so that one run finds them all.
    pub(crate) fn over(self, defaults: Table) -> Result<Effective, ConfigError> {
        let mut effective = Effective {
            values: defaults.clone(),
            defaults,
            origins: BTreeMap::new(),
            problems: Vec::new(),
            env_prefix: self.env_prefix.to_owned(),
        };
        if let Some(path) = self.file {
            let mut file = File::read(path)?;
            let values = std::mem::take(&mut file.values);
            effective.table(values, "", &|key| file.origin(key));
        }
        for (variable, key, text) in env::overrides(self.env_prefix, self.env.into_iter()) {
            let origin = Origin::Env(variable);
            match text {
                Some(text) => effective.text(&key, &text, origin),
                None => effective.problem(&key, origin, "must be UTF-8".to_owned()),
            }
        }
        for (argument, key, text) in self.arguments {
            effective.text(key, &text, Origin::Argument(argument));
        }
        Ok(effective)
    }
}

impl Effective {
    /// Lays a table of a file over the values.
    fn table(&mut self, table: Table, prefix: &str, origin: &dyn Fn(&str) -> Origin) {
        for (name, value) in table {
            let key = key::join(prefix, &name);
            match (value, key::get(&self.defaults, &key)) {
                (Value::Table(table), Some(Value::Table(_))) => self.table(table, &key, origin),
                (value, Some(_)) => self.value(&key, value, origin(&key)),
                (_, None) => self.unknown(&key, origin(&key)),
            }
        }
    }

    /// Lays one text of the environment or the command line over the values.
    fn text(&mut self, key: &str, text: &str, origin: Origin) {
        match key::get(&self.defaults, key) {
            Some(default) => {
                let value = env::parse(text, default);
                self.value(key, value, origin);
            }
            None => self.unknown(key, origin),
        }
    }

    fn value(&mut self, key: &str, value: Value, origin: Origin) {
        let Some(default) = key::get(&self.defaults, key) else {
            return;
        };
        let value = match (value, default) {
            // A whole number is a fine way to write a fraction.
            #[expect(clippy::cast_precision_loss, reason = "nobody configures 2^53")]
            (Value::Integer(whole), Value::Float(_)) => Value::Float(whole as f64),
            (value, _) => value,
        };
        if !value.same_type(default) {
            let what = format!("must be {}, is {}", kind_wanted(key, default), kind(&value));
            self.problem(key, origin, what);
            return;
        }
        key::set(&mut self.values, key, value);
        self.origins.insert(key.to_owned(), origin);
    }

    fn unknown(&mut self, unknown: &str, origin: Origin) {
        let known = key::all(&self.defaults);
        let what = match (key::nearest(unknown, &known), &origin) {
            (None, _) => "unknown key; there are none".to_owned(),
            (Some(nearest), Origin::Env(_)) => {
                let variable = env::variable(&self.env_prefix, nearest);
                format!("unknown key; the nearest known one is `{nearest}` ({variable})")
            }
            (Some(nearest), _) => format!("unknown key; the nearest known one is `{nearest}`"),
        };
        self.problem(unknown, origin, what);
    }

    fn problem(&mut self, key: &str, origin: Origin, what: String) {
        self.problems.push(Problem { origin, key: key.to_owned(), what });
    }

    /// Where the value of a key, or of the section that holds it, was set.
    fn origin(&self, key: &str) -> Origin {
        let inside = format!("{key}.");
        let at_or_below = |set: &str| set == key || set.starts_with(&inside);
        let exact = self.origins.get(key);
        exact
            .or_else(|| self.origins.iter().find(|(set, _)| at_or_below(set)).map(|(_, o)| o))
            .cloned()
            .unwrap_or(Origin::Default)
    }

    /// The part of the values whose top-level keys `T` has, as `T`, checked by its own rules.
    pub(crate) fn extract<T>(&mut self) -> Result<Option<T>, ConfigError>
    where
        T: Default + Serialize + DeserializeOwned + Validate,
    {
        let known = defaults_of::<T>()?;
        let mut part = self.values.clone();
        part.retain(|name, _| known.contains_key(name));
        match serde_path_to_error::deserialize::<_, T>(Value::Table(part)) {
            Ok(config) => {
                for wrong in config.validate().err().unwrap_or_default() {
                    // By convention `key: what`; the rest is about several keys at once.
                    let (key, what) = wrong.split_once(": ").unwrap_or(("", &wrong));
                    self.problem(key, self.origin(key), what.to_owned());
                }
                Ok(Some(config))
            }
            Err(error) => {
                let key = error.path().to_string();
                let what = self.why(&key, error.inner());
                self.problem(&key, self.origin(&key), what);
                Ok(None)
            }
        }
    }

    /// What serde says, and the default as an example of what is right.
    fn why(&self, key: &str, error: &toml::de::Error) -> String {
        if key::is_secret(key) {
            return "not valid here (the value is a secret and not shown)".to_owned();
        }
        match key::get(&self.defaults, key) {
            Some(default)
                if !matches!(default, Value::Table(_)) && default.as_str() != Some("") =>
            {
                format!("{}; for example, the default is {default}", error.message())
            }
            _ => error.message().to_owned(),
        }
    }

    /// Fails with everything that was noted, in the order of the layers and lines.
    pub(crate) fn finish(&mut self) -> Result<(), ConfigError> {
        if self.problems.is_empty() {
            return Ok(());
        }
        let mut problems = std::mem::take(&mut self.problems);
        problems.sort_by(|a, b| a.origin.cmp(&b.origin));
        Err(ConfigError::Invalid(problems))
    }
}

/// `T`'s defaults as a table: these are the keys that exist.
pub(crate) fn defaults_of<T: Default + Serialize>() -> Result<Table, ConfigError> {
    Table::try_from(T::default()).map_err(|error| ConfigError::Defaults(error.to_string()))
}

fn kind_wanted(key: &str, default: &Value) -> String {
    let kind = kind(default);
    match default {
        Value::Table(_) => format!("{kind} [{key}]"),
        _ if key::is_secret(key) => kind.to_owned(),
        _ => format!("{kind} such as {default}"),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a string",
        Value::Integer(_) => "an integer",
        Value::Float(_) => "a number",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list",
        Value::Table(_) => "a section",
    }
}
