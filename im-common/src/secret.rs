//! A text that never shows itself.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A password, a key, or a URL with one in it. `Debug` hides it, and there is no `Display`: whoever
/// needs the text says so with [`expose`](Self::expose).
///
/// In a configuration it is a plain string. It is not wiped from memory when it is dropped: the
/// configuration file, the environment and the connections made with it hold it anyway.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretText(String);

impl SecretText {
    /// The text itself, for the one who needs it and never for a log or an error.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether nothing was configured.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<String> for SecretText {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for SecretText {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_empty() { "\"\"" } else { "(secret)" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_a_plain_string_in_a_file_and_nowhere_in_a_log() {
        #[derive(Debug, Serialize, Deserialize)]
        struct Config {
            password: SecretText,
        }
        let config: Config = toml::from_str("password = \"hush\"").unwrap();
        assert_eq!(config.password.expose(), "hush");
        assert_eq!(format!("{config:?}"), "Config { password: (secret) }");
        assert_eq!(toml::to_string(&config).unwrap(), "password = \"hush\"\n");
    }
}
