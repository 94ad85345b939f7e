//! What only JSON can say, and what one user may ask for how often.

use mpim_proto::Priority;
use serde_json::{Value, json};

use crate::fakes::Asked;
use crate::frames::{Frames, register};
use crate::system::System;

/// The data of an operation that succeeds.
async fn data(client: &mut Frames, request: Value) -> Value {
    let (kind, answer) = client.ask(4001, &request).await;
    assert_eq!((kind, &answer["code"]), (4002, &json!(0)), "{request}: {answer}");
    answer["data"].clone()
}

#[tokio::test]
async fn users_groups_and_who_is_there_are_told_to_whoever_asks() {
    let system = System::start().await;
    let mut bob = register(&system, "bob").await;
    let _ada = system.register("ada").await;
    let users = data(&mut bob, json!({"op": "users", "user_ids": [1, 2, 99]})).await;
    let named = |user_id, name| json!({"user_id": user_id, "username": name, "nickname": name});
    assert_eq!(users, json!({"users": [named(1, "bob"), named(2, "ada")]}));
    let found = data(&mut bob, json!({"op": "users", "username": "ada"})).await;
    assert_eq!(found, json!({"users": [named(2, "ada")]}));
    let nobody = data(&mut bob, json!({"op": "users", "username": "nobody"})).await;
    assert_eq!(nobody, json!({"users": []}));
    let made = data(&mut bob, json!({"op": "create_group", "name": "crew"})).await;
    let group = data(&mut bob, json!({"op": "group", "group_id": made["group_id"]})).await;
    assert_eq!((&group["group_id"], &group["creator_id"]), (&made["group_id"], &json!(1)));
    let (_, refused) = bob.ask(4001, &json!({"op": "group", "group_id": 99})).await;
    assert_eq!(refused["code"], 2001, "{refused}");
    // A stranger is offline, whether they are there or not.
    let presence = data(&mut bob, json!({"op": "presence", "user_ids": [2, 99]})).await;
    let offline = |user_id| json!({"user_id": user_id, "status": 0});
    assert_eq!(presence, json!({"presence": [offline(2), offline(99)]}));
    let (kind, asked) = bob.ask(3001, &json!({"user_id": 2, "id": 1})).await;
    let answer = json!({"code": 0, "message": "success", "user_id": 2, "status": 0, "id": 1});
    assert_eq!((kind, asked), (3001, answer));
}

#[tokio::test]
async fn conversations_come_page_by_page() {
    let system = System::start().await;
    let mut bob = register(&system, "bob").await;
    for other in 2..=8 {
        system.store(&format!("c2c_1_{other}"), other, "hi");
    }
    let (mut seen, mut page) = (Vec::new(), Value::Null);
    loop {
        bob.send(3002, &json!({"limit": 3, "page": page})).await;
        let answer = loop {
            match bob.next().await.unwrap() {
                (3003, answer) => break answer,
                // What waited for bob is pushed meanwhile.
                (kind, push) => assert_eq!(kind, 2001, "{push}"),
            }
        };
        assert_eq!(answer["code"], 0, "{answer}");
        let found = answer["data"]["conversations"].as_array().unwrap();
        seen.extend(found.iter().map(|conversation| conversation["to_user_id"].clone()));
        page = answer["data"]["next_page"].clone();
        if page.is_null() {
            break;
        }
        assert_eq!(found.len(), 3);
    }
    assert_eq!(seen, [8, 7, 6, 5, 4, 3, 2]);
}

#[tokio::test]
async fn a_message_says_of_itself_how_it_is_sent() {
    let system = System::start().await;
    let mut bob = register(&system, "bob").await;
    data(&mut bob, json!({"op": "set_priority", "priority": "low"})).await;
    for extra in [json!({"priority": "urgent", "receipts": false}), json!({}), Value::Null] {
        let message = json!({"to_user_id": 1, "content": "x", "extra": extra});
        assert_eq!(bob.ask(2001, &message).await.1["code"], 0);
    }
    let manner = |asked: Asked| match asked {
        Asked::Send { priority, receipts, .. } => Some((priority, receipts)),
        _ => None,
    };
    let manners: Vec<_> = system.asked().into_iter().filter_map(manner).collect();
    let usual = (Priority::Low, true);
    assert_eq!(manners, [(Priority::Urgent, false), usual, usual]);
}

#[tokio::test]
async fn a_user_may_ask_only_so_often_and_is_told_when_again() {
    let system = System::with(|config| config.limits.user_changes_per_s = 1).await;
    let mut bob = register(&system, "bob").await;
    let mut ada = system.register("ada").await;
    assert_eq!(ada.ask("ADDFRIEND 1").await, "+OK friend added");
    let add = json!({"op": "add_friend", "user_id": 2});
    assert_eq!(bob.ask(4001, &add).await.1["code"], 0, "another user's are another's");
    let (_, refused) = bob.ask(4001, &add).await;
    assert_eq!((&refused["code"], &refused["message"]), (&json!(5003), &json!("slow down")));
    let wait_ms = refused["retry_after_ms"].as_u64().unwrap();
    assert!((1..=1_000).contains(&wait_ms), "{refused}");
    // Another operation has its own.
    assert_eq!(bob.ask(4001, &json!({"op": "block", "user_id": 2})).await.1["code"], 0);
    assert_eq!(bob.ask(4001, &json!({"op": "friends"})).await.1["code"], 0);
}
