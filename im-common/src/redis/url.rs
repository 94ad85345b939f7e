//! Where a Redis is, as a value that never shows its password.

use std::fmt;
use std::str::FromStr;

use redis::{Client, ConnectionAddr, IntoConnectionInfo as _};
use serde::{Deserialize, Serialize};

/// `redis://[user][:password@]host:port[/db]`, or empty: no Redis for this role. What it shows of
/// itself, in logs and errors, is `host:port/db`; only its serialized form is the whole text.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RedisUrl {
    text: String,
    address: String,
}

/// A text that is no Redis URL. It does not repeat the text, which may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be `redis://[user][:password@]host:port[/db]`, or empty for none")]
pub struct RedisUrlError;

impl RedisUrl {
    /// No Redis.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Whether there is no Redis for the role.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.text.is_empty()
    }

    pub(super) fn client(&self) -> Option<Client> {
        // It was checked when it was made.
        if self.is_none() { None } else { Client::open(self.text.as_str()).ok() }
    }
}

impl FromStr for RedisUrl {
    type Err = RedisUrlError;

    fn from_str(text: &str) -> Result<Self, RedisUrlError> {
        if text.is_empty() {
            return Ok(Self::none());
        }
        // What the client takes is more than what is meant: TLS, sockets, options, a default port.
        let rest = text.strip_prefix("redis://").ok_or(RedisUrlError)?;
        let info = text.into_connection_info().map_err(|_| RedisUrlError)?;
        let ConnectionAddr::Tcp(host, port) = info.addr() else { return Err(RedisUrlError) };
        let (authority, db) = rest.split_once('/').unwrap_or((rest, ""));
        let port_is_named = authority.ends_with(&format!(":{port}"));
        if rest.contains(['?', '#']) || !port_is_named || *port == 0 || db.contains('/') {
            return Err(RedisUrlError);
        }
        let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        let address = match info.redis_settings().db() {
            0 => format!("{host}:{port}"),
            db => format!("{host}:{port}/{db}"),
        };
        Ok(Self { text: text.to_owned(), address })
    }
}

impl TryFrom<String> for RedisUrl {
    type Error = RedisUrlError;

    fn try_from(text: String) -> Result<Self, RedisUrlError> {
        text.parse()
    }
}

impl From<RedisUrl> for String {
    fn from(url: RedisUrl) -> Self {
        url.text
    }
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address)
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisUrl({})", self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_shows_of_itself_is_its_address() {
        for (text, address) in [
            ("redis://127.0.0.1:16379", "127.0.0.1:16379"),
            ("redis://cache.example.org:6379/0", "cache.example.org:6379"),
            ("redis://:s3cret@127.0.0.1:6379/2", "127.0.0.1:6379/2"),
            ("redis://mpim:s3cret%40@[::1]:6379", "[::1]:6379"),
        ] {
            let url: RedisUrl = text.parse().unwrap();
            assert_eq!(url.to_string(), address);
            assert!(!format!("{url:?}").contains("s3cret"));
            assert_eq!(String::from(url), text);
        }
    }

    #[test]
    fn an_empty_one_means_no_redis() {
        let url: RedisUrl = "".parse().unwrap();
        assert!(url.is_none() && url.client().is_none());
    }

    #[test]
    fn what_is_not_one_redis_server_by_host_and_port_is_refused() {
        for bad in [
            "127.0.0.1:6379",
            "redis://",
            "redis://127.0.0.1",
            "redis://127.0.0.1:0",
            "redis://127.0.0.1:6379/x",
            "redis://127.0.0.1:6379/1/2",
            "redis://127.0.0.1:6379/?protocol=resp3",
            "rediss://127.0.0.1:6379",
            "unix:///run/redis",
            "http://127.0.0.1:6379",
        ] {
            assert_eq!(bad.parse::<RedisUrl>(), Err(RedisUrlError), "{bad}");
        }
        assert!(!RedisUrlError.to_string().contains("6379"));
    }
}
