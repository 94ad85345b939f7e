//! Calls with a key go to the instance that it belongs to.

use std::collections::HashSet;
use std::net::SocketAddr;

use mprpc::Channel;
use mprpc_examples::{FailReq, echo_service};

use crate::support::{Running, SOON, echo_req, soon};

/// Who gets the calls with `key`: a failure names its peer.
async fn callee(client: &echo_service::Client, key: u64) -> SocketAddr {
    let fail = FailReq { code: 5, message: String::new() };
    client.fail(&soon().with_affinity(key), fail).await.unwrap_err().peer().unwrap().tcp().unwrap()
}

#[tokio::test]
async fn all_clients_call_the_same_instance_with_a_key_and_another_once_it_has_gone() {
    let (one, two) = (Running::echo().await, Running::echo().await);
    let to = |first, second| {
        // No call goes elsewhere because the machine is busy.
        let builder = Channel::builder(format!("static://{first},{second}")).connect_timeout(SOON);
        echo_service::Client::new(&builder.build().unwrap())
    };
    let (there, back) = (to(one.address, two.address), to(two.address, one.address));
    let mut called = HashSet::new();
    for key in 0..64 {
        let callee_of_key = callee(&there, key).await;
        assert_eq!(callee(&back, key).await, callee_of_key);
        called.insert(callee_of_key);
    }
    assert_eq!(called, HashSet::from([one.address, two.address]), "both have keys");

    one.stop().await;
    for key in 0..64 {
        there.echo(&soon().with_affinity(key), echo_req("x")).await.unwrap();
        assert_eq!(callee(&there, key).await, two.address);
    }
}
