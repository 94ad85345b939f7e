//! What each route does.

use mpim_proto::{EntryKind, Priority};
use serde_json::{Value, json};

use crate::fakes::{Asked, Fault};
use crate::system::System;

const NONE: Value = Value::Null;

#[tokio::test]
async fn who_registers_or_logs_in_is_told_who_they_are_and_where_to_connect() {
    let system = System::start().await;
    let ada = json!({"username": "ada", "password": "password", "device": "web:k3v9"});
    let registered = system.ask("", "POST", "/api/register", ada.clone()).await;
    let endpoint = json!({"host": "127.0.0.1", "port": system.frames().port()});
    let expected = json!({"user_id": 1, "username": "ada", "nickname": "ada", "avatar_url": "",
        "token": "token-ada", "expire_time": 1_790_000_900, "tcp_endpoint": endpoint,
        "device": "web:k3v9", "role": "user", "refresh_token": "refresh-ada",
        "refresh_expire_time": 4_102_444_800_i64});
    assert_eq!(*registered.data(), expected);
    let again = system.ask("", "POST", "/api/register", ada).await;
    assert_eq!(again.refusal(), (409, 4001, "exists"));

    system.fakes.state().picked = Some("im.example.org:443".to_owned());
    let ada = json!({"username": "ada", "password": "password"});
    let logged_in = system.ask("", "POST", "/api/login", ada).await;
    assert_eq!(logged_in.data()["device"], "web");
    assert_eq!(logged_in.data()["tcp_endpoint"], json!({"host": "im.example.org", "port": 443}));
    assert_eq!(logged_in.header("cache-control"), "no-store");
}

#[tokio::test]
async fn a_bad_log_in_is_refused_and_nobody_learns_why() {
    let system = System::start().await;
    system.people(&["ada"]).await;
    for (username, password) in [("ada", "wrong"), ("eve", "password")] {
        let body = json!({"username": username, "password": password});
        let refused = system.ask("", "POST", "/api/login", body).await;
        assert_eq!(refused.refusal(), (401, 1002, "auth bad cred"));
        assert_eq!(refused.header("www-authenticate"), "Bearer");
        assert_eq!(refused.body["status"], "UNAUTHENTICATED");
    }
    let body = json!({"username": "ada", "password": "password", "device": "toaster"});
    let refused = system.ask("", "POST", "/api/login", body).await;
    assert_eq!(refused.refusal(), (400, 4001, "bad device"));
}

#[tokio::test]
async fn a_password_is_changed_by_who_knows_it_and_answered_as_a_log_in() {
    let system = System::start().await;
    system.people(&["ada"]).await;
    let change = |old: &str| json!({"old": old, "new": "another", "cookie": true});
    let refused = system.ask("", "POST", "/api/password", change("password")).await;
    assert_eq!(refused.refusal(), (401, 3001, "not login"));
    let refused = system.ask("ada", "POST", "/api/password", change("guess")).await;
    assert_eq!(refused.refusal(), (401, 1002, "bad cred"));
    let changed = system.ask("ada", "POST", "/api/password", change("password")).await;
    assert_eq!(changed.data()["token"], "token-ada");
    assert!(changed.header("set-cookie").starts_with("mpim_refresh=refresh-ada;"), "{changed:?}");
    let login = json!({"username": "ada", "password": "another"});
    assert_eq!(system.ask("", "POST", "/api/login", login).await.data()["user_id"], 1);
}

#[tokio::test]
async fn logging_out_revokes_the_token() {
    let system = System::start().await;
    system.people(&["ada"]).await;
    system.asked();
    assert_eq!(*system.ask("ada", "POST", "/api/logout", NONE).await.data(), json!({}));
    assert_eq!(system.asked(), [Asked::Revoke("token-ada".to_owned())]);
    let everywhere = system.ask("ada", "POST", "/api/logout", json!({"everywhere": true})).await;
    assert!(everywhere.header("set-cookie").starts_with("mpim_refresh=;"), "{everywhere:?}");
    let me = system.get("ada", "/api/me").await;
    let expected = json!({"user_id": 1, "username": "ada", "device": "web", "role": "user"});
    assert_eq!(*me.data(), expected);
}

#[tokio::test]
async fn a_refresh_token_is_good_once() {
    let system = System::start().await;
    system.people(&["ada"]).await;
    let body = json!({"refresh_token": "refresh-ada"});
    let refreshed = system.ask("", "POST", "/api/refresh", body.clone()).await;
    assert_eq!(refreshed.data()["refresh_token"], "refresh-ada");
    assert_eq!(refreshed.header("set-cookie"), "");
    let again = system.ask("", "POST", "/api/refresh", body).await;
    assert_eq!(again.refusal(), (401, 1004, "invalid token"));
    assert_eq!(again.header("set-cookie"), "");
}

#[tokio::test]
async fn a_browser_keeps_its_refresh_token_in_a_cookie_that_is_not_shown() {
    let system = System::start().await;
    system.people(&["ada"]).await;
    let ada = json!({"username": "ada", "password": "password", "cookie": true});
    let logged_in = system.ask("", "POST", "/api/login", ada).await;
    assert!(logged_in.data().get("refresh_token").is_none(), "{logged_in:?}");
    let cookie = logged_in.header("set-cookie").to_owned();
    let (kept, manner) = cookie.split_once("; ").unwrap();
    assert_eq!(kept, "mpim_refresh=refresh-ada");
    assert!(manner.starts_with("HttpOnly; SameSite=Strict; Path=/; Max-Age="), "{cookie}");

    let kept = format!("cookie: {kept}");
    let lines = ["content-type: application/json", &kept];
    let refreshed = system.request("POST", "/api/refresh", &lines, b"{}").await;
    assert!(refreshed.data().get("refresh_token").is_none(), "{refreshed:?}");
    assert!(refreshed.header("set-cookie").starts_with("mpim_refresh=refresh-ada;"));
    let again = system.request("POST", "/api/refresh", &lines, b"{}").await;
    assert_eq!(again.refusal(), (401, 1004, "invalid token"));
    assert!(again.header("set-cookie").ends_with("Max-Age=0"), "{again:?}");
    // A form of another site cannot say that it is JSON.
    let form = ["content-type: text/plain", &kept];
    assert_eq!(system.request("POST", "/api/refresh", &form, b"{}").await.refusal().0, 415);
    let without = system.request("POST", "/api/refresh", &[lines[0]], b"{}").await;
    assert_eq!(without.refusal(), (401, 1004, "invalid token"));
}

#[tokio::test]
async fn a_browser_without_a_good_token_logs_out_by_its_cookie() {
    let system = System::start().await;
    system.people(&["ada"]).await;
    system.asked();
    let (json, cookie) = ("content-type: application/json", "cookie: mpim_refresh=refresh-ada");
    let bad = "authorization: Bearer token-of-yesterday";
    // No form of another page can say that it is JSON.
    let form = system.request("POST", "/api/logout", &[cookie], b"").await;
    assert_eq!((form.refusal(), form.header("set-cookie")), ((401, 3001, "not login"), ""));
    let twice = format!("{cookie}; mpim_refresh=refresh-eve");
    let twice = system.request("POST", "/api/logout", &[json, &twice], b"{}").await;
    assert_eq!(twice.refusal(), (401, 3001, "not login"));
    assert_eq!(system.asked(), []);
    let out = system.request("POST", "/api/logout", &[json, cookie, bad], b"{}").await;
    assert_eq!(*out.data(), json!({}));
    assert!(out.header("set-cookie").starts_with("mpim_refresh=;"), "{out:?}");
    assert_eq!(system.asked(), [Asked::Revoke("token-ada".to_owned())]);
    // Its token was good once, and no cookie is kept that is good for nothing.
    let again = system.request("POST", "/api/logout", &[json, cookie], b"{}").await;
    assert_eq!(again.refusal(), (401, 1004, "invalid token"));
    assert!(again.header("set-cookie").starts_with("mpim_refresh=;"), "{again:?}");
    assert_eq!(system.asked(), []);
}

#[tokio::test]
async fn users_are_named_and_those_who_do_not_exist_left_out() {
    let system = System::start().await;
    system.people(&["ada", "bob"]).await;
    let users = system.get("ada", "/api/users?ids=2,9").await;
    let bob = json!({"user_id": 2, "username": "bob", "nickname": "bob"});
    assert_eq!(*users.data(), json!({"users": [bob]}));
    assert_eq!(system.get("ada", "/api/users?username=bob").await.data(), users.data());
    let nobody = system.get("ada", "/api/users?username=eve").await;
    assert_eq!(*nobody.data(), json!({"users": []}));
    for query in [
        "",
        "?ids=",
        "?ids=x",
        "?ids=0",
        "?ids=1,",
        "?ids=1&ids=2",
        "?id=1",
        "?username=",
        "?ids=1&username=bob",
    ] {
        let refused = system.get("ada", &format!("/api/users{query}")).await;
        assert_eq!((refused.refusal().0, refused.refusal().1), (400, 4001), "{query}");
    }
    let many = vec!["1"; 101].join(",");
    assert_eq!(system.get("ada", &format!("/api/users?ids={many}")).await.refusal().0, 400);
}

#[tokio::test]
async fn friends_and_blocks_come_and_go() {
    let system = System::start().await;
    system.people(&["ada", "bob"]).await;
    system.ask("ada", "PUT", "/api/friends/2", NONE).await.data();
    assert_eq!(*system.get("ada", "/api/friends").await.data(), json!({"user_ids": [2]}));
    let again = system.ask("ada", "PUT", "/api/friends/2", NONE).await;
    assert_eq!(again.refusal(), (409, 4001, "already friends"));
    let nobody = system.ask("ada", "PUT", "/api/friends/99", NONE).await;
    assert_eq!(nobody.refusal(), (404, 1001, "friend not found"));
    system.ask("ada", "DELETE", "/api/friends/2", NONE).await.data();
    assert_eq!(*system.get("ada", "/api/friends").await.data(), json!({"user_ids": []}));

    system.ask("ada", "PUT", "/api/blocked/2", NONE).await.data();
    assert_eq!(*system.get("ada", "/api/blocked").await.data(), json!({"user_ids": [2]}));
    system.ask("ada", "DELETE", "/api/blocked/2", NONE).await.data();
    assert_eq!(*system.get("ada", "/api/blocked").await.data(), json!({"user_ids": []}));
}

#[tokio::test]
async fn a_message_is_sent_once_however_often_it_is_sent_with_the_same_id() {
    let system = System::start().await;
    system.people(&["ada", "bob"]).await;
    system.asked();
    let body = json!({"to_user_id": 2, "content": "hi \u{1F600}", "client_msg_id": "m1",
        "priority": "high", "receipts": true});
    let sent = system.ask("ada", "POST", "/api/messages", body.clone()).await;
    assert_eq!((&sent.data()["session_id"], &sent.data()["seq"]), (&json!("c2c_1_2"), &json!(1)));
    assert!(sent.data()["message_id"].is_string());
    let expected = Asked::Send {
        from: 1,
        texts: vec!["hi \u{1F600}".to_owned()],
        ids: vec!["m1".to_owned()],
        priority: Priority::High,
        receipts: true,
        repeatable: true,
    };
    assert_eq!(system.asked(), [expected]);
    let again = system.ask("ada", "POST", "/api/messages", body).await;
    assert_eq!(again.data(), sent.data());
    // What has the gateway's id will not come again.
    system.asked();
    let body = json!({"to_user_id": 2, "content": "once"});
    system.ask("ada", "POST", "/api/messages", body).await.data();
    let once = system.asked();
    assert!(matches!(once[..], [Asked::Send { repeatable: false, .. }]), "{once:?}");

    let lines = [
        "authorization: Bearer token-ada",
        "content-type: application/json",
        "idempotency-key: m1",
    ];
    let body = br#"{"to_user_id":2,"content":"other"}"#;
    let conflict = system.request("POST", "/api/messages", &lines, body).await;
    assert_eq!(conflict.refusal(), (409, 4001, "conflict"));
}

#[tokio::test]
async fn a_message_that_cannot_be_sent_is_refused() {
    let system = System::start().await;
    system.people(&["ada"]).await;
    for (body, expected) in [
        (json!({"to_user_id": 9, "content": "x"}), (404, 1001)),
        (json!({"group_id": 9, "content": "x"}), (403, 2002)),
        (json!({"to_user_id": 0, "content": "x"}), (400, 4001)),
        (json!({"to_user_id": 1, "group_id": 1, "content": "x"}), (400, 4001)),
        (json!({"content": "x"}), (400, 4001)),
        (json!({"to_user_id": 1, "content": ""}), (400, 4001)),
        (json!({"to_user_id": 1}), (400, 4001)),
        (json!({"to_user_id": "1", "content": "x"}), (400, 4001)),
        (json!({"to_user_id": 1, "content": "x", "client_msg_id": "a b"}), (400, 4001)),
        (json!({"to_user_id": 1, "content": "x", "priority": "huge"}), (400, 4001)),
    ] {
        let refused = system.ask("ada", "POST", "/api/messages", body.clone()).await;
        assert_eq!((refused.refusal().0, refused.refusal().1), expected, "{body}");
    }
}

#[tokio::test]
async fn history_comes_in_order_from_either_end_and_by_either_name() {
    let system = System::start().await;
    system.people(&["ada", "bob"]).await;
    for text in ["one", "two", "three"] {
        system.store("c2c_1_2", 2, text);
    }
    let seqs = async |path: &str| -> Vec<i64> {
        let found = system.get("ada", &format!("/api/conversations/{path}")).await;
        let messages = found.data()["messages"].as_array().unwrap();
        messages.iter().map(|message| message["seq"].as_i64().unwrap()).collect()
    };
    assert_eq!(seqs("2/messages").await, [1, 2, 3]);
    assert_eq!(seqs("c2c_1_2/messages?limit=2").await, [2, 3]);
    assert_eq!(seqs("2/messages?after=1&limit=1").await, [2]);
    assert_eq!(seqs("2/messages?before=3").await, [1, 2]);
    assert_eq!(seqs("2/messages?after=3").await, [0_i64; 0]);
    let found = system.get("ada", "/api/conversations/2/messages?limit=1").await;
    let message = &found.data()["messages"][0];
    assert_eq!(found.data()["session_id"], "c2c_1_2");
    assert_eq!((&message["from_user_id"], &message["to_user_id"]), (&json!(2), &json!(1)));
    assert_eq!((&message["content"], &message["type"]), (&json!("three"), &json!(0)));
    assert!(message["message_id"].is_string());
    for (path, expected) in [
        ("2/messages?after=1&before=2", 400),
        ("2/messages?after=-1", 400),
        ("2/messages?before=0", 400),
        ("2/messages?limit=0", 400),
        ("2/messages?limit=1001", 400),
        ("2/messages?limit=x", 400),
        ("g9/messages", 403),
        ("grp_9/messages", 403),
        ("c2c_2_3/messages", 403),
        ("nobody/messages", 400),
        ("%ff/messages", 400),
    ] {
        let refused = system.get("ada", &format!("/api/conversations/{path}")).await;
        assert_eq!(refused.refusal().0, expected, "{path}");
    }
}

#[tokio::test]
async fn conversations_are_listed_read_and_typed_in() {
    let system = System::start().await;
    system.people(&["ada", "bob"]).await;
    system.store("c2c_1_2", 2, "hello");
    let entry = system.store("c2c_1_2", 2, "again");
    let listed = system.get("ada", "/api/conversations?limit=5").await;
    let last = json!({"message_id": entry.msg_id.to_string(), "from_user_id": 2,
        "content": "again", "timestamp": entry.ts_ms});
    let expected = json!({"session_id": "c2c_1_2", "to_user_id": 2, "head_seq": 2, "read_seq": 1,
        "unread": 2, "last_message": last});
    assert_eq!(*listed.data(), json!({"conversations": [expected]}));
    assert_eq!(system.get("ada", "/api/conversations?limit=1001").await.refusal().1, 4001);

    let read = "/api/conversations/2/read";
    system.ask("ada", "POST", read, json!({"seq": 2})).await.data();
    for (body, expected) in [(json!({"seq": 3}), 400), (json!({"seq": 0}), 400), (json!({}), 400)] {
        assert_eq!(system.ask("ada", "POST", read, body).await.refusal().0, expected);
    }
    system.asked();
    system.ask("ada", "POST", "/api/conversations/2/typing", NONE).await.data();
    assert!(matches!(system.asked()[..], [Asked::Signal(_)]));
    let outside = system.ask("ada", "POST", "/api/conversations/g7/typing", NONE).await;
    assert_eq!(outside.refusal(), (403, 2002, "not a member"));
}

#[tokio::test]
async fn groups_are_made_joined_and_left_and_only_members_see_who_is_in() {
    let system = System::start().await;
    system.people(&["ada", "bob"]).await;
    let made = system.ask("ada", "POST", "/api/groups", json!({"name": "crew"})).await;
    assert_eq!(*made.data(), json!({"group_id": 1}));
    assert_eq!(*system.get("ada", "/api/groups").await.data(), json!({"group_ids": [1]}));
    let about = system.get("bob", "/api/groups/1").await;
    assert_eq!(
        (&about.data()["name"], &about.data()["creator_id"]),
        (&json!("group 1"), &json!(1))
    );
    assert_eq!(system.get("bob", "/api/groups/9").await.refusal(), (404, 2001, "group not found"));
    let members = system.get("bob", "/api/groups/1/members").await;
    assert_eq!(members.refusal(), (403, 2002, "not a member"));
    system.ask("bob", "PUT", "/api/groups/1/members/me", NONE).await.data();
    let members = system.get("bob", "/api/groups/1/members").await;
    assert_eq!(*members.data(), json!({"user_ids": [1, 2]}));
    let again = system.ask("bob", "PUT", "/api/groups/1/members/me", NONE).await;
    assert_eq!(again.refusal(), (409, 4001, "already in group"));
    system.ask("bob", "DELETE", "/api/groups/1/members/me", NONE).await.data();
    let again = system.ask("bob", "DELETE", "/api/groups/1/members/me", NONE).await;
    assert_eq!(again.refusal(), (403, 2002, "not in group"));
}

#[tokio::test]
async fn devices_are_listed_and_put_out() {
    let system = System::start().await;
    system.people(&["ada"]).await;
    let listed = system.get("ada", "/api/devices").await;
    let names: Vec<&Value> =
        listed.data()["devices"].as_array().unwrap().iter().map(|found| &found["name"]).collect();
    assert_eq!(names, ["text", "web:old"]);
    system.ask("ada", "DELETE", "/api/devices/web%3Aold", NONE).await.data();
    let unknown = system.ask("ada", "DELETE", "/api/devices/web%3Anew", NONE).await;
    assert_eq!(unknown.refusal(), (404, 2001, "no such device"));
}

#[tokio::test]
async fn presence_is_that_of_friends_and_everybody_else_is_offline() {
    let system = System::start().await;
    system.people(&["ada", "bob"]).await;
    let found = system.get("ada", "/api/presence?ids=1,2").await;
    let (own, other) = (json!({"user_id": 1, "status": 3}), json!({"user_id": 2, "status": 0}));
    assert_eq!(*found.data(), json!({"presence": [own, other]}));
}

#[tokio::test]
async fn a_service_that_is_away_is_503_and_worth_another_try() {
    let system = System::start().await;
    system.people(&["ada"]).await;
    let away = || Fault::Fails(9, mprpc::Status::unavailable("away"));
    system.fakes.fault("list_conversations", away());
    let refused = system.get("ada", "/api/conversations").await;
    assert_eq!(refused.refusal(), (503, 5003, "unavailable, try again"));
    assert_eq!(refused.header("retry-after"), "1");
    system.fakes.fault("verify_token", away());
    assert_eq!(system.get("ada", "/api/me").await.refusal().0, 503);
}

/// What is stored by others is found by its kind, too.
#[tokio::test]
async fn what_is_no_message_is_not_shown_as_one() {
    let system = System::start().await;
    system.people(&["ada", "bob"]).await;
    system.fakes.state().append("c2c_1_2", 2, EntryKind::Joined, "");
    let found = system.get("ada", "/api/conversations/2/messages").await;
    assert_eq!(found.data()["messages"], json!([]));
}
