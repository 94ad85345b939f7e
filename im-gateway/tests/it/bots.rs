//! Programs that log in with an API key: on each protocol, where a token is taken.

use mpim_proto::EndedLogIns;
use serde_json::{Value, json};

use crate::client::Client;
use crate::fakes::KEY_ID;
use crate::frames::Frames;
use crate::http::Answer;
use crate::system::System;
use crate::web_socket::WebSocket;

/// Where user 1 is a bot and user 2 somebody.
async fn system() -> System {
    let system = System::start().await;
    for name in ["bot", "ada"] {
        system.register(name).await.ask("LOGOUT").await;
    }
    system
}

async fn text(system: &System) -> Client {
    let mut bot = system.connect().await;
    assert_eq!(bot.ask("TOKEN mpk_bot").await, "+OK uid=1");
    bot
}

fn credentials() -> Value {
    json!({"auth_type": "token", "token": "mpk_bot", "client_info": {"platform": "web"}})
}

fn revoked() -> EndedLogIns {
    let (login_id, reason) = (KEY_ID.to_owned(), "key revoked".to_owned());
    EndedLogIns { user_id: 1, login_id, reason, ..EndedLogIns::default() }
}

/// The bot makes no friends, and does whatever else a user does.
fn not_allowed(answer: &Value) {
    assert_eq!((&answer["code"], &answer["message"]), (&json!(3001), &json!("not allowed")));
}

#[tokio::test]
async fn on_text_lines_a_key_lets_a_bot_in_until_it_is_revoked() {
    let system = system().await;
    let mut bot = text(&system).await;
    assert_eq!(bot.ask("ADDFRIEND 2").await, "-ERR not allowed");
    assert_eq!(bot.ask("GETFRIENDS").await, "+OK friends: ");
    assert!(bot.ask("SEND 2 beep").await.starts_with("+OK msg_id="));
    system.close_log_ins(revoked()).await;
    assert_eq!(bot.line().await, "-ERR closing key revoked");
    system.fakes.state().worthless.insert("mpk_bot".to_owned());
    let mut bot = system.connect().await;
    assert_eq!(bot.ask("TOKEN mpk_bot").await, "-ERR invalid token");
    assert_eq!(bot.ask("TOKEN").await, "-ERR TOKEN <token>");
    assert_eq!(bot.ask("TOKEN token-ada").await, "+OK uid=2", "any token");
}

#[tokio::test]
async fn on_frames_a_key_lets_a_bot_in_until_it_is_revoked() {
    let system = system().await;
    let mut bot = Frames::connect(system.frames()).await;
    let (_, answer) = bot.ask(1001, &credentials()).await;
    assert_eq!((&answer["code"], &answer["data"]["device"]), (&json!(0), &json!("bot")));
    not_allowed(&bot.ask(4001, &json!({"op": "add_friend", "user_id": 2})).await.1);
    assert_eq!(bot.ask(2001, &json!({"to_user_id": 2, "content": "beep"})).await.1["code"], 0);
    system.close_log_ins(revoked()).await;
    assert_eq!(bot.closing().await, (1004, "closing key revoked".to_owned()));
}

#[tokio::test]
async fn on_web_socket_a_key_lets_a_bot_in_until_it_is_revoked() {
    let system = system().await;
    let mut bot = WebSocket::connect(&system).await;
    let answer = bot.ask(1001, &credentials()).await;
    assert_eq!(answer["body"]["data"]["device"], "bot", "{answer}");
    not_allowed(&bot.ask(4001, &json!({"op": "add_friend", "user_id": 2})).await["body"]);
    let message = json!({"to_user_id": 2, "content": "beep"});
    assert_eq!(bot.ask(2001, &message).await["body"]["code"], 0);
    system.close_log_ins(revoked()).await;
    assert_eq!(bot.closing().await, (4003, "key revoked".to_owned()));
}

#[tokio::test]
async fn over_http_a_key_lets_a_bot_in_until_it_is_revoked() {
    let system = system().await;
    let ask = async |method: &str, path: &str| -> Answer {
        system.request(method, path, &["authorization: Bearer mpk_bot"], b"").await
    };
    let me = json!({"user_id": 1, "username": "bot", "device": "bot", "role": "bot"});
    assert_eq!(*ask("GET", "/api/me").await.data(), me);
    assert_eq!(ask("PUT", "/api/friends/2").await.refusal(), (403, 3001, "not allowed"));
    assert_eq!(*ask("GET", "/api/friends").await.data(), json!({"user_ids": []}));
    system.fakes.state().worthless.insert("mpk_bot".to_owned());
    assert_eq!(ask("GET", "/api/me").await.refusal(), (401, 1004, "invalid token"));
}
