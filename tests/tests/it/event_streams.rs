//! Server-sent events: who has no WebSocket loses nothing and gets nothing twice.

use std::collections::HashSet;

use mpim_tests::{
    DEADLINE, EventsClient, HttpClient, Peer, Person, Received, Service, Stack, StackBuilder, Way,
};
use serde_json::json;
use tokio::time::timeout;

on_all_stacks! {
    a_stream_that_broke_goes_on_where_its_reader_stands,
    what_is_confirmed_does_not_come_again_and_what_is_not_does,
    a_stream_ends_when_its_device_is_put_out,
    nobody_gets_a_stream_without_a_token,
    a_stream_gives_signs_of_life,
    who_does_not_read_a_stream_is_cut_off_and_loses_nothing,
}

/// Ada, with a token of a device of her own, and her number.
async fn ada(stack: &Stack) -> (HttpClient, String, i64) {
    let ada = HttpClient::nobody(stack.http_address());
    let body = json!({"username": "ada", "password": mpim_tests::PASSWORD, "device": "mobile:a"});
    let data = ada.done("POST", "/api/register", Some(body)).await;
    let token = data["token"].as_str().unwrap().to_owned();
    let uid = data["user_id"].as_i64().unwrap();
    (HttpClient::with_token(stack.http_address(), &data["token"]), token, uid)
}

async fn next(stream: &mut EventsClient) -> String {
    let (kind, body) = stream.message().await;
    Received::of(kind, &body).text
}

async fn a_stream_that_broke_goes_on_where_its_reader_stands(stack: StackBuilder) {
    const COUNT: usize = 60;
    let stack = stack.start().await;
    let (http, token, uid) = ada(&stack).await;
    let mut bob = Person::register(&stack, "bob").await;
    let mut carl = Person::register(&stack, "carl").await;
    let group = bob.client.number("CREATEGROUP crew", "group_id").await;
    http.done("PUT", &format!("/api/groups/{group}/members/me"), None).await;
    carl.client.expect(&format!("JOINGROUP {group}"), "+OK joined group").await;
    let mut stream = EventsClient::connect(stack.http_address(), &token, None).await;
    let mut sent = Vec::new();
    let mut seen = Vec::new();
    for n in 0..COUNT {
        let text = format!("{n}");
        match n % 3 {
            0 => bob.send(uid, &text).await,
            1 => carl.send(uid, &text).await,
            _ => bob.send_group(group, &text).await,
        };
        sent.push(text);
        if n % 10 == 9 {
            // It has read half of what is new when it breaks.
            for _ in 0..5 {
                seen.push(next(&mut stream).await);
            }
            let last = stream.last_id().map(str::to_owned);
            drop(stream);
            stream = EventsClient::connect(stack.http_address(), &token, last.as_deref()).await;
        }
    }
    while seen.len() < COUNT {
        seen.push(next(&mut stream).await);
    }
    let distinct: HashSet<_> = seen.iter().collect();
    assert_eq!(distinct.len(), COUNT, "something came twice: {seen:?}");
    for conversation in 0..3 {
        let of = |texts: &[String]| -> Vec<String> {
            let is = |text: &&String| text.parse::<usize>().unwrap() % 3 == conversation;
            texts.iter().filter(is).cloned().collect()
        };
        assert_eq!(of(&seen), of(&sent), "in order");
    }
}

async fn what_is_confirmed_does_not_come_again_and_what_is_not_does(stack: StackBuilder) {
    let stack = stack.start().await;
    let (http, token, uid) = ada(&stack).await;
    let mut bob = Person::register(&stack, "bob").await;
    let mut stream = EventsClient::connect(stack.http_address(), &token, None).await;
    for text in ["one", "two", "three"] {
        bob.send(uid, text).await;
    }
    assert_eq!(next(&mut stream).await, "one");
    assert_eq!(next(&mut stream).await, "two");
    let id = stream.last_id().unwrap().to_owned();
    assert_eq!(next(&mut stream).await, "three");
    http.done("POST", "/api/events/ack", Some(json!({"id": id}))).await;
    // A reader that forgets where it was: it gets again what it has not confirmed.
    let mut again = EventsClient::connect(stack.http_address(), &token, None).await;
    assert_eq!(next(&mut again).await, "three");
    // The older stream was that of the same device.
    let (kind, closing) = stream.event().await.unwrap();
    assert_eq!((kind, &closing["code"]), (9001, &json!(1006)), "{closing}");
    assert_eq!(stream.event().await, None);
    // Nobody's position is moved by others, nor beyond what there is.
    for bad in ["c2c_8_9:1:1", "x", ""] {
        let (status, _) = http.ask("POST", "/api/events/ack", Some(json!({"id": bad}))).await;
        assert_eq!(status, 400, "{bad}");
    }
    let far = json!({"id": format!("c2c_{uid}_{}:1000:1", bob.uid)});
    http.done("POST", "/api/events/ack", Some(far)).await;
    bob.send(uid, "four").await;
    assert_eq!(next(&mut again).await, "four");
}

async fn a_stream_ends_when_its_device_is_put_out(stack: StackBuilder) {
    let stack = stack.start().await;
    let (_, token, _) = ada(&stack).await;
    let mut stream = EventsClient::connect(stack.http_address(), &token, None).await;
    let other = HttpClient::log_in(stack.http_address(), "ada").await;
    other.done("DELETE", "/api/devices/mobile:a", None).await;
    let (kind, closing) = stream.event().await.unwrap();
    assert_eq!((kind, &closing["code"]), (9001, &json!(1004)), "{closing}");
    assert_eq!(stream.event().await, None);
    let refused = EventsClient::try_connect(stack.http_address(), &token, None).await;
    assert_eq!(refused.unwrap_err().0, 401);
}

async fn nobody_gets_a_stream_without_a_token(stack: StackBuilder) {
    let stack = stack.set(Service::Gateway, "http.event_streams_max", 1).start().await;
    let (_, token, _) = ada(&stack).await;
    for (token, id, status) in [("", None, 401), ("abc", None, 401), (&*token, Some("x:1"), 400)] {
        let refused = EventsClient::try_connect(stack.http_address(), token, id).await;
        assert_eq!(refused.unwrap_err().0, status, "{token} {id:?}");
    }
    let _stream = EventsClient::connect(stack.http_address(), &token, None).await;
    let refused = EventsClient::try_connect(stack.http_address(), &token, None).await;
    let (status, body) = refused.unwrap_err();
    assert_eq!((status, &body["message"]), (503, &json!("server full")));
}

async fn a_stream_gives_signs_of_life(stack: StackBuilder) {
    let stack = stack.set(Service::Gateway, "http.event_beat_ms", 20).start().await;
    let (_, token, _) = ada(&stack).await;
    let mut stream = EventsClient::connect(stack.http_address(), &token, None).await;
    for _ in 0..3 {
        let block = timeout(DEADLINE, stream.block()).await.expect("a sign of life in time");
        assert_eq!(block.as_deref(), Some(":"));
    }
}

async fn who_does_not_read_a_stream_is_cut_off_and_loses_nothing(stack: StackBuilder) {
    const COUNT: usize = 1_000;
    let stack = stack
        .set(Service::Gateway, "session.stalled_ms", 500)
        .set(Service::Gateway, "session.window_bytes_max", 65_536)
        .set(Service::Gateway, "closing.linger_ms", 100)
        .start()
        .await;
    let (_, token, uid) = ada(&stack).await;
    let mut stream = EventsClient::connect_with_buffer(stack.http_address(), &token, 4_096).await;
    let (mut bob, _) = Way::Frames.register(&stack, "bob").await;
    let filling = "x".repeat(4_000);
    for n in 0..COUNT {
        bob.send(Peer::User(uid), &format!("{n} {filling}")).await;
    }
    // Only now ada looks: at what was on its way to her, in order, and then at the end.
    let mut seen = 0;
    while let Some((kind, body)) = stream.event().await
        && kind != 9001
    {
        if kind == 2001 {
            let text = Received::of(kind, &body).text;
            assert!(text.starts_with(&format!("{seen} ")), "in order");
            seen += 1;
        }
    }
    assert!(seen < COUNT, "all {seen} were taken for a client that does not read");
    let last = stream.last_id().map(str::to_owned);
    let mut again = EventsClient::connect(stack.http_address(), &token, last.as_deref()).await;
    for n in seen..COUNT {
        assert!(next(&mut again).await.starts_with(&format!("{n} ")), "{n}");
    }
}
