//! Connects, watches over the connection, and connects again.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisError, RedisResult};

use super::Shared;
use crate::Dependency;

/// Between two tries to connect, at first and at most.
const PAUSE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// Between two questions whether Redis is still there.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

pub(super) async fn run(shared: Arc<Shared>, dependency: Dependency) {
    loop {
        let connection = connected(&shared, &dependency).await;
        shared.connection.store(Some(Arc::new(connection.clone())));
        dependency.up();
        let error = lost(&shared, connection).await;
        shared.connection.store(None);
        dependency.down(&error.to_string());
    }
}

async fn connected(shared: &Shared, dependency: &Dependency) -> MultiplexedConnection {
    let mut pause = PAUSE.0;
    loop {
        match connect(shared).await {
            Ok(connection) => return connection,
            Err(error) => dependency.down(&error.to_string()),
        }
        // Half of it by chance: those who lost the same Redis do not come back as one.
        tokio::time::sleep(pause.mul_f32(0.5 + fastrand::f32() / 2.0)).await;
        pause = (pause * 2).min(PAUSE.1);
    }
}

async fn connect(shared: &Shared) -> RedisResult<MultiplexedConnection> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(shared.config.connect_timeout()))
        .set_response_timeout(Some(shared.config.response_timeout()));
    let connecting = async {
        let mut connection =
            shared.client.get_multiplexed_async_connection_with_config(&config).await?;
        // One that still loads its data, or wants a password, takes connections, too.
        ping(&mut connection).await?;
        Ok(connection)
    };
    let bound = shared.config.connect_timeout() + shared.config.response_timeout();
    tokio::time::timeout(bound, connecting).await.unwrap_or_else(|_| Err(too_slow()))
}

/// Waits until the connection is of no use any more.
async fn lost(shared: &Shared, mut connection: MultiplexedConnection) -> RedisError {
    loop {
        // A failed call asks at once.
        let _ = tokio::time::timeout(WATCH_INTERVAL, shared.suspect.notified()).await;
        if let Err(error) = ping(&mut connection).await {
            return error;
        }
    }
}

async fn ping(connection: &mut MultiplexedConnection) -> RedisResult<()> {
    redis::cmd("PING").query_async(connection).await
}

pub(super) fn absent() -> RedisError {
    io::Error::new(io::ErrorKind::NotConnected, "there is no connection").into()
}

pub(super) fn too_slow() -> RedisError {
    io::Error::new(io::ErrorKind::TimedOut, "it does not answer in time").into()
}
