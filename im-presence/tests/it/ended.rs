//! Log-ins that ended: every gateway is told.

use mpim_proto::{CloseEndedReq, EndedLogIns};

use crate::gateway::{Behaviour, Gateway, Told};
use crate::service::{GOOD, cx, presence};

/// Waits until a gateway is told of log-ins that ended.
async fn told(gateway: &mut Gateway) -> Vec<EndedLogIns> {
    loop {
        if let Told::CloseLogIns(close) = gateway.told().await {
            break close.ended;
        }
    }
}

/// Or whoever ends log-ins would take them for told.
#[tokio::test]
async fn a_gateway_that_does_not_know_how_to_close_log_ins_is_not_reached() {
    let presence = presence(|_| ()).await;
    let mut a = Gateway::start("a", GOOD).await;
    let mut older = Gateway::start("b", Behaviour { closes: false, ..GOOD }).await;
    let ended = ["1a", "1b"].map(|id| EndedLogIns {
        user_id: 1,
        login_id: id.to_owned(),
        reason: "logged out".to_owned(),
        ..EndedLogIns::default()
    });
    let close = async || {
        let request = CloseEndedReq { ended: ended.to_vec() };
        presence.client.close_log_ins(&cx(), request).await.unwrap().unreached
    };
    presence.bind(a.binds(1, "s")).await;
    assert_eq!(close().await, 0);
    presence.bind(older.binds(2, "t")).await;
    assert_eq!(close().await, 1);
    for _ in 0..2 {
        assert_eq!(told(&mut a).await, ended, "in one call");
    }
    assert_eq!(told(&mut older).await, ended);
}
