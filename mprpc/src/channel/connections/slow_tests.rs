//! Tests of calls that come while an attempt to connect takes long.

use super::*;
use crate::local::Network;
use crate::transport::Credentials;

#[tokio::test(start_paused = true)]
async fn a_call_that_comes_after_connecting_was_said_to_take_long_moves_on_at_once() {
    let network = Network::new();
    let (address, timeout) = (network.address("a"), Duration::from_secs(10));
    let dialer = Dialer { address, network, timeout, credentials: Credentials::default() };
    let connections = Connections::new(dialer, Options::default());
    let shared = &connections.shared;
    // As an attempt that has rung for those who waited by then.
    let _attempt = shared.attempts.lock().await;
    shared.is_slow.store(true, Ordering::Relaxed);
    let began = Instant::now();
    let deadline = began + Duration::from_secs(60);
    let status = shared.connected(deadline, true).await.unwrap_err();
    assert_eq!((status.message(), began.elapsed()), ("connecting takes long", Duration::ZERO));
}
