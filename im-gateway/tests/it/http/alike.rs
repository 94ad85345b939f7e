//! What is asked over HTTP and over WebSocket is answered alike.

use serde_json::{Value, json};

use crate::system::System;
use crate::web_socket::WebSocket;

#[tokio::test]
async fn one_question_has_one_answer_whichever_way_it_is_asked() {
    let system = System::start().await;
    let mut ada = WebSocket::register(&system, "ada").await;
    system.fakes.state().has_user("bob");
    let text = system.store("c2c_1_2", 2, "hello");
    system.store("c2c_1_1", 1, "a note");
    for (method, path, body) in [
        ("PUT", "/api/friends/2", Value::Null),
        ("PUT", "/api/blocked/2", Value::Null),
        ("POST", "/api/groups", json!({"name": "crew"})),
        ("POST", "/api/conversations/2/read", json!({"seq": text.seq})),
    ] {
        system.ask("ada", method, path, body).await.data();
    }
    system.store("grp_1", 1, "of a group");
    for (path, kind, body) in [
        ("/api/friends", 4001, json!({"op": "friends"})),
        ("/api/blocked", 4001, json!({"op": "blocked"})),
        ("/api/groups", 4001, json!({"op": "groups"})),
        ("/api/groups/1", 4001, json!({"op": "group", "group_id": 1})),
        ("/api/groups/1/members", 4001, json!({"op": "members", "group_id": 1})),
        ("/api/users?ids=1,2,9", 4001, json!({"op": "users", "user_ids": [1, 2, 9]})),
        ("/api/users?username=bob", 4001, json!({"op": "users", "username": "bob"})),
        ("/api/presence?ids=1,2", 4001, json!({"op": "presence", "user_ids": [1, 2]})),
        ("/api/devices", 4001, json!({"op": "devices"})),
        ("/api/conversations/2/receipts", 4001, json!({"op": "receipts", "to_user_id": 2})),
        ("/api/conversations", 3002, json!({})),
        ("/api/conversations?limit=1", 3002, json!({"limit": 1})),
        ("/api/conversations/2/messages", 3004, json!({"to_user_id": 2})),
        ("/api/conversations/1/messages", 3004, json!({"to_user_id": 1})),
        ("/api/conversations/grp_1/messages?after=0", 3004, json!({"group_id": 1, "after_seq": 0})),
    ] {
        let by_http = system.get("ada", path).await;
        let by_socket = ada.ask(kind, &body).await;
        assert_eq!(by_http.data(), &by_socket["body"]["data"], "{path}");
    }
    for (path, kind, body) in [
        ("/api/groups/9", 4001, json!({"op": "group", "group_id": 9})),
        ("/api/groups/9/members", 4001, json!({"op": "members", "group_id": 9})),
        ("/api/conversations?limit=1001", 3002, json!({"limit": 1001})),
        ("/api/conversations/g9/messages", 3004, json!({"group_id": 9})),
    ] {
        let by_http = system.get("ada", path).await;
        let by_socket = ada.ask(kind, &body).await;
        for part in ["code", "status", "message"] {
            assert_eq!(by_http.body[part], by_socket["body"][part], "{path}");
        }
    }
}
