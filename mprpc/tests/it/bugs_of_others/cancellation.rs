//! What a call leaves behind that is given up, for the calls after it.

use mprpc::Channel;
use mprpc_examples::echo_service;
use tokio::time::timeout;

use crate::support::{Gate, SOON, echo_req, slow_req, soon};

/// redis-rs 325, 489: the reply to a cancelled call went to the next caller on its connection.
#[tokio::test]
async fn a_cancelled_call_does_not_hand_its_reply_to_the_next_caller_of_a_classic_connection() {
    let gate = Gate::default();
    let server = gate.serve().await;
    let channel = Channel::builder(format!("static://{}?wire=classic", server.address))
        .classic_connections_max(1)
        .build()
        .unwrap();
    let client = echo_service::Client::new(&channel);
    let cancelled = tokio::spawn({
        let client = client.clone();
        async move { client.echo_slowly(&soon(), slow_req("mine")).await }
    });
    timeout(SOON, gate.started.notified()).await.expect("it is at work");
    cancelled.abort();
    gate.open.cancel();
    for n in 0..20 {
        let payload = format!("other {n}");
        let answer = client.echo(&soon(), echo_req(&payload)).await.unwrap();
        assert_eq!(answer.payload, payload);
    }
}
