//! The TOML file: its values and the line of each key.

use std::collections::HashMap;
use std::path::Path;

use toml::Table;
use toml::de::{DeTable, DeValue};

use super::key;
use super::{ConfigError, Origin};

/// A parsed file.
pub(super) struct File<'p> {
    path: &'p Path,
    pub(super) values: Table,
    lines: HashMap<String, usize>,
}

impl<'p> File<'p> {
    pub(super) fn read(path: &'p Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        Self::parse(path, &text)
    }

    pub(super) fn parse(path: &'p Path, text: &str) -> Result<Self, ConfigError> {
        let syntax = |error: &toml::de::Error| ConfigError::Syntax {
            path: path.to_owned(),
            line: line_of(text, error.span().map_or(0, |span| span.start)),
            message: error.message().to_owned(),
        };
        let spanned = DeTable::parse(text).map_err(|error| syntax(&error))?;
        let values = text.parse::<Table>().map_err(|error| syntax(&error))?;
        let mut lines = HashMap::new();
        collect_lines(spanned.get_ref(), "", text, &mut lines);
        Ok(Self { path, values, lines })
    }

    /// Where a key of this file stands.
    pub(super) fn origin(&self, key: &str) -> Origin {
        let line = self.lines.get(key).copied().unwrap_or(1);
        Origin::File { path: self.path.to_owned(), line }
    }
}

fn collect_lines(
    table: &DeTable<'_>,
    prefix: &str,
    text: &str,
    lines: &mut HashMap<String, usize>,
) {
    for (name, value) in table {
        let key = key::join(prefix, name.get_ref());
        lines.insert(key.clone(), line_of(text, name.span().start));
        if let DeValue::Table(table) = value.get_ref() {
            collect_lines(table, &key, text, lines);
        }
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    1 + text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count()
}
