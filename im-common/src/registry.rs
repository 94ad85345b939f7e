//! The process's session with ZooKeeper.

use std::time::Duration;

use mprpc::discovery::{RegistryState, ZooKeeper, ZooKeeperError};

use crate::{Readiness, ZooKeeperConfig};

/// For how long a session may begin before it counts as one that does not.
const FIRST_CONTACT: Duration = Duration::from_secs(1);

/// Begins the session that `[zookeeper]` asks for, if it does, and follows its state as a soft
/// dependency: those who serve already go on with the last listings while it is away.
///
/// Must be called within a runtime.
///
/// # Errors
/// The hosts make no sense. Hosts that do not answer are no error: they are waited for.
pub(crate) fn open(
    config: &ZooKeeperConfig,
    readiness: &Readiness,
) -> Result<Option<ZooKeeper>, ZooKeeperError> {
    if !config.is_configured() {
        return Ok(None);
    }
    let mut builder = ZooKeeper::builder(&config.hosts)
        .session_timeout(Duration::from_millis(config.session_timeout_ms))
        .request_timeout(Duration::from_millis(config.request_timeout_ms))
        .classic(config.classic);
    if !config.snapshot_dir.as_os_str().is_empty() {
        builder = builder.snapshots(&config.snapshot_dir);
    }
    let zookeeper = builder.build()?;
    let dependency = readiness.soft_dependency(format!("ZooKeeper at {}", config.hosts));
    let mut state = zookeeper.state();
    tokio::spawn(async move {
        // Connecting takes a moment, which is nothing to warn of.
        let _ = tokio::time::timeout(FIRST_CONTACT, state.changed()).await;
        loop {
            match &*state.borrow_and_update() {
                RegistryState::Connected => dependency.up(),
                RegistryState::Connecting { why } => dependency.down(why),
            }
            // Ends with the last clone of the session.
            if state.changed().await.is_err() {
                return;
            }
        }
    });
    Ok(Some(zookeeper))
}

#[cfg(test)]
mod tests {
    use test_servers::PrivateZooKeeper;
    use tokio::time::Instant;

    use super::*;

    /// Waits until the report is as wanted.
    async fn until(readiness: &Readiness, wanted: impl Fn(Result<String, String>) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !wanted(readiness.report()) {
            assert!(Instant::now() < deadline, "it stays {:?}", readiness.report());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    #[tokio::test]
    async fn a_registry_is_waited_for_at_the_start_and_missed_without_harm_later() {
        let Some(mut server) = PrivateZooKeeper::prepared() else { return };
        let config = ZooKeeperConfig {
            hosts: server.address(),
            session_timeout_ms: 2_000,
            request_timeout_ms: 500,
            ..ZooKeeperConfig::default()
        };
        let readiness = Readiness::default();
        let zookeeper = open(&config, &readiness).unwrap();
        assert!(zookeeper.is_some());
        readiness.serving();
        let down = format!("down: ZooKeeper at {}: ", server.address());
        until(&readiness, |report| report.is_err_and(|text| text.starts_with(&down))).await;
        server.start_again().await;
        until(&readiness, |report| report.is_ok()).await;
        server.kill().await;
        let degraded = format!("ready\ndegraded: ZooKeeper at {}: ", server.address());
        until(&readiness, |report| report.is_ok_and(|text| text.starts_with(&degraded))).await;
        server.start_again().await;
        until(&readiness, |report| report.is_ok_and(|text| text == "ready\n")).await;
    }

    #[tokio::test]
    async fn no_registry_is_nothing_to_wait_for() {
        let readiness = Readiness::default();
        assert!(open(&ZooKeeperConfig::default(), &readiness).unwrap().is_none());
        readiness.serving();
        assert_eq!(readiness.report().unwrap(), "ready\n");
    }
}
