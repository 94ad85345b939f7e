//! Which sessions of a user live side by side.

use mpim_proto::{BindRouteReq, QueryDevicesReq};
use mprpc::Code;

use crate::gateway::{Gateway, Told};
use crate::service::{GOOD, Presence, cx, presence};
use im_presence::DevicePolicy;

fn of_device(bind: BindRouteReq, device: &str) -> BindRouteReq {
    BindRouteReq { device: device.to_owned(), ..bind }
}

async fn online(presence: &Presence, user_id: i64) -> Vec<String> {
    let answer = presence.client.query_devices(&cx(), QueryDevicesReq { user_id }).await.unwrap();
    assert!(answer.result.unwrap().is_ok());
    answer.devices
}

fn closed(gateway: &mut Gateway) -> Vec<String> {
    let mut closed: Vec<String> = std::iter::from_fn(|| gateway.told_already())
        .map(|told| match told {
            Told::Close(close) => {
                assert_eq!(close.reason, "logged in elsewhere");
                close.session_id
            }
            Told::Push(_) | Told::Events(_) | Told::CloseLogIns(_) => panic!("nothing was pushed"),
        })
        .collect();
    closed.sort_unstable();
    closed
}

#[tokio::test]
async fn whether_a_log_in_closes_others_of_its_class_is_configured() {
    let presence = presence(|config| {
        config.devices.text = DevicePolicy::Allow;
        config.devices.mobile = DevicePolicy::Kick;
        config.devices.web = DevicePolicy::Allow;
    })
    .await;
    let mut gateway = Gateway::start("a", GOOD).await;
    for (device, session, replaces) in [
        ("text", "1", &[][..]),
        ("text", "2", &[]),
        ("mobile:a", "3", &[]),
        ("mobile:b", "4", &["3"]),
        ("mobile", "5", &["4"]),
        ("web:a", "6", &[]),
        ("web:b", "7", &[]),
        ("web:a", "8", &["6"]),
        ("text:a", "9", &[]),
        ("text:a", "10", &["9"]),
    ] {
        presence.bind(of_device(gateway.binds(1, session), device)).await;
        assert_eq!(closed(&mut gateway), replaces, "{device} {session}");
    }
    assert_eq!(online(&presence, 1).await, ["mobile", "text", "text:a", "web:a", "web:b"]);
    assert!(online(&presence, 2).await.is_empty());
}

#[tokio::test]
async fn what_is_no_name_of_a_device_is_refused_and_changes_nothing() {
    let presence = presence(|_| ()).await;
    let mut gateway = Gateway::start("a", GOOD).await;
    presence.bind(gateway.binds(1, "1")).await;
    let too_long = "x".repeat(300);
    for device in ["", "phone", "text:", "text:a b", "mobile:é", "web:\n", too_long.as_str()] {
        let bind = of_device(gateway.binds(1, "2"), device);
        let refused = presence.client.bind_route(&cx(), bind).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{device}");
    }
    assert_eq!(online(&presence, 1).await, ["text"]);
    assert!(gateway.told_already().is_none());
}
