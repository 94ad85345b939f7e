//! Bots and their keys, as callers of the service see them.

use mpim_proto::user_service::Server as _;
use mpim_proto::{
    ApiKey, ChangePasswordReq, Code, CreateApiKeyReq, CreateApiKeyResp, CreateBotReq, Granted,
    ListApiKeysReq, LogoutReq, RevokeApiKeyReq, Role, SetRoleReq, VerifyTokenReq,
};

use crate::testing::{Fixture, Told, cx};

const PASSWORD: &str = "correct horse";
const DAY_S: u32 = 24 * 3600;

impl Fixture {
    async fn bot(&self, name: &str) -> Result<i64, String> {
        let req = CreateBotReq { username: name.to_owned().into() };
        let answer = self.service.create_bot(&cx(), req).await.unwrap();
        let result = answer.result.unwrap();
        if result.is_ok() { Ok(answer.user_id) } else { Err(result.msg) }
    }

    async fn make(&self, user_id: i64, label: &str, ttl_s: u32) -> CreateApiKeyResp {
        let req = CreateApiKeyReq { user_id, label: label.to_owned(), ttl_s };
        self.service.create_api_key(&cx(), req).await.unwrap()
    }

    /// A key for the first user, who is a bot.
    async fn key(&self) -> CreateApiKeyResp {
        self.make(1, "", 0).await
    }

    async fn keys(&self) -> Vec<ApiKey> {
        self.service.list_api_keys(&cx(), ListApiKeysReq { user_id: 1 }).await.unwrap().keys
    }

    /// Whose key it is, or why it is nobody's.
    async fn shown(&self, key: &str) -> Result<Granted, String> {
        let req = VerifyTokenReq { token: key.to_owned(), held: None };
        let answer = self.service.verify_token(&cx(), req).await.unwrap();
        answer.granted.ok_or(answer.result.unwrap().msg)
    }

    async fn revoke(&self, key_id: &str) -> String {
        let req = RevokeApiKeyReq { key_id: key_id.to_owned() };
        self.service.revoke_api_key(&cx(), req).await.unwrap().result.unwrap().msg
    }
}

async fn with_bot() -> Fixture {
    let fixture = Fixture::new();
    assert_eq!(fixture.bot("bot").await, Ok(1));
    fixture
}

#[tokio::test]
async fn a_bot_is_let_in_by_its_key_wherever_a_token_is_taken_and_by_no_password() {
    let fixture = with_bot().await;
    let made = fixture.key().await;
    let key_id = made.key_id.clone();
    assert!(made.key.starts_with(&format!("mpk_{key_id}_")) && made.expires_at_ms == 0);
    let granted = fixture.shown(&made.key).await.unwrap();
    assert_eq!((granted.user_id, granted.username.as_str()), (1, "bot"));
    assert_eq!((granted.device.as_str(), granted.role()), ("bot", Role::Bot));
    assert_eq!((&granted.login_id, granted.token.as_str()), (&key_id, ""));
    assert!(fixture.goes_on(&granted).await);
    for password in ["", "*", PASSWORD] {
        let refused = fixture.log_in("bot", password).await.result.unwrap();
        assert_eq!(refused.msg, "bad cred");
    }
    let fixture = fixture.reopen();
    assert!(fixture.shown(&made.key).await.is_ok(), "durably");
    assert!(fixture.refresh(&made.key).await.is_none());
    let of_another = format!("mpk_{key_id}_{}", "0".repeat(64));
    for wrong in [&of_another, &key_id, "mpk_", ""] {
        assert_eq!(fixture.shown(wrong).await.unwrap_err(), "invalid token", "{wrong}");
    }
}

#[tokio::test]
async fn a_key_is_shown_once_and_its_secret_is_kept_nowhere() {
    let fixture = with_bot().await;
    let made = fixture.key().await;
    let secret = made.key.rsplit_once('_').unwrap().1.to_owned();
    assert!(!format!("{:?}", fixture.keys().await).contains(&secret));
    let stored = fixture.files();
    let has = |bytes: &[u8]| stored.iter().any(|file| contains(file, bytes));
    assert!(has(made.key_id.as_bytes()), "what is stored was looked at");
    assert!(!has(secret.as_bytes()));
}

fn contains(hay: &[u8], needle: &[u8]) -> bool {
    hay.windows(needle.len()).any(|window| window == needle)
}

#[tokio::test]
async fn keys_are_made_for_bots_alone_and_so_many() {
    let fixture = Fixture::with(|config| config.api_keys.per_bot_max = 2);
    assert_eq!(fixture.bot("bot").await, Ok(1));
    fixture.register("alice", PASSWORD).await;
    for (name, words) in [("BOT", "exists"), ("alice", "exists"), ("a b", "bad username")] {
        assert_eq!(fixture.bot(name).await.unwrap_err(), words);
    }
    let says = async |user_id, label: &str| {
        let result = fixture.make(user_id, label, 0).await.result.unwrap();
        (result.code(), result.msg)
    };
    assert_eq!(says(2, "").await, (Code::Invalid, "not a bot".into()));
    assert_eq!(says(9, "").await, (Code::NotFound, "no such user".into()));
    for label in ["a b", "a:b", &"x".repeat(65)] {
        assert_eq!(says(1, label).await, (Code::Invalid, "bad label".into()));
    }
    fixture.key().await;
    let labelled = fixture.make(1, "ci", 0).await;
    assert_eq!(fixture.shown(&labelled.key).await.unwrap().device, "bot:ci");
    assert_eq!(says(1, "").await, (Code::Invalid, "too many keys".into()));
    assert_eq!(fixture.revoke(&labelled.key_id).await, "revoked");
    assert_eq!(says(1, "").await.0, Code::Ok);
}

#[tokio::test]
async fn a_revoked_key_opens_nothing_and_what_it_had_open_is_closed() {
    let fixture = with_bot().await;
    let (one, other) = (fixture.key().await, fixture.key().await);
    let [granted, of_other] =
        [fixture.shown(&one.key).await.unwrap(), fixture.shown(&other.key).await.unwrap()];
    fixture.others.told();
    for wrong in ["", "2", &"2".repeat(32), &one.key] {
        assert_eq!(fixture.revoke(wrong).await, "no such key", "{wrong}");
    }
    assert_eq!(fixture.revoke(&one.key_id).await, "revoked");
    assert_eq!(fixture.revoke(&one.key_id).await, "no such key");
    assert_eq!(fixture.shown(&one.key).await.unwrap_err(), "invalid token");
    assert!(!fixture.goes_on(&granted).await && fixture.goes_on(&of_other).await);
    assert_eq!(fixture.told_all().await, [Told::CloseLogIn(one.key_id.clone())]);
    assert_eq!(fixture.keys().await[0].key_id, other.key_id);
    let fixture = fixture.reopen();
    assert_eq!(fixture.shown(&one.key).await.unwrap_err(), "invalid token", "for good");
}

#[tokio::test]
async fn a_key_whose_time_is_over_opens_nothing_and_what_it_had_open_is_closed() {
    let fixture = with_bot().await;
    let (short, long) = (fixture.make(1, "", DAY_S).await, fixture.key().await);
    assert_eq!(short.expires_at_ms, fixture.clock.now_ms() + 1000 * i64::from(DAY_S));
    let granted = fixture.shown(&short.key).await.unwrap();
    fixture.others.told();
    fixture.clock.advance_ms(1000 * i64::from(DAY_S) - 1);
    fixture.service.devices.users.end_keys_over().await.unwrap();
    assert!(fixture.shown(&short.key).await.is_ok() && fixture.told_all().await.is_empty());
    fixture.clock.advance_ms(1);
    assert_eq!(fixture.shown(&short.key).await.unwrap_err(), "token expired");
    fixture.service.devices.users.end_keys_over().await.unwrap();
    assert_eq!(fixture.shown(&short.key).await.unwrap_err(), "invalid token");
    assert!(!fixture.goes_on(&granted).await);
    assert_eq!(fixture.told_all().await, [Told::CloseLogIn(short.key_id)]);
    assert!(fixture.shown(&long.key).await.is_ok(), "one without a time has none");
}

#[tokio::test]
async fn a_log_out_ends_no_key_and_everywhere_whatever_is_open() {
    let fixture = with_bot().await;
    let made = fixture.key().await;
    let granted = fixture.shown(&made.key).await.unwrap();
    fixture.register("alice", PASSWORD).await;
    let token = made.key.clone();
    let Granted { user_id, device, generation, login_id, epoch, .. } = granted.clone();
    let expires_at_ms = 0;
    let held =
        Some(mpim_proto::Held { user_id, device, generation, login_id, epoch, expires_at_ms });
    let by_session = LogoutReq { user_id, held, ..LogoutReq::default() };
    let by_key = LogoutReq { user_id, token, ..LogoutReq::default() };
    let end = async |req: LogoutReq| {
        fixture.service.logout(&cx(), req).await.unwrap().result.unwrap().msg
    };
    for req in [&by_session, &by_key] {
        assert_eq!(end(LogoutReq { user_id: 2, ..req.clone() }).await, "invalid token");
        assert_eq!(end(req.clone()).await, "logout success");
        assert!(fixture.goes_on(&granted).await && fixture.shown(&made.key).await.is_ok());
    }
    fixture.others.told();
    assert_eq!(end(LogoutReq { everywhere: true, ..by_key }).await, "logout success");
    assert!(!fixture.goes_on(&granted).await);
    assert_eq!(fixture.told_all().await, [Told::CloseEpoch(1, String::new())]);
    let again = fixture.shown(&made.key).await.unwrap();
    assert!(fixture.goes_on(&again).await && again.epoch == 2);
}

#[tokio::test]
async fn who_has_a_key_does_not_become_who_has_the_account() {
    let fixture = Fixture::new();
    fixture.register("alice", PASSWORD).await;
    let role = async |role: Role| {
        let req = SetRoleReq { user_id: 1, role: role.into() };
        fixture.service.set_role(&cx(), req).await.unwrap();
    };
    role(Role::Bot).await;
    assert!(fixture.log_in("alice", PASSWORD).await.result.unwrap().is_ok(), "she has one");
    let made = fixture.key().await;
    let granted = fixture.shown(&made.key).await.unwrap();
    let Granted { user_id, device, generation, login_id, epoch, .. } = granted.clone();
    let expires_at_ms = 0;
    let held =
        Some(mpim_proto::Held { user_id, device, generation, login_id, epoch, expires_at_ms });
    for (held, token) in [(held, String::new()), (None, made.key.clone())] {
        let [old_password, new_password] = [PASSWORD, "battery staple"].map(Into::into);
        let address = String::new();
        let req = ChangePasswordReq { held, token, old_password, new_password, address };
        let refused = fixture.service.change_password(&cx(), req).await.unwrap().result.unwrap();
        assert_eq!((refused.code(), refused.msg.as_str()), (Code::PermissionDenied, "not allowed"));
    }
    // Keys are for bots: they open nothing while their user is none.
    role(Role::User).await;
    assert_eq!(fixture.shown(&made.key).await.unwrap_err(), "invalid token");
    role(Role::Bot).await;
    assert!(fixture.shown(&made.key).await.is_ok());
}

#[tokio::test]
async fn that_a_key_is_used_is_noted_to_within_an_hour() {
    let fixture = with_bot().await;
    let made = fixture.key().await;
    let used = async || fixture.keys().await[0].last_used_at_ms;
    assert_eq!(used().await, 0);
    fixture.shown(&made.key).await.unwrap();
    let first_ms = fixture.clock.now_ms();
    assert_eq!(used().await, first_ms);
    fixture.clock.advance_ms(3_599_999);
    fixture.shown(&made.key).await.unwrap();
    assert_eq!(used().await, first_ms, "most uses write nothing");
    fixture.clock.advance_ms(1);
    fixture.shown(&made.key).await.unwrap();
    assert_eq!(used().await, first_ms + 3_600_000);
}
