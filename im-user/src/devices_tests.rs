//! Log-ins of several devices, and those that were revoked.

use mpim_proto::Code;

use crate::testing::{Fixture, Told, cx, log_in};

const PASSWORD: &str = "correct horse";

fn open(name: &str, generation: i64) -> Told {
    Told::Open { name: name.to_owned(), generation }
}

/// What is told of a device that was revoked.
fn gone(name: &str, generation: i64) -> [Told; 2] {
    let name = name.to_owned();
    [Told::Close { name: name.clone(), generation }, Told::Forget { name, generation }]
}

async fn is_good(fixture: &Fixture, token: &str) -> bool {
    fixture.verify_token(token).await.0.is_ok()
}

#[tokio::test]
async fn a_device_is_opened_before_its_first_log_in_is_answered_and_not_again() {
    let fixture = Fixture::new();
    assert_eq!(fixture.register("alice", PASSWORD).await.generation, 1);
    assert_eq!(fixture.others.told(), [], "nothing can wait for who has just registered");
    assert_eq!(fixture.on_device("alice", "mobile:a").await.generation, 2);
    assert_eq!(fixture.others.told(), [open("mobile:a", 2)]);
    assert_eq!(fixture.on_device("alice", "mobile:a").await.generation, 2);
    assert_eq!(fixture.on_device("alice", "").await.generation, 1);
    assert_eq!(fixture.others.told(), []);
    let both = [("mobile:a".to_owned(), 2), ("text".to_owned(), 1)];
    assert_eq!(fixture.devices(1).await, both);
}

#[tokio::test]
async fn a_device_that_could_not_be_opened_is_not_logged_in_and_is_opened_the_next_time() {
    let fixture = Fixture::new();
    fixture.register("alice", PASSWORD).await;
    fixture.others.fail(Some(mprpc::Code::Unavailable));
    let req = mpim_proto::LoginReq {
        username: "alice".into(),
        password: PASSWORD.into(),
        device: "mobile:a".to_owned(),
        ..mpim_proto::LoginReq::default()
    };
    let login = mpim_proto::user_service::Server::login(&*fixture.service, &cx(), req).await;
    assert_eq!(login.unwrap_err().code(), mprpc::Code::Unavailable);
    assert!(log_in(&fixture.service, "alice", PASSWORD).await.is_ok(), "one that is known");
    fixture.others.fail(None);
    assert_eq!(fixture.on_device("alice", "mobile:a").await.generation, 2);
    assert_eq!(fixture.others.told(), [open("mobile:a", 2)]);
}

#[tokio::test]
async fn neighbours_have_no_longer_than_configured_however_long_a_caller_waits() {
    let fixture = Fixture::with(|config| config.devices.timeout_ms = 500);
    let bound = std::time::Duration::from_millis(500);
    fixture.register("alice", PASSWORD).await;
    fixture.on_device("alice", "mobile:a").await;
    assert_eq!(fixture.others.told(), [open("mobile:a", 2)]);
    assert!(fixture.others.had() <= bound && cx().remaining() > bound);
    fixture.revoke_device(1, "mobile:a").await;
    fixture.service.devices.tell_due().await.unwrap();
    assert_eq!(fixture.others.told(), gone("mobile:a", 2));
    assert!(fixture.others.had() <= bound);
}

#[tokio::test]
async fn a_revoked_device_is_out_and_comes_back_as_another() {
    let fixture = Fixture::new();
    let text = fixture.register("alice", PASSWORD).await.token;
    let phone = fixture.on_device("alice", "mobile:a").await.token;
    fixture.others.told();
    let refused = fixture.revoke_device(1, "mobile:b").await;
    assert_eq!((refused.code(), refused.msg.as_str()), (Code::NotFound, "no such device"));
    assert_eq!(fixture.revoke_device(2, "mobile:a").await.msg, "no such device");
    for bad in ["phone", "mobile:", "mobile:a b"] {
        assert_eq!(fixture.revoke_device(1, bad).await.msg, "bad device");
        assert_eq!(fixture.on_device("alice", bad).await.result.unwrap().msg, "bad device");
    }
    assert!(is_good(&fixture, &phone).await, "nothing was changed");
    assert!(fixture.revoke_device(1, "mobile:a").await.is_ok());
    assert!(!is_good(&fixture, &phone).await && is_good(&fixture, &text).await);
    let again = fixture.on_device("alice", "mobile:a").await;
    assert_eq!(again.generation, 3);
    assert!(!is_good(&fixture, &phone).await && is_good(&fixture, &again.token).await);
    let fixture = fixture.reopen();
    assert!(!is_good(&fixture, &phone).await && is_good(&fixture, &again.token).await);
    assert!(!fixture.service.devices.tell_due().await.unwrap());
    let [close, forget] = gone("mobile:a", 2);
    assert_eq!(fixture.others.told(), [open("mobile:a", 3), close, forget]);
    assert!(!fixture.service.devices.tell_due().await.unwrap());
    assert_eq!(fixture.others.told(), [], "once");
}

#[tokio::test]
async fn who_could_not_be_told_of_a_revoked_device_is_told_later() {
    let fixture = Fixture::new();
    fixture.register("alice", PASSWORD).await;
    fixture.others.fail(Some(mprpc::Code::DeadlineExceeded));
    assert!(fixture.revoke_device(1, "text").await.is_ok(), "it is revoked all the same");
    fixture.service.devices.tell_due().await.unwrap();
    fixture.others.fail(None);
    fixture.service.devices.tell_due().await.unwrap();
    assert_eq!(fixture.others.told(), [], "not at once again");
    // The process ended before it could tell them.
    let fixture = fixture.reopen();
    fixture.clock.advance_ms(i64::from(fixture.config.devices.retry_ms));
    fixture.service.devices.tell_due().await.unwrap();
    assert_eq!(fixture.others.told(), gone("text", 1));
}

#[tokio::test]
async fn services_of_the_original_need_not_be_told() {
    let fixture = Fixture::new();
    fixture.register("alice", PASSWORD).await;
    assert!(fixture.revoke_device(1, "text").await.is_ok());
    fixture.others.fail(Some(mprpc::Code::Unimplemented));
    fixture.service.devices.tell_due().await.unwrap();
    fixture.others.fail(None);
    fixture.clock.advance_ms(60_000);
    fixture.service.devices.tell_due().await.unwrap();
    assert_eq!(fixture.others.told(), []);
}

#[tokio::test]
async fn more_devices_than_allowed_are_refused_until_one_is_revoked() {
    let fixture = Fixture::with(|config| config.devices.per_user_max = 2);
    fixture.register("alice", PASSWORD).await;
    fixture.on_device("alice", "web:1").await;
    let refused = fixture.on_device("alice", "web:2").await;
    assert_eq!(refused.result.unwrap().msg, "too many devices");
    assert_eq!((refused.token.as_str(), refused.generation), ("", 0));
    assert!(fixture.on_device("alice", "web:1").await.result.unwrap().is_ok());
    assert!(fixture.revoke_device(1, "text").await.is_ok());
    assert_eq!(fixture.on_device("alice", "web:2").await.generation, 3);
}

#[tokio::test]
async fn who_has_as_many_devices_as_allowed_loses_the_one_that_they_have_not_used_for_long() {
    const DAY_MS: i64 = 24 * 3600 * 1000;
    for unused_days in [10, 0] {
        let fixture = Fixture::with(|config| {
            config.devices.per_user_max = 2;
            config.devices.unused_days = unused_days;
        });
        let text = fixture.register("alice", PASSWORD).await.token;
        fixture.clock.advance_ms(1);
        fixture.on_device("alice", "web:1").await;
        fixture.clock.advance_ms(10 * DAY_MS - 1);
        let early = fixture.on_device("alice", "web:2").await;
        assert_eq!(early.result.unwrap().msg, "too many devices");
        fixture.clock.advance_ms(1);
        let another = fixture.on_device("alice", "web:2").await;
        if unused_days == 0 {
            assert_eq!(another.result.unwrap().msg, "too many devices");
            continue;
        }
        assert_eq!(another.generation, 3);
        assert_eq!(fixture.verify_token(&text).await.0.msg, "invalid token");
        assert!(is_good(&fixture, &another.token).await);
        let both = [("web:1".to_owned(), 2), ("web:2".to_owned(), 3)];
        assert_eq!(fixture.devices(1).await, both);
        fixture.others.told();
        fixture.service.devices.tell_due().await.unwrap();
        assert_eq!(fixture.others.told(), gone("text", 1));
    }
}

#[tokio::test]
async fn the_token_of_a_revoked_device_is_worthless_whatever_its_time() {
    let fixture = Fixture::new();
    let [text, phone] = [
        fixture.register("alice", PASSWORD).await.token,
        fixture.on_device("alice", "mobile:a").await.token,
    ];
    fixture.clock.advance_ms(i64::from(fixture.config.token.ttl_s) * 1000);
    fixture.revoke_device(1, "mobile:a").await;
    assert_eq!(fixture.verify_token(&text).await.0.msg, "token expired");
    assert_eq!(fixture.verify_token(&phone).await.0.msg, "invalid token");
    fixture.clock.advance_ms(-2 * i64::from(fixture.config.token.ttl_s) * 1000);
    assert_eq!(fixture.verify_token(&text).await.0.msg, "token not yet valid");
    assert_eq!(fixture.verify_token(&phone).await.0.msg, "invalid token");
}
