//! The HTTP API beside the other ways in.

use mpim_tests::{HttpClient, Person, StackBuilder};
use serde_json::json;

on_all_stacks! {
    what_is_sent_over_http_is_received_in_text_lines_and_the_other_way_round,
    a_log_in_over_http_says_where_to_connect,
    a_token_is_worthless_once_it_was_logged_out_or_its_device_put_out,
    a_refresh_token_that_is_used_twice_ends_its_log_in,
}

async fn what_is_sent_over_http_is_received_in_text_lines_and_the_other_way_round(
    stack: StackBuilder,
) {
    let stack = stack.start().await;
    let ada = HttpClient::register(stack.http_address(), "ada").await;
    let mut bob = Person::register(&stack, "bob").await;

    let hello = json!({"to_user_id": 2, "content": "hello \u{1F980}", "client_msg_id": "h1"});
    let sent = ada.done("POST", "/api/messages", Some(hello.clone())).await;
    let push = bob.client.push().await;
    assert_eq!(sent["message_id"], push.id.to_string());
    assert_eq!((push.from, push.text.as_str()), (1, "hello \u{1F980}"));
    // The same again is the same message, and is not told again.
    assert_eq!(ada.done("POST", "/api/messages", Some(hello)).await, sent);
    let again = json!({"to_user_id": 2, "content": "other", "client_msg_id": "h1"});
    let (status, _) = ada.ask("POST", "/api/messages", Some(again)).await;
    assert_eq!(status, 409);
    assert_eq!(bob.client.pull().await, []);

    let answer = bob.send(1, "fine").await;
    let history = ada.done("GET", "/api/conversations/2/messages", None).await;
    let messages = history["messages"].as_array().expect("messages");
    let texts: Vec<_> = messages.iter().map(|message| &message["content"]).collect();
    assert_eq!(texts, ["hello \u{1F980}", "fine"]);
    assert_eq!(messages[1]["message_id"], answer.to_string());
    assert_eq!(messages[1]["to_user_id"], 1);

    let crew = ada.done("POST", "/api/groups", Some(json!({"name": "crew"}))).await;
    let group_id = crew["group_id"].as_i64().expect("an id");
    bob.client.expect(&format!("JOINGROUP {group_id}"), "+OK joined group").await;
    let hello = json!({"group_id": group_id, "content": "hello crew"});
    ada.done("POST", "/api/messages", Some(hello)).await;
    assert_eq!(bob.client.push().await.text, "hello crew");
    let about = ada.done("GET", &format!("/api/groups/{group_id}"), None).await;
    assert_eq!((&about["name"], &about["creator_id"]), (&json!("crew"), &json!(1)));
}

async fn a_log_in_over_http_says_where_to_connect(stack: StackBuilder) {
    let stack = stack.start().await;
    HttpClient::register(stack.http_address(), "ada").await;
    let nobody = HttpClient::nobody(stack.http_address());
    let ada = json!({"username": "ada", "password": mpim_tests::PASSWORD});
    let data = nobody.done("POST", "/api/login", Some(ada)).await;
    let port = data["tcp_endpoint"]["port"].as_u64().expect("a port");
    let offered = stack.frames_addresses();
    assert!(offered.iter().any(|at| u64::from(at.port()) == port), "{data} {offered:?}");
}

async fn a_token_is_worthless_once_it_was_logged_out_or_its_device_put_out(stack: StackBuilder) {
    let stack = stack.start().await;
    let first = HttpClient::register(stack.http_address(), "ada").await;
    let second = HttpClient::log_in(stack.http_address(), "ada").await;
    first.done("POST", "/api/logout", None).await;
    let (status, refused) = first.ask("GET", "/api/me", None).await;
    assert_eq!((status, &refused["code"]), (401, &json!(1004)));
    assert_eq!(second.done("GET", "/api/me", None).await["username"], "ada");
    assert_eq!(second.done("GET", "/api/me", None).await["role"], "user");
    second.done("DELETE", "/api/devices/web", None).await;
    let (status, refused) = second.ask("GET", "/api/me", None).await;
    assert_eq!((status, &refused["code"]), (401, &json!(1004)));
}

async fn a_refresh_token_that_is_used_twice_ends_its_log_in(stack: StackBuilder) {
    let stack = stack.start().await;
    HttpClient::register(stack.http_address(), "ada").await;
    let nobody = HttpClient::nobody(stack.http_address());
    let ada = json!({"username": "ada", "password": mpim_tests::PASSWORD, "device": "web:a"});
    let first = nobody.done("POST", "/api/login", Some(ada)).await;
    let of = |data: &serde_json::Value| json!({"refresh_token": data["refresh_token"]});
    let second = nobody.done("POST", "/api/refresh", Some(of(&first))).await;
    assert_ne!(first["refresh_token"], second["refresh_token"]);
    let ada = HttpClient::with_token(stack.http_address(), &second["token"]);
    assert_eq!(ada.done("GET", "/api/me", None).await["device"], "web:a");

    // As after an answer that got lost: the same one again, for as long as it was not used.
    let again = nobody.done("POST", "/api/refresh", Some(of(&first))).await;
    assert_eq!(again["refresh_token"], second["refresh_token"]);

    let third = nobody.done("POST", "/api/refresh", Some(of(&second))).await;
    let (status, refused) = nobody.ask("POST", "/api/refresh", Some(of(&first))).await;
    assert_eq!((status, &refused["code"]), (401, &json!(1004)));
    // Whoever has the later ones may be the thief.
    let (status, _) = nobody.ask("POST", "/api/refresh", Some(of(&third))).await;
    assert_eq!(status, 401);
    let (status, refused) = ada.ask("GET", "/api/me", None).await;
    assert_eq!((status, &refused["code"]), (401, &json!(1004)));
}
