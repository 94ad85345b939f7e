//! What a log-in goes on with over frames and WebSocket: other tokens, another password; and its end.

use serde_json::{Value, json};

use crate::fakes::Asked;
use crate::frames::Frames;
use crate::system::System;
use crate::web_socket::WebSocket;

const LOG_IN: &str = "0123456789abcdef0123456789abcdef";

/// A client of either.
enum Client {
    Frames(Frames),
    WebSocket(WebSocket),
}

impl Client {
    async fn ask(&mut self, kind: u16, body: Value) -> (u16, Value) {
        match self {
            Self::Frames(frames) => frames.ask(kind, &body).await,
            Self::WebSocket(socket) => {
                let mut answer = socket.ask(kind, &body).await;
                (answer["type"].as_u64().unwrap().try_into().unwrap(), answer["body"].take())
            }
        }
    }

    /// Code and words of what is refused.
    async fn refused(&mut self, kind: u16, body: Value) -> (u64, String) {
        let (answered, body) = self.ask(kind, body).await;
        assert_eq!(answered, kind + 1, "{body}");
        (body["code"].as_u64().unwrap(), body["message"].as_str().unwrap().to_owned())
    }

    /// Why it is closed.
    async fn closing(&mut self) -> String {
        match self {
            Self::Frames(frames) => frames.closing().await.1.replace("closing ", ""),
            Self::WebSocket(socket) => socket.closing().await.1,
        }
    }

    async fn data(&mut self, kind: u16, body: Value) -> Value {
        let (answered, mut body) = self.ask(kind, body).await;
        assert_eq!((answered, &body["code"]), (kind + 1, &json!(0)), "{body}");
        body["data"].take()
    }
}

/// One client of each, connected to systems of their own, where ada has an account.
async fn clients() -> [(System, Client); 2] {
    let systems = [System::start().await, System::start().await];
    for system in &systems {
        system.register("ada").await.ask("LOGOUT").await;
        system.fakes.state().log_in_id = LOG_IN.to_owned();
        system.asked();
    }
    let [one, other] = systems;
    let frames = Client::Frames(Frames::connect(one.frames()).await);
    let socket = Client::WebSocket(WebSocket::connect(&other).await);
    [(one, frames), (other, socket)]
}

fn ada() -> Value {
    json!({"username": "ada", "password": "password"})
}

fn refreshing() -> Value {
    json!({"username": "ada", "password": "password", "refresh": true})
}

fn refresh() -> Value {
    json!({"refresh_token": "refresh-ada"})
}

#[tokio::test]
async fn a_log_in_tells_who_it_is_how_long_it_is_good_and_how_it_goes_on() {
    for (_system, mut client) in clients().await {
        let said = client.data(1001, refreshing()).await;
        let device = said["device"].clone();
        let expected = json!({"user_id": 1, "username": "ada", "nickname": "ada",
            "session_key": "token-ada", "online_status": 1, "device": device, "role": "user",
            "expire_time": 1_790_000_900, "refresh_token": "refresh-ada",
            "refresh_expire_time": 4_102_444_800_i64});
        assert_eq!(said, expected);
        let me = client.data(4001, json!({"op": "whoami"})).await;
        assert_eq!((&me["device"], &me["role"]), (&device, &json!("user")));
    }
    for (_system, mut client) in clients().await {
        let said = client.data(1001, ada()).await;
        assert_eq!(said["expire_time"], 1_790_000_900, "{said}");
        assert!(said["refresh_token"].is_null() && said["refresh_expire_time"].is_null(), "{said}");
    }
}

#[tokio::test]
async fn a_refresh_gives_the_next_tokens_once_and_before_a_log_in_too() {
    for (_system, mut client) in clients().await {
        let next = client.data(1007, refresh()).await;
        assert_eq!(
            (&next["session_key"], &next["refresh_token"]),
            (&json!("token-ada"), &json!("refresh-ada"))
        );
        let invalid = (1004, "invalid token".to_owned());
        assert_eq!(client.refused(1007, refresh()).await, invalid, "good once");
        let whoami = client.ask(4001, json!({"op": "whoami"})).await.1;
        assert_eq!(whoami["code"], 3001, "it was no log-in: {whoami}");
        client.data(1001, ada()).await;
        assert_eq!(client.refused(1007, refresh()).await, invalid);
        assert_eq!(client.data(4001, json!({"op": "whoami"})).await["user_id"], 1, "it goes on");
    }
}

#[tokio::test]
async fn a_password_is_changed_in_a_session_that_goes_on() {
    for (system, mut client) in clients().await {
        let change = |old: &str| json!({"old": old, "new": "another"});
        assert_eq!(client.refused(1009, change("password")).await, (3001, "not login".to_owned()));
        client.data(1001, ada()).await;
        assert_eq!(client.refused(1009, change("guess")).await, (1002, "bad cred".to_owned()));
        let changed = client.data(1009, change("password")).await;
        assert_eq!(changed["refresh_token"], "refresh-ada", "{changed}");
        assert_eq!(client.data(4001, json!({"op": "friends"})).await, json!({"user_ids": []}));
        let mut text = system.connect().await;
        assert_eq!(text.ask("LOGIN ada password").await, "-ERR auth bad cred");
        assert_eq!(text.ask("LOGIN ada another").await, "+OK uid=1");
    }
}

#[tokio::test]
async fn all_log_ins_of_a_user_end_by_one_that_is_good() {
    let everywhere = || json!({"everywhere": true});
    for (system, mut client) in clients().await {
        client.data(1001, ada()).await;
        let (kind, answer) = client.ask(1003, everywhere()).await;
        assert_eq!((kind, &answer["code"]), (1004, &json!(0)), "{answer}");
        assert!(system.asked().contains(&Asked::RevokeAll(LOG_IN.to_owned())));
        assert_eq!(client.closing().await, "logged out");
    }
    for (system, mut client) in clients().await {
        client.data(1001, ada()).await;
        system.fakes.state().ended.insert(LOG_IN.to_owned());
        let refused = client.refused(1003, everywhere()).await;
        assert_eq!(refused, (1004, "invalid token".to_owned()));
        assert_eq!(client.closing().await, "logged out", "found out at once");
    }
}

/// Lines have no field for when.
#[tokio::test]
async fn who_has_guessed_too_often_is_told_when_to_come_back() {
    for (system, mut client) in clients().await {
        client.data(1001, ada()).await;
        let mut text = system.connect().await;
        system.fakes.make_wait(1_500);
        let (_, refused) = client.ask(1009, json!({"old": "guess", "new": "another"})).await;
        assert_eq!((&refused["code"], &refused["retry_after_ms"]), (&json!(5003), &json!(1_500)));
        assert_eq!(text.ask("LOGIN ada guess").await, "-ERR auth too many attempts");
        let mut other = match client {
            Client::Frames(_) => Client::Frames(Frames::connect(system.frames()).await),
            Client::WebSocket(_) => Client::WebSocket(WebSocket::connect(&system).await),
        };
        let (kind, refused) = other.ask(1001, ada()).await;
        assert_eq!((kind, &refused["message"]), (1002, &json!("auth too many attempts")));
        assert_eq!((&refused["code"], &refused["retry_after_ms"]), (&json!(5003), &json!(1_500)));
        system.fakes.state().wait_ms = 0;
        let (_, refused) = other.ask(1001, ada()).await;
        assert!(refused["retry_after_ms"].is_null(), "nobody knows: {refused}");
    }
}

/// It has no word for what is asked.
#[tokio::test]
async fn what_an_im_user_of_before_cannot_do_is_not_supported() {
    let unsupported = (4002, "not supported by this fleet".to_owned());
    for (system, mut client) in clients().await {
        system.fakes.state().log_in_id.clear();
        client.data(1001, ada()).await;
        for (kind, body) in [
            (1003, json!({"everywhere": true})),
            (1009, json!({"old": "password", "new": "another"})),
        ] {
            assert_eq!(client.refused(kind, body).await, unsupported);
        }
        let lacks = mprpc::Status::unimplemented("the original has none");
        system.fakes.fault("refresh", crate::fakes::Fault::Fails(1, lacks));
        assert_eq!(client.refused(1007, refresh()).await, unsupported);
    }
}
