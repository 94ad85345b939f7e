//! The same in whatever protocol: what is sent in one is received in the others.

use mpim_tests::{
    Caller, EventsClient, FramesClient, Peer, Received, Request, Stack, StackBuilder, Way,
    register_two,
};
use serde_json::json;

on_all_stacks! {
    clients_of_frames_and_of_text_lines_meet,
    a_token_of_one_log_in_opens_another_connection,
    what_is_sent_by_each_way_is_received_by_each_other,
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

/// Somebody at each way in.
async fn somebody_at_each(stack: &Stack, name: &str) -> Vec<(Way, Caller, i64)> {
    let mut all = Vec::new();
    for way in Way::ALL {
        let (caller, uid) = way.register(stack, &format!("{name}-{way:?}")).await;
        all.push((way, caller, uid));
    }
    all
}

async fn what_is_sent_by_each_way_is_received_by_each_other(stack: StackBuilder) {
    let stack = stack.start().await;
    let mut senders = somebody_at_each(&stack, "sender").await;
    let mut receivers = somebody_at_each(&stack, "receiver").await;
    let name = "crew".to_owned();
    let group = senders[0].1.done(&Request::CreateGroup { name }).await;
    let group = group[0].as_str().and_then(|line| line.strip_prefix("+OK group_id="));
    let group: i64 = group.unwrap().parse().unwrap();
    for (_, caller, _) in senders[1..].iter_mut().chain(&mut receivers) {
        caller.done(&Request::JoinGroup { group }).await;
    }
    // Who asks over HTTP is told by a stream of events.
    let mut streams = Vec::new();
    for (_, caller, uid) in &receivers {
        if let Caller::Http(http) = caller {
            let stream = EventsClient::connect(stack.http_address(), http.token(), None).await;
            streams.push((stream, *uid));
        }
    }
    for (by, sender, from) in &mut senders {
        for (_, receiver, uid) in &mut receivers {
            let text = format!("from {by:?} \u{1F980} \"");
            let id = sender.send(Peer::User(*uid), &text).await;
            let expected = Received { id, from: *from, group: None, text };
            assert_eq!(receiver.received(Peer::User(*from)).await, expected);
            for (stream, _) in streams.iter_mut().filter(|(_, of)| of == uid) {
                let (kind, body) = stream.message().await;
                assert_eq!(Received::of(kind, &body), expected);
            }
        }
        let text = format!("to all from {by:?}");
        let id = sender.send(Peer::Group(group), &text).await;
        let expected = Received { id, from: *from, group: Some(group), text };
        for (way, receiver, _) in &mut receivers {
            assert_eq!(receiver.received(Peer::Group(group)).await, expected, "by {way:?}");
        }
        for (stream, _) in &mut streams {
            let (kind, body) = stream.message().await;
            assert_eq!(Received::of(kind, &body), expected);
        }
    }
}
