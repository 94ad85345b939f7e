//! Connects, watches over the connection, and connects again.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisError, RedisResult};

use super::Shared;
use crate::Dependency;

/// Between two tries to connect, at first and at most.
const PAUSE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// Between two questions whether Redis is still there.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

pub(super) async fn run(shared: Arc<Shared>, dependency: Dependency) {
    loop {
        let (server, connection) = connected(&shared, &dependency).await;
        shared.server.store(Some(Arc::new(server.clone())));
        shared.connection.store(Some(Arc::new(connection.clone())));
        dependency.up();
        let error = lost(&shared, &server, connection).await;
        shared.connection.store(None);
        dependency.down(&error.to_string());
    }
}

async fn connected(shared: &Shared, dependency: &Dependency) -> (Client, MultiplexedConnection) {
    let mut pause = PAUSE.0;
    loop {
        match connect(shared).await {
            Ok(connected) => return connected,
            Err(error) => dependency.down(&error.to_string()),
        }
        // Half of it by chance: those who lost the same Redis do not come back as one.
        tokio::time::sleep(pause.mul_f32(0.5 + fastrand::f32() / 2.0)).await;
        pause = (pause * 2).min(PAUSE.1);
    }
}

async fn connect(shared: &Shared) -> RedisResult<(Client, MultiplexedConnection)> {
    let server = shared.place.server(&shared.config).await?;
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(shared.config.connect_timeout()))
        .set_response_timeout(Some(shared.config.response_timeout()));
    let connecting = async {
        let mut connection = server.get_multiplexed_async_connection_with_config(&config).await?;
        // One that still loads its data, or wants a password, takes connections, too.
        shared.place.serves(&mut connection).await?;
        Ok(connection)
    };
    let bound = shared.config.connect_timeout() + shared.config.response_timeout();
    let connection =
        tokio::time::timeout(bound, connecting).await.unwrap_or_else(|_| Err(too_slow()))?;
    Ok((server, connection))
}

/// Waits until the connection is of no use any more.
async fn lost(
    shared: &Shared,
    server: &Client,
    mut connection: MultiplexedConnection,
) -> RedisError {
    loop {
        // A failed call asks at once.
        let _ = tokio::time::timeout(WATCH_INTERVAL, shared.suspect.notified()).await;
        if let Err(error) = shared.place.serves(&mut connection).await {
            return error;
        }
        if shared.place.has_moved_from(server, &shared.config).await {
            return io::Error::other("the sentinels have chosen another master").into();
        }
    }
}

pub(super) fn absent() -> RedisError {
    io::Error::new(io::ErrorKind::NotConnected, "there is no connection").into()
}

pub(super) fn too_slow() -> RedisError {
    io::Error::new(io::ErrorKind::TimedOut, "it does not answer in time").into()
}
