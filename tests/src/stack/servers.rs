//! What a cluster runs on.

use test_servers::{
    Database, MariaDb, PrivateMariaDb, PrivateRedis, PrivateZooKeeper, WatchedRedis, mariadb,
    zookeeper,
};

use super::Service;

/// Whose servers a cluster runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// Those that all tests share. Redis is the cluster's own nevertheless: it starts at once.
    Everybody,
    /// The test, which may stop them.
    Test,
}

/// Redis, which is always a cluster's own.
#[derive(Debug)]
enum Redis {
    Alone(Box<PrivateRedis>),
    Watched(Box<WatchedRedis>),
}

/// ZooKeeper, MariaDB and Redis of one cluster, with a root and databases of its own.
#[derive(Debug)]
pub struct Servers {
    zookeeper_root: String,
    /// Of im-user, im-message, im-group. Dropped before the server that they are on.
    databases: [Database; 3],
    redis: Redis,
    private: Option<(PrivateZooKeeper, PrivateMariaDb)>,
}

impl Servers {
    /// Whether they can be had; if not, `SKIPPED` was printed.
    pub(super) async fn exist(owner: Owner) -> bool {
        match owner {
            Owner::Everybody => {
                PrivateRedis::prepared().is_some()
                    && zookeeper().await.is_some()
                    && mariadb().await.is_some()
            }
            Owner::Test => {
                PrivateRedis::prepared().is_some()
                    && PrivateZooKeeper::prepared().is_some()
                    && PrivateMariaDb::prepared().is_some()
            }
        }
    }

    /// Starts those that are the test's own. `None` where [`exist`](Self::exist) would say no.
    pub(super) async fn start(owner: Owner, watched: bool) -> Option<Self> {
        let redis = match watched {
            true => Redis::Watched(Box::new(WatchedRedis::start().await?)),
            false => Redis::Alone(Box::new(PrivateRedis::start().await?)),
        };
        let (zookeeper_root, databases, private) = match owner {
            Owner::Everybody => {
                (zookeeper().await?.fresh_root().await, databases(&mariadb().await?), None)
            }
            Owner::Test => {
                let zookeeper = PrivateZooKeeper::start().await?;
                let mariadb = PrivateMariaDb::start().await?;
                let root = zookeeper.server().fresh_root().await;
                (root, databases(mariadb.server()), Some((zookeeper, mariadb)))
            }
        };
        Some(Self { zookeeper_root, databases, redis, private })
    }

    /// `host:port/path` under which this cluster registers.
    pub fn zookeeper_root(&self) -> &str {
        &self.zookeeper_root
    }

    /// The database of a service that has one.
    ///
    /// # Panics
    /// When it has none.
    pub fn database(&self, service: Service) -> &Database {
        match service {
            Service::User => &self.databases[0],
            Service::Message => &self.databases[1],
            Service::Group => &self.databases[2],
            Service::Presence | Service::Gateway => panic!("{service:?} has no database"),
        }
    }

    /// Its Redis; where there are two, the first.
    pub fn redis(&mut self) -> &mut PrivateRedis {
        match &mut self.redis {
            Redis::Alone(redis) => redis,
            Redis::Watched(redis) => redis.server(0),
        }
    }

    /// Its Redis, where sentinels watch over it.
    ///
    /// # Panics
    /// When nobody does.
    pub fn watched_redis(&mut self) -> &mut WatchedRedis {
        match &mut self.redis {
            Redis::Alone(_) => panic!("the test asked for no sentinels"),
            Redis::Watched(redis) => redis,
        }
    }

    /// Its ZooKeeper, where that is its own.
    ///
    /// # Panics
    /// When others use it, too.
    pub fn zookeeper(&mut self) -> &mut PrivateZooKeeper {
        &mut self.private.as_mut().expect("the test asked for servers of its own").0
    }

    /// Its MariaDB, where that is its own.
    ///
    /// # Panics
    /// When others use it, too.
    pub fn mariadb(&mut self) -> &mut PrivateMariaDb {
        &mut self.private.as_mut().expect("the test asked for servers of its own").1
    }

    /// `host:port` of ZooKeeper, MariaDB and Redis.
    pub(super) fn addresses(&self) -> (String, String, String) {
        let zookeeper = self.zookeeper_root.split('/').next().unwrap_or_default().to_owned();
        let redis = match &self.redis {
            Redis::Alone(redis) => redis.address(),
            Redis::Watched(redis) => redis.redis(0).address(),
        };
        (zookeeper, self.databases[0].address(), redis)
    }

    /// What the configuration of a service says of them; `streams`: pushes go through Redis.
    pub(super) fn settings(&self, service: Service, streams: bool) -> Vec<(&'static str, String)> {
        let redis = match &self.redis {
            Redis::Alone(redis) => redis.server().url(),
            Redis::Watched(redis) => redis.url(),
        };
        let mut settings = vec![("zookeeper.hosts", self.zookeeper_root.clone())];
        match service {
            Service::User => settings.push(("redis.cache_url", redis)),
            Service::Presence => {
                if streams {
                    settings.push(("push.queue", "streams".to_owned()));
                    settings.push(("redis.queue_url", redis.clone()));
                }
                settings.push(("redis.metadata_url", redis));
            }
            Service::Gateway if streams => settings.push(("redis.queue_url", redis)),
            Service::Message | Service::Group | Service::Gateway => {}
        }
        if matches!(service, Service::User | Service::Message | Service::Group) {
            settings.push(("database.url", self.database(service).url()));
        }
        settings
    }
}

fn databases(server: &MariaDb) -> [Database; 3] {
    ["user", "message", "group"].map(|what| server.fresh_database(what))
}
