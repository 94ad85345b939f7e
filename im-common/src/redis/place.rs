//! Where a role's server is: always at one address, or where sentinels say.

use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ErrorKind, IntoConnectionInfo as _,
    RedisConnectionInfo, RedisError, RedisResult, Role,
};

use super::RedisConfig;
use super::keeper::too_slow;

/// See the module.
#[derive(Clone, Debug)]
pub(super) enum Place {
    Fixed(Client),
    Watched(Sentinels),
}

/// Those who watch over a master and its replicas, and make a replica the master when that is gone.
#[derive(Clone, Debug)]
pub(super) struct Sentinels {
    /// One for each of them.
    pub(super) clients: Vec<Client>,
    /// What they call the master.
    pub(super) master: String,
    /// Who the master is told we are, and its database.
    pub(super) settings: RedisConnectionInfo,
}

impl Place {
    /// The server, where it is always the same.
    pub(super) fn fixed(&self) -> Option<Arc<Client>> {
        match self {
            Self::Fixed(client) => Some(Arc::new(client.clone())),
            Self::Watched(_) => None,
        }
    }

    /// The server to connect to now.
    ///
    /// # Errors
    /// No sentinel names one in time.
    pub(super) async fn server(&self, config: &RedisConfig) -> RedisResult<Client> {
        match self {
            Self::Fixed(client) => Ok(client.clone()),
            Self::Watched(sentinels) => sentinels.master(config).await,
        }
    }

    /// Whether this connection is of use: its server answers, and takes writes where sentinels choose it.
    /// One that was the master does not know it for a moment after it came back.
    ///
    /// # Errors
    /// It is not.
    pub(super) async fn serves(&self, connection: &mut MultiplexedConnection) -> RedisResult<()> {
        match self {
            Self::Fixed(_) => redis::cmd("PING").query_async(connection).await,
            Self::Watched(_) => match redis::cmd("ROLE").query_async::<Role>(connection).await? {
                Role::Primary { .. } => Ok(()),
                _ => Err(failed("it is not the master any more")),
            },
        }
    }

    /// Whether the sentinels have chosen another server than this one. Nobody says so while none of
    /// them answers.
    pub(super) async fn has_moved_from(&self, server: &Client, config: &RedisConfig) -> bool {
        let Self::Watched(sentinels) = self else { return false };
        let now = sentinels.master(config).await;
        now.is_ok_and(|now| address(&now) != address(server))
    }
}

impl Sentinels {
    /// The server that most of those who answer name. They learn one after the other that there is
    /// another, and who is cut off from the rest goes on naming the old one.
    async fn master(&self, config: &RedisConfig) -> RedisResult<Client> {
        let asked = self.clients.iter().map(|sentinel| self.asked(sentinel, config));
        let mut answers: FuturesUnordered<_> = asked.collect();
        let mut named: Vec<(ConnectionAddr, usize)> = Vec::new();
        let mut error = too_slow();
        while let Some(answer) = answers.next().await {
            let address = match answer {
                Ok(address) => address,
                Err(why) => {
                    error = why;
                    continue;
                }
            };
            let place = named.iter().position(|(other, _)| *other == address);
            let place = place.unwrap_or_else(|| {
                named.push((address, 0));
                named.len() - 1
            });
            named[place].1 += 1;
            if named[place].1 * 2 > self.clients.len() {
                break;
            }
        }
        let Some((address, _)) = named.into_iter().max_by_key(|(_, times)| *times) else {
            return Err(error);
        };
        let server = address.into_connection_info()?.set_redis_settings(self.settings.clone());
        Client::open(server)
    }

    async fn asked(&self, sentinel: &Client, config: &RedisConfig) -> RedisResult<ConnectionAddr> {
        let bounds = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(config.connect_timeout()))
            .set_response_timeout(Some(config.response_timeout()));
        let asking = async {
            let connecting = sentinel.get_multiplexed_async_connection_with_config(&bounds);
            let mut connection = connecting.await?;
            let mut question = redis::cmd("SENTINEL");
            question.arg("GET-MASTER-ADDR-BY-NAME").arg(&self.master);
            let answer: Option<(String, u16)> = question.query_async(&mut connection).await?;
            let (host, port) = answer.ok_or_else(|| failed("the sentinels know no such master"))?;
            Ok(ConnectionAddr::Tcp(host, port))
        };
        let bound = config.connect_timeout() + config.response_timeout();
        tokio::time::timeout(bound, asking).await.unwrap_or_else(|_| Err(too_slow()))
    }
}

fn address(server: &Client) -> &ConnectionAddr {
    server.get_connection_info().addr()
}

fn failed(why: &'static str) -> RedisError {
    (ErrorKind::Client, why).into()
}
