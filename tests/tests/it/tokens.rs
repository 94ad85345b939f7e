//! What tokens are worth by each way in: forged ones, those whose time or whose log-in is over, and what
//! was open by then.

mod door;
mod forging;

use mpim_proto::{SetDisabledReq, user_service};
use mpim_tests::{HttpClient, PASSWORD, Person, Request, Service, Stack, StackBuilder, Way};
use mprpc::Context;
use serde_json::{Value, json};

use door::{Door, codes};
pub(crate) use forging::Forger;

on_all_stacks! {
    a_forged_token_opens_nothing_by_any_way,
    a_token_whose_time_is_over_opens_nothing_and_closes_nothing,
    whatever_ends_a_log_in_closes_what_it_has_open_by_each_way,
    a_password_is_changed_by_each_way_and_asked_for_by_each,
}

/// A log-in of a user.
struct LogIn {
    http: HttpClient,
    refresh: Value,
}

impl LogIn {
    async fn new(stack: &Stack, name: &str, device: &str) -> Self {
        let body = json!({"username": name, "password": PASSWORD, "device": device});
        let nobody = HttpClient::nobody(stack.http_address());
        let data = nobody.done("POST", "/api/login", Some(body)).await;
        Self::of(stack, data)
    }

    fn of(stack: &Stack, mut data: Value) -> Self {
        let http = HttpClient::with_token(stack.http_address(), &data["token"]);
        Self { http, refresh: data["refresh_token"].take() }
    }

    fn token(&self) -> &str {
        self.http.token()
    }

    /// The same log-in with new tokens.
    ///
    /// # Errors
    /// The code of the refusal.
    async fn refreshed(&self, stack: &Stack) -> Result<Self, Value> {
        let body = json!({"refresh_token": self.refresh});
        let (_, mut answer) = self.http.ask("POST", "/api/refresh", Some(body)).await;
        match answer["code"].take() {
            code if code == 0 => Ok(Self::of(stack, answer["data"].take())),
            code => Err(code),
        }
    }

    async fn changes_password(&self, stack: &Stack, new: &str) -> Self {
        let change = json!({"old": PASSWORD, "new": new});
        let data = self.http.done("POST", "/api/password", Some(change)).await;
        Self::of(stack, data)
    }
}

const GOOD: [i64; 4] = [0; 4];
const INVALID: [i64; 4] = [1004; 4];
const EXPIRED: [i64; 4] = [1005; 4];

async fn a_forged_token_opens_nothing_by_any_way(stack: StackBuilder) {
    let stack = stack.start().await;
    for name in ["ada", "bob"] {
        Way::Http.register(&stack, name).await;
    }
    let ada = LogIn::new(&stack, "ada", "mobile:a").await;
    let bob = LogIn::new(&stack, "bob", "mobile:b").await;
    let forger = Forger::of(&stack, ada.token());
    // Who has the key makes good ones: what is refused below is refused for what it says.
    let resigned = forger.saying("rol", json!("user"));
    assert_eq!(codes(&stack, &resigned).await, GOOD);
    assert_eq!(codes(&stack, &forger.expired()).await, EXPIRED);
    let mut forged = forging::mangled(ada.token(), bob.token());
    forged.extend(forger.with_wrong_claims());
    forged.extend(forger.with_wrong_heads());
    // Nor is a token of one kind good for another.
    forged.push(ada.refresh.as_str().expect("a token").to_owned());
    let mut wrong = Vec::new();
    for token in forged {
        let found = codes(&stack, &token).await;
        if found != INVALID {
            wrong.push(format!("{found:?}: {token}"));
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
    let access = LogIn { refresh: json!(ada.token()), http: ada.http.clone() };
    assert_eq!(access.refreshed(&stack).await.err(), Some(json!(1004)));
    // None in an address: it would stand in everybody's logs.
    let nobody = HttpClient::nobody(stack.http_address());
    assert_eq!(nobody.ask("GET", &format!("/api/me?token={}", ada.token()), None).await.0, 401);
    assert_eq!(codes(&stack, ada.token()).await, GOOD, "it has ended none");
}

async fn a_token_whose_time_is_over_opens_nothing_and_closes_nothing(stack: StackBuilder) {
    const QUARTER_S: i64 = 15 * 60;
    const MONTH_S: i64 = 30 * 24 * 3600;
    let stack = stack.with_clocks().start().await;
    let (_, uid) = Way::Http.register(&stack, "ada").await;
    let mut bob = Person::register(&stack, "bob").await;
    let mut open = Vec::new();
    // Of a class that lets them be side by side.
    for door in Door::ALL {
        let log_in = LogIn::new(&stack, "ada", &format!("web:{door:?}")).await;
        open.push((door.enter(&stack, "ada", log_in.token()).await, log_in));
    }
    let user = stack.process_of(Service::User);
    stack.set_clock(&user, QUARTER_S + 1);
    let (_, of_text) = open.first().expect("one at each door");
    assert_eq!(codes(&stack, of_text.token()).await, EXPIRED);
    bob.send(uid, "later").await;
    for (open, log_in) in &mut open {
        assert_eq!(open.hears().await, "later");
        *log_in = log_in.refreshed(&stack).await.expect("its log-in goes on");
    }
    let (_, of_text) = open.first().expect("one at each door");
    assert_eq!(codes(&stack, of_text.token()).await, GOOD);
    stack.set_clock(&user, QUARTER_S + MONTH_S + 2);
    for (_, log_in) in &open {
        assert_eq!(log_in.refreshed(&stack).await.err(), Some(json!(1004)));
    }
}

/// How a log-in ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    LogOut,
    Everywhere,
    Reuse,
    Device,
    Password,
    Disabled,
}

impl Ending {
    const ALL: [Self; 6] =
        [Self::LogOut, Self::Everywhere, Self::Reuse, Self::Device, Self::Password, Self::Disabled];

    fn reason(self) -> &'static str {
        match self {
            Self::LogOut => "logged out",
            Self::Everywhere => "logged out everywhere",
            Self::Reuse => "refresh token reused",
            Self::Device => "device revoked",
            Self::Password => "password changed",
            Self::Disabled => "account disabled",
        }
    }

    /// Whether it can happen to what is open there: a log-in by text lines has no token to end it by.
    fn happens_at(self, door: Door) -> bool {
        door != Door::Text || !matches!(self, Self::LogOut | Self::Reuse)
    }

    /// Whether other log-ins of the user go on.
    fn is_of_one(self) -> bool {
        matches!(self, Self::LogOut | Self::Reuse | Self::Device)
    }

    /// Ends `log_in`, and with it what is open of `device`; the other one as it is after that.
    async fn happens(self, stack: &Stack, log_in: &LogIn, device: &str, other: LogIn) -> LogIn {
        let at = |path: &'static str, body| log_in.http.done("POST", path, Some(body));
        match self {
            Self::LogOut => drop(at("/api/logout", json!({})).await),
            Self::Everywhere => drop(at("/api/logout", json!({"everywhere": true})).await),
            Self::Reuse => {
                let next = log_in.refreshed(stack).await.expect("it is good once");
                next.refreshed(stack).await.expect("and so is the next");
                assert_eq!(log_in.refreshed(stack).await.err(), Some(json!(1004)));
            }
            Self::Device => {
                other.http.done("DELETE", &format!("/api/devices/{device}"), None).await;
            }
            Self::Password => return other.changes_password(stack, "another of hers").await,
            Self::Disabled => {
                let me = other.http.done("GET", "/api/me", None).await;
                let user_id = me["user_id"].as_i64().expect("a number");
                let user = user_service::Client::new(&stack.channel_to(Service::User));
                let cx = Context::with_timeout(mpim_tests::DEADLINE);
                let request = SetDisabledReq { user_id, disabled: true };
                user.set_disabled(&cx, request).await.expect("it is done");
            }
        }
        other
    }
}

async fn whatever_ends_a_log_in_closes_what_it_has_open_by_each_way(stack: StackBuilder) {
    let stack = stack.start().await;
    for ending in Ending::ALL {
        for door in Door::ALL {
            if !ending.happens_at(door) {
                continue;
            }
            let name = format!("{ending:?}-{door:?}");
            Way::Http.register(&stack, &name).await;
            let device = if door == Door::Text { "text:t" } else { "mobile:a" };
            let log_in = LogIn::new(&stack, &name, "mobile:a").await;
            let other = LogIn::new(&stack, &name, "desktop:b").await;
            let mut open = door.enter(&stack, &name, log_in.token()).await;
            let other = ending.happens(&stack, &log_in, device, other).await;
            open.is_closed(ending.reason()).await;
            if device != "text:t" || !ending.is_of_one() {
                assert_eq!(codes(&stack, log_in.token()).await, INVALID, "{name}");
            }
            let goes_on = ending.is_of_one() || ending == Ending::Password;
            let expected = if goes_on { GOOD } else { INVALID };
            assert_eq!(codes(&stack, other.token()).await, expected, "{name}: another log-in");
        }
    }
}

async fn a_password_is_changed_by_each_way_and_asked_for_by_each(stack: StackBuilder) {
    const NEW: &str = "another of hers";
    let stack = stack.start().await;
    let change = |old: &str| Request::ChangePassword { old: old.to_owned(), new: NEW.to_owned() };
    for by in [Way::Frames, Way::WebSocket, Way::Http] {
        let name = format!("somebody-{by:?}");
        let (mut somebody, _) = by.register(&stack, &name).await;
        let other = LogIn::new(&stack, &name, "mobile:a").await;
        let mut nobody = by.nobody(&stack).await;
        assert_eq!(nobody.ask(&change(PASSWORD)).await, Some(Err("not login".to_owned())));
        assert!(matches!(somebody.ask(&change("a guess")).await, Some(Err(_))), "{by:?}");
        assert_eq!(codes(&stack, other.token()).await, GOOD, "{by:?} has changed nothing");
        somebody.done(&change(PASSWORD)).await;
        assert_eq!(codes(&stack, other.token()).await, INVALID, "{by:?}");
        for way in Way::ALL {
            let old = way.try_log_in(&stack, &name, PASSWORD).await;
            assert_eq!(old.err().as_deref(), Some("auth bad cred"), "{by:?} {way:?}");
            way.try_log_in(&stack, &name, NEW).await.expect("the password of now");
        }
    }
}
