//! Where a Redis is, as a value that never shows its password.

use std::fmt;
use std::str::FromStr;

use redis::{Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _};
use serde::{Deserialize, Serialize};

use super::place::{Place, Sentinels};

/// What the URL of a master that sentinels watch over begins with.
const WATCHED: &str = "redis-sentinel://";

/// `redis://[user][:password@]host:port[/db]`, or the same of a master that sentinels watch over,
/// `redis-sentinel://[user][:password@]host:port[,host:port…][/db]#master`, or empty: no Redis for this
/// role. What it shows of itself, in logs and errors, is `host:port/db`, and the master; only its
/// serialized form is the whole text.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RedisUrl {
    text: String,
    address: String,
}

/// A text that is no Redis URL. It does not repeat the text, which may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be `redis://[user][:password@]host:port[/db]`, `redis-sentinel://[user][:password@]\
     host:port,host:port[/db]#master`, or empty for none"
)]
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

    /// `None` when it is empty.
    pub(super) fn place(&self) -> Option<Place> {
        // It was checked when it was made.
        parsed(&self.text).ok().flatten().map(|(place, _)| place)
    }
}

impl FromStr for RedisUrl {
    type Err = RedisUrlError;

    fn from_str(text: &str) -> Result<Self, RedisUrlError> {
        let address = parsed(text)?.map(|(_, address)| address);
        Ok(Self { text: text.to_owned(), address: address.unwrap_or_default() })
    }
}

/// Where it leads, and what may be shown of that.
fn parsed(text: &str) -> Result<Option<(Place, String)>, RedisUrlError> {
    if text.is_empty() {
        return Ok(None);
    }
    if let Some(rest) = text.strip_prefix(WATCHED) {
        let (sentinels, address) = watched(rest)?;
        return Ok(Some((Place::Watched(sentinels), address)));
    }
    let (info, address) = one(text)?;
    let client = Client::open(info).map_err(|_| RedisUrlError)?;
    Ok(Some((Place::Fixed(client), address)))
}

/// One server.
fn one(text: &str) -> Result<(ConnectionInfo, String), RedisUrlError> {
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
    Ok((info, address))
}

/// A master and those who watch over it. They are asked without a password: what is before the `@` is
/// for the master.
fn watched(rest: &str) -> Result<(Sentinels, String), RedisUrlError> {
    let (servers, master) = rest.split_once('#').ok_or(RedisUrlError)?;
    let is_of_names = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if master.is_empty() || !master.chars().all(is_of_names) {
        return Err(RedisUrlError);
    }
    let (login, hosts) = servers.rsplit_once('@').map_or(("", servers), |(login, hosts)| {
        let with_its_end = &servers[..=login.len()];
        (with_its_end, hosts)
    });
    let (hosts, db) = hosts.split_once('/').unwrap_or((hosts, "0"));
    let sentinels = hosts.split(',').map(|host| one(&format!("redis://{host}")));
    let clients = sentinels.map(|sentinel| Client::open(sentinel?.0).map_err(|_| RedisUrlError));
    let clients = clients.collect::<Result<Vec<_>, _>>()?;
    let any = hosts.split(',').next().unwrap_or_default();
    let (like_the_master, _) = one(&format!("redis://{login}{any}/{db}"))?;
    let settings = like_the_master.redis_settings().clone();
    let address = match settings.db() {
        0 => format!("{hosts}#{master}"),
        db => format!("{hosts}/{db}#{master}"),
    };
    Ok((Sentinels { clients, master: master.to_owned(), settings }, address))
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
            ("redis-sentinel://127.0.0.1:26379#mpim", "127.0.0.1:26379#mpim"),
            ("redis-sentinel://:s3cret@a:1,b:2,[::1]:3/4#m-1", "a:1,b:2,[::1]:3/4#m-1"),
        ] {
            let url: RedisUrl = text.parse().unwrap();
            assert_eq!(url.to_string(), address);
            assert!(!format!("{url:?}").contains("s3cret"));
            assert_eq!(String::from(url), text);
        }
    }

    #[test]
    fn what_stands_before_sentinels_is_for_the_master_alone() {
        let url: RedisUrl = "redis-sentinel://mpim:s3cret@a:1,b:2/3#m".parse().unwrap();
        let Some(Place::Watched(sentinels)) = url.place() else { panic!("{url:?}") };
        let settings = &sentinels.settings;
        assert_eq!((settings.username(), settings.password()), (Some("mpim"), Some("s3cret")));
        assert_eq!(settings.db(), 3);
        for sentinel in &sentinels.clients {
            assert_eq!(sentinel.get_connection_info().redis_settings().password(), None);
        }
    }

    #[test]
    fn an_empty_one_means_no_redis() {
        let url: RedisUrl = "".parse().unwrap();
        assert!(url.is_none() && url.place().is_none());
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
            "redis-sentinel://127.0.0.1:26379",
            "redis-sentinel://127.0.0.1:26379#",
            "redis-sentinel://127.0.0.1:26379#two words",
            "redis-sentinel://127.0.0.1:26379,#mpim",
            "redis-sentinel://127.0.0.1,127.0.0.1:26379#mpim",
            "redis-sentinel://127.0.0.1:26379/x#mpim",
            "redis-sentinel://127.0.0.1:26379?a=b#mpim",
            "redis-sentinel://#mpim",
        ] {
            assert_eq!(bad.parse::<RedisUrl>(), Err(RedisUrlError), "{bad}");
        }
        assert!(!RedisUrlError.to_string().contains("6379"));
    }
}
