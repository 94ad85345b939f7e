//! Layers a file, the environment and arguments over the defaults, checking every key on the way.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::error::{ConfigError, Origin, Problem};
use super::file::File;
use super::{Validate, env, key, mask};

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
    /// What is not wrong but should be known, for the log.
    pub(super) warnings: Vec<String>,
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
            warnings: Vec::new(),
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
                (value, None) => {
                    if !self.text_file(&key, &value, &origin(&key)) {
                        self.unknown(&key, origin(&key));
                    }
                }
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
            None => {
                let path = Value::String(text.to_owned());
                if !self.text_file(key, &path, &origin) {
                    self.unknown(key, origin);
                }
            }
        }
    }

    pub(super) fn value(&mut self, key: &str, value: Value, origin: Origin) {
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

    /// Notes what is wrong with a key because of where and how `cause` was set.
    pub(super) fn wrong(&mut self, key: &str, cause: &str, what: String) {
        self.problem(key, self.origin(cause), what);
    }

    pub(super) fn problem(&mut self, key: &str, origin: Origin, what: String) {
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
                let key = self.culprit::<T>(error.path().to_string(), error.inner());
                let what = self.why(&key, error.inner());
                self.problem(&key, self.origin(&key), what);
                Ok(None)
            }
        }
    }

    /// The key that cannot be read. Of a key in a flattened part of a section serde only says which
    /// section it is: it is a key whose value is wrong among the defaults of all others there.
    fn culprit<T: DeserializeOwned>(&self, path: String, error: &toml::de::Error) -> String {
        let Some(section @ Value::Table(_)) = key::get(&self.defaults, &path) else {
            return path;
        };
        let inside = format!("{path}.");
        let is_wrong = |key: &&String| {
            let mut values = self.values.clone();
            key::set(&mut values, &path, section.clone());
            if let Some(value) = key::get(&self.values, key) {
                key::set(&mut values, key, value.clone());
            }
            values.try_into::<T>().is_err_and(|alone| alone.message() == error.message())
        };
        let mut given = self.origins.keys().filter(|key| key.starts_with(&inside));
        given.find(is_wrong).cloned().unwrap_or(path)
    }

    /// What serde says, and the default as an example of what is right.
    fn why(&self, key: &str, error: &toml::de::Error) -> String {
        if key::is_secret(key) {
            return "not valid here (the value is a secret and not shown)".to_owned();
        }
        let message = mask::urls(error.message());
        match key::get(&self.defaults, key) {
            Some(default)
                if !matches!(default, Value::Table(_)) && default.as_str() != Some("") =>
            {
                format!("{message}; for example, the default is {default}")
            }
            _ => message,
        }
    }

    /// Fails with everything that was noted, in the order of the layers and lines.
    pub(crate) fn finish(&mut self) -> Result<(), ConfigError> {
        if self.problems.is_empty() {
            return Ok(());
        }
        let mut problems = std::mem::take(&mut self.problems);
        problems.sort_by(|a, b| a.origin.given_at().cmp(b.origin.given_at()));
        Err(ConfigError::Invalid(problems))
    }
}

/// `T`'s defaults as a table: these are the keys that exist.
pub(crate) fn defaults_of<T: Default + Serialize>() -> Result<Table, ConfigError> {
    table_of(&T::default())
}

/// A configuration as a table.
pub(super) fn table_of<T: Serialize>(config: &T) -> Result<Table, ConfigError> {
    Table::try_from(config).map_err(|error| ConfigError::Defaults(error.to_string()))
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

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Default, Serialize, Deserialize)]
    struct Config {
        cache: Cache,
    }

    #[derive(Default, Serialize, Deserialize)]
    struct Cache {
        name: String,
        #[serde(flatten)]
        bounds: Bounds,
    }

    #[derive(Default, Serialize, Deserialize)]
    struct Bounds {
        entries_max: u8,
        tries_max: u8,
        wait_ms: u8,
    }

    impl Validate for Config {}

    #[test]
    fn a_value_in_a_flattened_part_of_a_section_is_named_with_its_key_and_place() {
        let env = [
            ("M_CACHE__NAME", "a"),
            ("M_CACHE__ENTRIES_MAX", "7"),
            ("M_CACHE__TRIES_MAX", "256"),
            ("M_CACHE__WAIT_MS", "256"),
        ];
        let env = env.map(|(name, value)| (name.into(), value.into())).into();
        let layers = Layers { env_prefix: "M", env, ..Layers::default() };
        let mut effective = layers.over(defaults_of::<Config>().unwrap()).unwrap();
        assert!(effective.extract::<Config>().unwrap().is_none());
        assert_eq!(
            effective.finish().unwrap_err().to_string(),
            "environment variable M_CACHE__TRIES_MAX: `cache.tries_max`: invalid value: integer `256`, \
             expected u8; for example, the default is 0"
        );
    }
}
