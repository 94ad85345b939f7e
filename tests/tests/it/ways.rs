//! The same in whatever protocol: what is sent in one is received in the others.

use mpim_tests::{FramesClient, StackBuilder, WebSocketClient, register_two};
use serde_json::json;

on_all_stacks! {
    clients_of_frames_and_of_text_lines_meet,
    a_token_of_one_log_in_opens_another_connection,
    clients_of_web_socket_meet_all_others,
}

async fn clients_of_frames_and_of_text_lines_meet(stack: StackBuilder) {
    let stack = stack.start().await;
    let (mut ada, mut bob) = register_two(&stack).await;
    let mut carol = FramesClient::connect(stack.frames_address()).await;
    let credentials = json!({"username": "carol", "password": "carol-secret"});
    let (kind, me) = carol.ask(1005, credentials).await;
    assert_eq!((kind, &me["code"]), (1006, &json!(0)), "{me}");
    let uid = me["data"]["user_id"].as_i64().unwrap();

    let id = ada.send(uid, "hello carol").await;
    let (kind, shown) = carol.message().await;
    assert_eq!((kind, &shown["content"]), (2001, &json!("hello carol")));
    assert_eq!(shown["message_id"], json!(id.to_string()));
    let message = json!({"to_user_id": ada.uid, "content": "hello ada", "message_id": "c-1"});
    let (_, sent) = carol.ask(2001, message.clone()).await;
    assert_eq!((&sent["code"], &sent["seq"]), (&json!(0), &json!(2)), "{sent}");
    let push = ada.client.push().await;
    assert_eq!(
        (push.id.to_string(), &*push.text),
        (sent["message_id"].as_str().unwrap().to_owned(), "hello ada")
    );
    // The same message again is the same message.
    let (_, again) = carol.ask(2001, message).await;
    assert_eq!(again["message_id"], sent["message_id"]);

    let (_, group) = carol.ask(4001, json!({"op": "create_group", "name": "crew"})).await;
    let group_id = group["data"]["group_id"].as_i64().unwrap();
    bob.client.expect(&format!("JOINGROUP {group_id}"), "+OK joined group").await;
    let text = json!({"group_id": group_id, "content": "to all"});
    assert_eq!(carol.ask(2002, text).await.1["code"], 0);
    let push = bob.client.push().await;
    assert_eq!((push.group, &*push.text), (Some(group_id), "to all"));
    bob.client.ask(&format!("SENDGROUP {group_id} from bob")).await;
    let (kind, shown) = carol.message().await;
    assert_eq!(
        (kind, &shown["content"], &shown["group_id"]),
        (2002, &json!("from bob"), &json!(group_id))
    );

    let (_, history) = carol.ask(3004, json!({"to_user_id": ada.uid})).await;
    let messages = history["data"]["messages"].as_array().unwrap();
    let contents: Vec<_> = messages.iter().map(|message| message["content"].clone()).collect();
    assert_eq!(contents, ["hello carol", "hello ada"]);
}

async fn a_token_of_one_log_in_opens_another_connection(stack: StackBuilder) {
    let stack = stack.start().await;
    let mut first = FramesClient::connect(stack.frames_address()).await;
    let credentials = json!({"username": "carol", "password": "carol-secret",
        "client_info": {"platform": "ios", "device_id": "a"}});
    let (_, me) = first.ask(1005, credentials).await;
    let token = json!({"auth_type": "token", "token": me["data"]["session_key"]});
    let mut second = FramesClient::connect(stack.frames_address()).await;
    let (kind, again) = second.ask(1001, token).await;
    assert_eq!((kind, &again["code"]), (1002, &json!(0)), "{again}");
    assert_eq!(again["data"]["user_id"], me["data"]["user_id"]);
    assert_eq!(again["data"]["device"], "mobile:a");
    // It is the same device: the first connection is told that it is over.
    let (kind, closing) = first.push().await;
    assert_eq!((kind, &closing["code"]), (9001, &json!(1006)), "{closing}");
}

async fn clients_of_web_socket_meet_all_others(stack: StackBuilder) {
    let stack = stack.start().await;
    let (mut ada, _bob) = register_two(&stack).await;
    let mut carol = FramesClient::connect(stack.frames_address()).await;
    let credentials = |name| json!({"username": name, "password": "a-secret-of-theirs"});
    let (_, me) = carol.ask(1005, credentials("carol")).await;
    let carol_uid = me["data"]["user_id"].as_i64().unwrap();
    let mut dave = WebSocketClient::connect(stack.http_address()).await;
    let (kind, me) = dave.ask(1005, credentials("dave")).await;
    assert_eq!((kind, &me["data"]["device"]), (1006, &json!("web")), "{me}");
    let uid = me["data"]["user_id"].as_i64().unwrap();

    ada.send(uid, "from lines").await;
    let text = json!({"to_user_id": uid, "content": "from frames"});
    assert_eq!(carol.ask(2001, text).await.1["code"], 0);
    let mut shown = [dave.push().await, dave.push().await];
    shown.sort_by_key(|(_, body)| body["content"].to_string());
    let contents: Vec<_> = shown.iter().map(|(kind, body)| (*kind, &body["content"])).collect();
    assert_eq!(contents, [(2001, &json!("from frames")), (2001, &json!("from lines"))]);

    for to in [ada.uid, carol_uid] {
        let text = json!({"to_user_id": to, "content": "from a page"});
        assert_eq!(dave.ask(2001, text).await.1["code"], 0);
    }
    assert_eq!(ada.client.push().await.text, "from a page");
    assert_eq!(carol.push().await.1["content"], "from a page");
}
