//! Log-ins that refresh, as callers of the service see them.

use std::sync::Arc;

use mpim_proto::user_service::Server as _;
use mpim_proto::{
    Granted, Held, LoginReq, LogoutReq, RefreshReq, RegisterReq, Role, VerifyTokenReq,
};
use tokio::task::JoinSet;

use crate::testing::{Fixture, Service, Told, cx};

const PASSWORD: &str = "correct horse";

impl Fixture {
    /// A log-in that refreshes.
    pub(crate) async fn begin(&self, name: &str, device: &str) -> Granted {
        let (username, password) = (name.to_owned().into(), PASSWORD.into());
        let device = device.to_owned();
        let (refreshes, address) = (true, String::new());
        let req = LoginReq { username, password, device, address, refreshes };
        self.service.login(&cx(), req).await.unwrap().granted.unwrap()
    }

    pub(crate) async fn refresh(&self, token: &str) -> Option<Granted> {
        refresh(&self.service, token).await
    }

    pub(crate) async fn is_good(&self, granted: &Granted) -> bool {
        self.verify_token(&granted.token).await.0.is_ok()
    }

    /// Whether a session of it may go on.
    pub(crate) async fn goes_on(&self, granted: &Granted) -> bool {
        let req = VerifyTokenReq { held: Some(held(granted)), ..VerifyTokenReq::default() };
        self.service.verify_token(&cx(), req).await.unwrap().result.unwrap().is_ok()
    }

    async fn end(&self, user_id: i64, req: LogoutReq) -> String {
        let answer = self.service.logout(&cx(), LogoutReq { user_id, ..req }).await.unwrap();
        answer.result.unwrap().msg
    }

    pub(crate) async fn told_all(&self) -> Vec<Told> {
        self.service.devices.tell_due().await.unwrap();
        self.others.told()
    }
}

/// As a gateway says it of a session.
fn held(granted: &Granted) -> Held {
    let Granted { user_id, device, generation, login_id, epoch, expires_at_ms, .. } =
        granted.clone();
    Held { user_id, device, generation, login_id, epoch, expires_at_ms }
}

async fn refresh(service: &Service, token: &str) -> Option<Granted> {
    let req = RefreshReq { refresh_token: token.to_owned() };
    let answer = service.refresh(&cx(), req).await.unwrap();
    let result = answer.result.unwrap();
    assert_eq!(answer.granted.is_some(), result.is_ok());
    assert!(result.is_ok() || result.msg == "invalid token", "{}", result.msg);
    answer.granted
}

fn again_ms(fixture: &Fixture) -> i64 {
    fixture.config.token.again_ms.into()
}

fn ttls(fixture: &Fixture) -> [i64; 3] {
    let token = &fixture.config.token;
    [token.ttl_s, token.access_ttl_s, token.refresh_ttl_s].map(|seconds| i64::from(seconds) * 1000)
}

#[tokio::test]
async fn only_a_log_in_that_refreshes_has_a_short_life_and_what_prolongs_it() {
    let fixture = Fixture::new();
    let [ttl_ms, access_ms, refresh_ms] = ttls(&fixture);
    let now_ms = fixture.clock.now_ms();
    let registered = fixture.register("Alice", PASSWORD).await;
    let granted = registered.granted.unwrap();
    let short = (granted.user_id, &granted.token, granted.generation);
    assert_eq!(short, (registered.user_id, &registered.token, registered.generation));
    assert_eq!((granted.device.as_str(), granted.username.as_str()), ("text", "Alice"));
    assert_eq!((granted.role(), granted.epoch), (Role::User, 1));
    assert_eq!(granted.expires_at_ms, now_ms + ttl_ms);
    assert_eq!((granted.refresh_token.as_str(), granted.refresh_expires_at_ms), ("", 0));

    let granted = fixture.begin("alice", "web").await;
    assert_eq!(granted.username, "Alice", "as it was chosen");
    assert_eq!(granted.expires_at_ms, now_ms + access_ms);
    assert_eq!(granted.refresh_expires_at_ms, now_ms + refresh_ms);
    assert!(granted.refresh_token.starts_with("mpr_"));
    let (username, password) = ("bob".into(), PASSWORD.into());
    let req = RegisterReq { username, password, refreshes: true, ..RegisterReq::default() };
    let granted = fixture.service.register(&cx(), req).await.unwrap().granted.unwrap();
    assert!(fixture.refresh(&granted.refresh_token).await.is_some(), "who registers may, too");
}

#[tokio::test]
async fn a_log_in_goes_on_for_as_long_as_it_is_refreshed_and_survives_a_restart() {
    let fixture = Fixture::new();
    let [_, access_ms, refresh_ms] = ttls(&fixture);
    fixture.register("alice", PASSWORD).await;
    let mut last = fixture.begin("alice", "web").await;
    for _ in 0..3 {
        fixture.clock.advance_ms(refresh_ms - 1);
        let next = fixture.refresh(&last.refresh_token).await.unwrap();
        assert_eq!(next.login_id, last.login_id);
        assert_ne!(next.refresh_token, last.refresh_token);
        assert!(fixture.is_good(&next).await);
        last = next;
    }
    let fixture = fixture.reopen();
    last = fixture.refresh(&last.refresh_token).await.unwrap();
    fixture.clock.advance_ms(access_ms);
    assert_eq!(fixture.verify_token(&last.token).await.0.msg, "token expired");
    assert!(fixture.goes_on(&last).await, "what is open has no time");
    fixture.clock.advance_ms(refresh_ms - access_ms);
    assert!(fixture.refresh(&last.refresh_token).await.is_none());
}

#[tokio::test]
async fn a_refresh_token_that_is_used_again_ends_its_log_in_and_what_it_has_open() {
    let fixture = Fixture::new();
    fixture.register("alice", PASSWORD).await;
    let (stolen, other) =
        (fixture.begin("alice", "web").await, fixture.begin("alice", "web").await);
    let next = fixture.refresh(&stolen.refresh_token).await.unwrap();
    fixture.others.told();
    fixture.clock.advance_ms(again_ms(&fixture) + 1);
    assert!(fixture.refresh(&stolen.refresh_token).await.is_none());
    assert!(!fixture.is_good(&next).await && !fixture.goes_on(&next).await);
    assert!(fixture.refresh(&next.refresh_token).await.is_none(), "whoever of the two it was");
    assert!(fixture.is_good(&other).await, "another log-in of the same user");
    assert_eq!(fixture.told_all().await, [Told::CloseLogIn(stolen.login_id)]);
    assert_eq!(fixture.told_all().await, [], "once");
}

#[tokio::test]
async fn who_was_not_answered_asks_again_and_is_given_the_same() {
    let fixture = Fixture::new();
    fixture.register("alice", PASSWORD).await;
    let granted = fixture.begin("alice", "web").await;
    let first = fixture.refresh(&granted.refresh_token).await.unwrap();
    fixture.clock.advance_ms(again_ms(&fixture));
    let again = fixture.refresh(&granted.refresh_token).await.unwrap();
    assert_eq!(again.refresh_token, first.refresh_token);
    assert_eq!(again.refresh_expires_at_ms, first.refresh_expires_at_ms);
    assert!(fixture.is_good(&again).await && fixture.is_good(&first).await);
    // Somebody has used what it gave: it is not the answer that was lost.
    fixture.refresh(&first.refresh_token).await.unwrap();
    assert!(fixture.refresh(&granted.refresh_token).await.is_none());
    assert!(!fixture.goes_on(&granted).await);

    let strict = Fixture::with(|config| config.token.again_ms = 0);
    strict.register("alice", PASSWORD).await;
    let granted = strict.begin("alice", "web").await;
    strict.refresh(&granted.refresh_token).await.unwrap();
    strict.clock.advance_ms(1);
    assert!(strict.refresh(&granted.refresh_token).await.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_who_refresh_with_one_token_at_once_are_given_one_and_the_same() {
    let fixture = Fixture::new();
    fixture.register("alice", PASSWORD).await;
    let granted = fixture.begin("alice", "web").await;
    let mut callers = JoinSet::new();
    for _ in 0..20 {
        let (service, token) = (Arc::clone(&fixture.service), granted.refresh_token.clone());
        callers.spawn(async move { refresh(&service, &token).await.unwrap().refresh_token });
    }
    let mut next = callers.join_all().await;
    next.dedup();
    assert_eq!(next.len(), 1);
    assert!(fixture.goes_on(&granted).await);
}

#[tokio::test]
async fn what_is_no_refresh_token_is_refused_and_ends_nothing() {
    let fixture = Fixture::new();
    fixture.register("alice", PASSWORD).await;
    let granted = fixture.begin("alice", "web").await;
    let token = granted.refresh_token.clone();
    let (short, long) = (&token[..token.len() - 1], format!("{token}0"));
    let upper = token.to_uppercase();
    let made_up = format!("mpr_{}_{}", granted.login_id, "0".repeat(64));
    for no_token in
        ["", "mpr_", "mpr__", short, &long, &upper, &granted.token, "mpr_'--_x", &made_up]
    {
        assert!(fixture.refresh(no_token).await.is_none(), "{no_token}");
    }
    assert!(!fixture.verify_token(&token).await.0.is_ok(), "it opens nothing itself");
    assert!(fixture.refresh(&token).await.is_some());
}

#[tokio::test]
async fn a_log_out_ends_the_tokens_the_sessions_and_the_refreshing_of_its_log_in_alone() {
    let fixture = Fixture::new();
    let text = fixture.register("alice", PASSWORD).await.granted.unwrap();
    let (one, two) = (fixture.begin("alice", "web").await, fixture.begin("alice", "web").await);
    fixture.others.told();
    let by_token = LogoutReq { token: one.token.clone(), ..LogoutReq::default() };
    assert_eq!(fixture.end(2, by_token.clone()).await, "invalid token");
    assert!(fixture.is_good(&one).await, "somebody else's");
    // Who comes back after a while has a token that is over.
    fixture.clock.advance_ms(ttls(&fixture)[1]);
    assert_eq!(fixture.end(1, by_token).await, "logout success");
    assert!(!fixture.goes_on(&one).await && fixture.refresh(&one.refresh_token).await.is_none());
    assert!(fixture.goes_on(&two).await && fixture.is_good(&text).await);
    assert_eq!(fixture.told_all().await, [Told::CloseLogIn(one.login_id)]);

    let by_session = LogoutReq { held: Some(held(&text)), ..LogoutReq::default() };
    assert_eq!(fixture.end(2, by_session.clone()).await, "invalid token");
    assert!(fixture.goes_on(&text).await, "somebody else's");
    assert_eq!(fixture.end(1, by_session).await, "logout success");
    assert!(!fixture.is_good(&text).await && !fixture.goes_on(&text).await);
    assert!(fixture.goes_on(&two).await);
    assert_eq!(fixture.told_all().await, [Told::CloseLogIn(text.login_id)]);
}

#[tokio::test]
async fn a_log_out_everywhere_ends_all_log_ins_and_nothing_that_begins_later() {
    let fixture = Fixture::new();
    let text = fixture.register("alice", PASSWORD).await.granted.unwrap();
    let bob = fixture.register("bob", PASSWORD).await.granted.unwrap();
    let web = fixture.begin("alice", "web").await;
    fixture.others.told();
    let everywhere =
        |token: &str| LogoutReq { token: token.into(), everywhere: true, ..LogoutReq::default() };
    assert_eq!(fixture.end(2, everywhere(&web.token)).await, "invalid token");
    assert_eq!(fixture.end(1, everywhere(&web.token)).await, "logout success");
    for ended in [&text, &web] {
        assert!(!fixture.is_good(ended).await && !fixture.goes_on(ended).await);
    }
    assert!(fixture.refresh(&web.refresh_token).await.is_none());
    assert_eq!(fixture.told_all().await, [Told::CloseEpoch(1, String::new())]);
    let again = fixture.begin("alice", "web").await;
    assert!(fixture.is_good(&again).await && again.epoch == 2);
    assert!(fixture.refresh(&again.refresh_token).await.is_some());
    // A token that has ended, stolen perhaps, ends nothing.
    assert_eq!(fixture.end(1, everywhere(&web.token)).await, "invalid token");
    fixture.clock.advance_ms(ttls(&fixture)[1]);
    assert_eq!(fixture.end(1, everywhere(&again.token)).await, "token expired");
    assert!(fixture.goes_on(&again).await && fixture.is_good(&bob).await);
    let fixture = fixture.reopen();
    assert!(!fixture.is_good(&text).await, "durably");
}

#[tokio::test]
async fn a_device_with_an_id_has_one_log_in_that_refreshes_and_a_class_has_several() {
    let fixture = Fixture::with(|config| config.token.refreshing_max = 3);
    fixture.register("alice", PASSWORD).await;
    let (one, two) = (fixture.begin("alice", "web").await, fixture.begin("alice", "web").await);
    assert!(fixture.goes_on(&one).await && fixture.goes_on(&two).await);
    let (former, phone) =
        (fixture.begin("alice", "mobile:a").await, fixture.begin("alice", "mobile:a").await);
    assert!(!fixture.is_good(&former).await && fixture.is_good(&phone).await);
    fixture.clock.advance_ms(1);
    fixture.refresh(&one.refresh_token).await.unwrap();
    fixture.refresh(&phone.refresh_token).await.unwrap();
    fixture.clock.advance_ms(1);
    let third = fixture.begin("alice", "web").await;
    assert!(!fixture.is_good(&two).await, "refreshed longest ago");
    for good in [&one, &phone, &third] {
        assert!(fixture.is_good(good).await);
    }
    // Those that do not refresh are not counted.
    for _ in 0..5 {
        fixture.log_in("alice", PASSWORD).await;
    }
    assert!(fixture.is_good(&one).await);
}

#[tokio::test]
async fn a_revoked_device_takes_its_log_ins_along() {
    let fixture = Fixture::new();
    fixture.register("alice", PASSWORD).await;
    let (phone, web) =
        (fixture.begin("alice", "mobile:a").await, fixture.begin("alice", "web").await);
    fixture.revoke_device(1, "mobile:a").await;
    assert!(!fixture.is_good(&phone).await && !fixture.goes_on(&phone).await);
    assert!(fixture.refresh(&phone.refresh_token).await.is_none());
    fixture.begin("alice", "mobile:a").await;
    assert!(fixture.refresh(&phone.refresh_token).await.is_none(), "nor under its name");
    assert!(fixture.refresh(&web.refresh_token).await.is_some());
}

#[tokio::test]
async fn who_could_not_be_told_of_a_log_in_that_ended_is_told_later() {
    let fixture = Fixture::new();
    let granted = fixture.register("alice", PASSWORD).await.granted.unwrap();
    fixture.others.fail(Some(mprpc::Code::Unavailable));
    fixture.log_out(1, &granted.token).await;
    assert_eq!(fixture.told_all().await, []);
    fixture.others.fail(None);
    let fixture = fixture.reopen();
    fixture.clock.advance_ms(i64::from(fixture.config.devices.retry_ms));
    assert_eq!(fixture.told_all().await, [Told::CloseLogIn(granted.login_id)]);
}

#[tokio::test]
async fn a_session_ends_all_log_ins_only_while_its_own_is_good() {
    let fixture = Fixture::new();
    let text = fixture.register("alice", PASSWORD).await.granted.unwrap();
    let web = fixture.begin("alice", "web").await;
    let everywhere =
        |of| LogoutReq { held: Some(held(of)), everywhere: true, ..LogoutReq::default() };
    fixture.log_out(1, &text.token).await;
    assert_eq!(fixture.end(1, everywhere(&text)).await, "invalid token");
    assert!(fixture.goes_on(&web).await);
    fixture.others.told();
    assert_eq!(fixture.end(1, everywhere(&web)).await, "logout success");
    assert!(!fixture.goes_on(&web).await);
    assert_eq!(fixture.end(1, everywhere(&web)).await, "invalid token");
}

#[tokio::test]
async fn what_names_no_log_in_is_none_and_proves_nothing() {
    let fixture = Fixture::new();
    let granted = fixture.register("alice", PASSWORD).await.granted.unwrap();
    assert!(fixture.goes_on(&granted).await);
    for login_id in [String::new(), "0".repeat(33), granted.login_id.to_uppercase() + "é"] {
        let nameless = Granted { login_id, ..granted.clone() };
        assert!(!fixture.goes_on(&nameless).await);
        let end = LogoutReq { held: Some(held(&nameless)), ..LogoutReq::default() };
        assert_eq!(fixture.end(1, end).await, "invalid token");
    }
    let everywhere = LogoutReq { token: "tok_1".into(), everywhere: true, ..LogoutReq::default() };
    assert_eq!(fixture.end(1, everywhere).await, "invalid token", "the original's proves nothing");
    assert!(fixture.is_good(&granted).await);
}

#[tokio::test]
async fn a_token_that_is_long_over_ends_nothing() {
    let fixture = Fixture::new();
    fixture.register("alice", PASSWORD).await;
    let granted = fixture.begin("alice", "web").await;
    fixture.clock.advance_ms(ttls(&fixture)[1] + 24 * 3600 * 1000 + 1);
    assert_eq!(fixture.log_out(1, &granted.token).await.msg, "logout success");
    assert!(fixture.goes_on(&granted).await);
}

#[tokio::test]
async fn what_was_logged_out_of_stays_over_for_as_long_as_its_token_would_have_been_good() {
    let mut fixture = Fixture::new();
    let granted = fixture.register("alice", PASSWORD).await.granted.unwrap();
    // The next tokens live less long; that one was given out before.
    fixture.config.token.ttl_s = 60;
    let fixture = fixture.reopen();
    let end = LogoutReq { held: Some(held(&granted)), ..LogoutReq::default() };
    assert_eq!(fixture.end(1, end).await, "logout success");
    fixture.clock.advance_ms(60_000 + 24 * 3600 * 1000 + 1);
    let other = fixture.log_in("alice", PASSWORD).await;
    fixture.log_out(1, &other.token).await;
    assert!(!fixture.is_good(&granted).await);
}

#[tokio::test]
async fn a_session_that_outlived_its_token_does_not_outlive_its_log_in() {
    let fixture = Fixture::new();
    let granted = fixture.register("alice", PASSWORD).await.granted.unwrap();
    fixture.clock.advance_ms(ttls(&fixture)[0] + 48 * 3600 * 1000);
    assert!(fixture.goes_on(&granted).await);
    let end = LogoutReq { held: Some(held(&granted)), ..LogoutReq::default() };
    assert_eq!(fixture.end(1, end).await, "logout success");
    // What is not needed any more is forgotten then.
    let other = fixture.log_in("alice", PASSWORD).await;
    fixture.log_out(1, &other.token).await;
    assert!(!fixture.goes_on(&granted).await);
}

#[tokio::test]
async fn while_too_many_wait_to_be_told_nobody_is_told_of_a_mere_log_out() {
    let fixture = Fixture::with(|config| config.devices.untold_max = 1);
    let one = fixture.register("alice", PASSWORD).await.granted.unwrap();
    let two = fixture.log_in("alice", PASSWORD).await.granted.unwrap();
    let web = fixture.begin("alice", "web").await;
    fixture.others.told();
    fixture.others.fail(Some(mprpc::Code::Unimplemented));
    fixture.log_out(1, &one.token).await;
    assert_eq!(fixture.told_all().await, [], "a gateway that does not know how is not done");
    fixture.log_out(1, &two.token).await;
    assert!(!fixture.goes_on(&two).await);
    let everywhere =
        LogoutReq { token: web.token.clone(), everywhere: true, ..LogoutReq::default() };
    assert_eq!(fixture.end(1, everywhere).await, "logout success");
    fixture.others.fail(None);
    fixture.clock.advance_ms(i64::from(fixture.config.devices.retry_ms));
    let told = [Told::CloseEpoch(1, String::new()), Told::CloseLogIn(one.login_id)];
    let mut all = fixture.told_all().await;
    all.sort_by_key(|told| matches!(told, Told::CloseLogIn(_)));
    assert_eq!(all, told);
}
