//! Accounts that change, as callers of the service see them.

use mpim_proto::user_service::Server as _;
use mpim_proto::{ChangePasswordReq, Granted, Role, SetDisabledReq, SetRoleReq, VerifyTokenReq};

use crate::testing::{Fixture, Told, cx};

const PASSWORD: &str = "correct horse";
const NEW: &str = "battery staple";

impl Fixture {
    async fn change(&self, of: &Granted, old: &str, new: &str) -> Result<Granted, String> {
        let [old_password, new_password] = [old, new].map(|it| it.to_owned().into());
        let held = Some(held(of));
        let req =
            ChangePasswordReq { held, old_password, new_password, ..ChangePasswordReq::default() };
        let answer = self.service.change_password(&cx(), req).await.unwrap();
        answer.granted.ok_or(answer.result.unwrap().msg)
    }

    async fn disable(&self, user_id: i64, disabled: bool) -> String {
        let req = SetDisabledReq { user_id, disabled };
        self.service.set_disabled(&cx(), req).await.unwrap().result.unwrap().msg
    }

    async fn says(&self, password: &str) -> String {
        self.log_in("alice", password).await.result.unwrap().msg
    }
}

fn held(of: &Granted) -> mpim_proto::Held {
    let Granted { user_id, device, generation, login_id, epoch, expires_at_ms, .. } = of.clone();
    mpim_proto::Held { user_id, device, generation, login_id, epoch, expires_at_ms }
}

#[tokio::test]
async fn with_another_password_all_log_ins_end_but_the_one_that_asked_which_has_new_tokens() {
    for refreshes in [false, true] {
        let fixture = Fixture::new();
        let text = fixture.register("alice", PASSWORD).await.granted.unwrap();
        let web = fixture.begin("alice", "web").await;
        let (one, other) = if refreshes { (web, text) } else { (text, web) };
        fixture.others.told();
        let changed = fixture.change(&one, PASSWORD, NEW).await.unwrap();
        assert_eq!((changed.login_id.as_str(), changed.epoch), (one.login_id.as_str(), 2));
        assert!(!fixture.is_good(&other).await && !fixture.goes_on(&other).await);
        assert!(fixture.goes_on(&one).await, "what it has open lives on");
        assert!(!fixture.is_good(&one).await, "and what may have been copied does not");
        assert!(fixture.is_good(&changed).await);
        assert_eq!(fixture.told_all().await, [Told::CloseEpoch(1, one.login_id.clone())]);
        assert_eq!(!changed.refresh_token.is_empty(), refreshes);
        if refreshes {
            let next = fixture.refresh(&changed.refresh_token).await.unwrap();
            assert!(fixture.is_good(&next).await);
            assert!(fixture.refresh(&one.refresh_token).await.is_none(), "the copy");
        }
        assert_eq!(
            (fixture.says(PASSWORD).await, fixture.says(NEW).await),
            ("bad cred".into(), "ok".into())
        );
        let fixture = fixture.reopen();
        assert_eq!(fixture.says(NEW).await, "ok");
    }
}

#[tokio::test]
async fn a_password_is_changed_only_by_who_knows_it_and_to_one_that_is_worth_it() {
    let fixture = Fixture::with(|config| config.log_in.free = 2);
    let one = fixture.register("alice", PASSWORD).await.granted.unwrap();
    fixture.register("bob", PASSWORD).await;
    let bob = fixture.begin("bob", "text").await;
    assert_eq!(fixture.change(&one, PASSWORD, "short").await.unwrap_err(), "weak password");
    let of_alice = Granted { user_id: 1, ..bob };
    assert_eq!(fixture.change(&of_alice, PASSWORD, NEW).await.unwrap_err(), "invalid token");
    let long = "x".repeat(100_000);
    for wrong in ["wrong horse", &long] {
        assert_eq!(fixture.change(&one, wrong, NEW).await.unwrap_err(), "bad cred");
    }
    assert_eq!(fixture.change(&one, PASSWORD, NEW).await.unwrap_err(), "too many attempts");
    assert_eq!(fixture.says(PASSWORD).await, "too many attempts", "guesses count together");
    assert!(fixture.is_good(&one).await, "nothing was changed");
    fixture.log_out(1, &one.token).await;
    assert_eq!(fixture.change(&one, PASSWORD, NEW).await.unwrap_err(), "invalid token");
}

#[tokio::test]
async fn a_disabled_account_is_out_and_comes_back_with_its_password() {
    let fixture = Fixture::new();
    let text = fixture.register("alice", PASSWORD).await.granted.unwrap();
    let web = fixture.begin("alice", "web").await;
    fixture.others.told();
    assert_eq!(fixture.disable(9, true).await, "no such user");
    assert_eq!(fixture.disable(1, true).await, "ok");
    assert_eq!(fixture.told_all().await, [Told::CloseEpoch(1, String::new())]);
    assert_eq!(
        (fixture.says("wrong horse").await, fixture.says(PASSWORD).await),
        ("bad cred".into(), "account disabled".into())
    );
    assert!(fixture.refresh(&web.refresh_token).await.is_none());
    for _ in 0..2 {
        for ended in [&text, &web] {
            assert!(!fixture.is_good(ended).await && !fixture.goes_on(ended).await);
        }
        assert_eq!(fixture.disable(1, false).await, "ok");
    }
    assert_eq!(fixture.says(PASSWORD).await, "ok");
}

#[tokio::test]
async fn a_role_counts_from_the_next_look_at_a_log_in_on_and_ends_none() {
    let fixture = Fixture::new();
    let granted = fixture.register("alice", PASSWORD).await.granted.unwrap();
    let role_of = async || {
        let req = VerifyTokenReq { token: granted.token.clone(), ..VerifyTokenReq::default() };
        let answer = fixture.service.verify_token(&cx(), req).await.unwrap();
        answer.granted.unwrap().role()
    };
    let give = async |user_id, role: i32| {
        let req = SetRoleReq { user_id, role };
        Ok::<_, mprpc::Status>(fixture.service.set_role(&cx(), req).await?.result.unwrap().msg)
    };
    assert_eq!(role_of().await, Role::User);
    for role in [Role::Admin, Role::Bot, Role::User] {
        assert_eq!(give(1, role.into()).await.unwrap(), "ok");
        assert_eq!(role_of().await, role);
    }
    assert_eq!(give(9, Role::Admin.into()).await.unwrap(), "no such user");
    assert_eq!(give(1, 7).await.unwrap_err().code(), mprpc::Code::InvalidArgument);
    assert_eq!(role_of().await, Role::User);
    // What ends all log-ins leaves the role.
    give(1, Role::Admin.into()).await.unwrap();
    fixture.disable(1, true).await;
    fixture.disable(1, false).await;
    let again = fixture.log_in("alice", PASSWORD).await.granted.unwrap();
    assert_eq!(again.role(), Role::Admin);
}
