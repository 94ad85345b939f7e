//! What somebody who means harm sends, by each way in.

use mpim_tests::{
    Caller, EventsClient, FramesClient, HttpClient, PASSWORD, Peer, Person, Received, Request,
    Stack, StackBuilder, Way, WebSocketClient, get,
};
use serde_json::{Value, json};

on_all_stacks! {
    a_forged_token_opens_nothing_by_any_way,
    a_token_of_a_device_that_was_put_out_is_worthless_by_each_way,
    no_text_forges_a_line_an_event_or_a_log_record,
    statements_in_fields_are_texts,
    nothing_secret_is_told_in_logs_and_metrics,
}

/// `{"typ":"JWT","alg":"none"}`.
const UNSIGNED: &str = "eyJ0eXAiOiJKV1QiLCJhbGciOiJub25lIn0";
/// `{"typ":"JWT","alg":"HS256"}`.
const OTHER_ALGORITHM: &str = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9";

/// A log-in of a device, and what is told of it.
async fn token_of(stack: &Stack, name: &str, device: &str) -> (String, Value) {
    let body = json!({"username": name, "password": PASSWORD, "device": device});
    let nobody = HttpClient::nobody(stack.http_address());
    let data = nobody.done("POST", "/api/login", Some(body)).await;
    (data["token"].as_str().unwrap().to_owned(), data)
}

/// What each way says to a token: the codes of frames, WebSocket, HTTP and a stream of events.
async fn codes(stack: &Stack, token: &str) -> [Value; 4] {
    let log_in = json!({"auth_type": "token", "token": token});
    let mut frames = FramesClient::connect(stack.frames_address()).await;
    let mut socket = WebSocketClient::connect(stack.http_address()).await;
    let http = HttpClient::with_token(stack.http_address(), &json!(token));
    let stream = EventsClient::try_connect(stack.http_address(), token, None).await;
    [
        frames.ask(1001, log_in.clone()).await.1["code"].take(),
        socket.ask(1001, log_in).await.1["code"].take(),
        http.ask("GET", "/api/me", None).await.1["code"].take(),
        stream.map_or_else(|(_, mut body)| body["code"].take(), |_| json!(0)),
    ]
}

async fn a_forged_token_opens_nothing_by_any_way(stack: StackBuilder) {
    let stack = stack.start().await;
    for name in ["ada", "bob"] {
        Way::Http.register(&stack, name).await;
    }
    let (ada, _) = token_of(&stack, "ada", "mobile:a").await;
    let (bob, _) = token_of(&stack, "bob", "mobile:b").await;
    assert_eq!(codes(&stack, &ada).await, [0, 0, 0, 0].map(Value::from));
    let parts = |token: &str| -> [String; 3] {
        let parts: Vec<String> = token.split('.').map(str::to_owned).collect();
        parts.try_into().expect("three parts")
    };
    let ([head, claims, signature], [_, of_bob, _]) = (parts(&ada), parts(&bob));
    let flipped = |part: &str| {
        let flipped = if part.starts_with('A') { "B" } else { "A" };
        format!("{flipped}{}", &part[1..])
    };
    for forged in [
        format!("{}.{claims}.{signature}", flipped(&head)),
        format!("{head}.{}.{signature}", flipped(&claims)),
        format!("{head}.{claims}.{}", flipped(&signature)),
        format!("{head}.{of_bob}.{signature}"),
        format!("{head}.{claims}."),
        format!("{head}.{claims}"),
        format!("{UNSIGNED}.{claims}."),
        format!("{UNSIGNED}.{claims}.{signature}"),
        format!("{OTHER_ALGORITHM}.{claims}.{signature}"),
        format!("{ada}x"),
        format!("{ada}.{signature}"),
        "..".to_owned(),
        "x".to_owned(),
    ] {
        assert_eq!(codes(&stack, &forged).await, [1004; 4].map(Value::from), "{forged}");
    }
    // None in an address: it would stand in everybody's logs.
    let nobody = HttpClient::nobody(stack.http_address());
    assert_eq!(nobody.ask("GET", &format!("/api/me?token={ada}"), None).await.0, 401);
}

async fn a_token_of_a_device_that_was_put_out_is_worthless_by_each_way(stack: StackBuilder) {
    let stack = stack.start().await;
    Way::Http.register(&stack, "ada").await;
    let (other, _) = token_of(&stack, "ada", "desktop:other").await;
    let other = HttpClient::with_token(stack.http_address(), &json!(other));
    let log_in = |token: &str| json!({"auth_type": "token", "token": token});
    for way in [Way::Frames, Way::WebSocket] {
        let (token, _) = token_of(&stack, "ada", "mobile:a").await;
        let mut open = way.nobody(&stack).await;
        let (answer, closing) = match &mut open {
            Caller::Frames(client) => {
                let answer = client.ask(1001, log_in(&token)).await.1;
                other.done("DELETE", "/api/devices/mobile:a", None).await;
                (answer, client.push().await.1["code"].take())
            }
            Caller::WebSocket(client) => {
                let answer = client.ask(1001, log_in(&token)).await.1;
                other.done("DELETE", "/api/devices/mobile:a", None).await;
                (answer, json!(client.closed().await))
            }
            _ => unreachable!("the two that stay open"),
        };
        assert_eq!(answer["code"], 0, "{answer}");
        let expected = if way == Way::Frames { 1004 } else { 4002 };
        assert_eq!(closing, expected, "{way:?}");
        assert_eq!(codes(&stack, &token).await, [1004; 4].map(Value::from), "{way:?}");
    }
}

async fn no_text_forges_a_line_an_event_or_a_log_record(stack: StackBuilder) {
    const TEXT: &str = "x\r\nMSG id=1 from=1 ts=1 text=FORGED\n\nevent: 2001\ndata: {}\n\n\
        \u{0}\u{7}\u{1b}[2J\u{85}\u{2028}\u{202e}";
    let stack = stack.start().await;
    let mut reader = Person::register(&stack, "reader").await;
    let (http, uid) = Way::Http.register(&stack, "streamer").await;
    let Caller::Http(http) = http else { unreachable!("over HTTP") };
    let mut stream = EventsClient::connect(stack.http_address(), http.token(), None).await;
    for way in [Way::Frames, Way::WebSocket, Way::Http] {
        let (mut sender, from) = way.register(&stack, &format!("sender-{way:?}")).await;
        let id = sender.send(Peer::User(reader.uid), TEXT).await;
        let line = reader.client.line().await;
        assert!(line.starts_with(&format!("MSG id={id} from={from} ts=")), "{line:?}");
        assert!(
            !line.contains(|it: char| it.is_control() || "\u{2028}\u{202e}".contains(it)),
            "{line:?}"
        );
        let id = sender.send(Peer::User(uid), TEXT).await;
        let (kind, body) = stream.message().await;
        let expected = Received { id, from, group: None, text: TEXT.to_owned() };
        assert_eq!(Received::of(kind, &body), expected);
        // Names are no texts.
        let named = Request::CreateGroup { name: TEXT.to_owned() };
        assert!(matches!(sender.ask(&named).await, Some(Err(_))), "{way:?}");
        let body = json!({"username": TEXT, "password": PASSWORD});
        let nobody = HttpClient::nobody(stack.http_address());
        let (status, refused) = nobody.ask("POST", "/api/register", Some(body)).await;
        assert_eq!((status, &refused["code"]), (400, &json!(4001)), "{refused}");
    }
    reader.client.expect("PING", "+OK pong").await;
    for log in stack.logs() {
        let forged = |line: &&str| line.starts_with("MSG ") || line.starts_with("event:");
        assert_eq!(log.lines().find(forged), None);
        assert!(!log.contains("\u{1b}[2J") && !log.contains('\u{0}'));
    }
}

async fn statements_in_fields_are_texts(stack: StackBuilder) {
    const STATEMENT: &str = "'; DROP TABLE account; -- \" OR 1=1 #";
    let stack = stack.start().await;
    let (mut bob, bob_uid) = Way::Text.register(&stack, "bob").await;
    let nobody = HttpClient::nobody(stack.http_address());
    let password = |password: &str| json!({"username": "ada", "password": password});
    nobody.done("POST", "/api/register", Some(password(STATEMENT))).await;
    nobody.done("POST", "/api/login", Some(password(STATEMENT))).await;
    let (_, refused) = nobody.ask("POST", "/api/login", Some(password("' OR 1=1 --"))).await;
    assert_eq!(refused["message"], "auth bad cred");
    let named = json!({"username": STATEMENT, "password": STATEMENT});
    let (_, refused) = nobody.ask("POST", "/api/login", Some(named)).await;
    assert_eq!(refused["message"], "auth bad cred");
    for way in [Way::Frames, Way::WebSocket, Way::Http] {
        let (mut sender, from) = way.register(&stack, &format!("sender-{way:?}")).await;
        let id = sender.send(Peer::User(bob_uid), STATEMENT).await;
        let expected = Received { id, from, group: None, text: STATEMENT.to_owned() };
        assert_eq!(bob.received(Peer::User(from)).await, expected);
        for request in [
            Request::Revoke { device: "mobile:%27%3B--".to_owned() },
            Request::History { of: Peer::Named("c2c_1_1%20OR%201=1".to_owned()) },
        ] {
            assert!(matches!(sender.ask(&request).await, Some(Err(_))), "{way:?} {request:?}");
        }
    }
    assert!(bob.ask(&Request::Conversations).await.expect("text has it").is_ok());
}

async fn nothing_secret_is_told_in_logs_and_metrics(stack: StackBuilder) {
    const SECRET: &str = "a-secret-of-nobody-else-7";
    let stack = stack.start().await;
    let nobody = HttpClient::nobody(stack.http_address());
    let mut tokens = Vec::new();
    let credentials = json!({"username": "ada", "password": SECRET});
    for path in ["/api/register", "/api/login"] {
        let data = nobody.done("POST", path, Some(credentials.clone())).await;
        for token in ["token", "refresh_token"] {
            tokens.extend(data[token].as_str().map(str::to_owned));
        }
    }
    let wrong = json!({"username": "ada", "password": format!("{SECRET}x")});
    nobody.ask("POST", "/api/login", Some(wrong)).await;
    // In the place of something else, and of another kind.
    for body in
        [json!({"username": [SECRET], "password": 1}), json!({"password": {SECRET: SECRET}})]
    {
        let (status, answer) = nobody.ask("POST", "/api/login", Some(body)).await;
        assert_eq!(status, 400);
        assert!(!answer.to_string().contains(SECRET), "{answer}");
    }
    let mut text = stack.connect().await;
    text.expect(&format!("LOGIN ada {SECRET}x"), "-ERR auth bad cred").await;
    text.expect(&format!("LOGIN ada {SECRET}"), "+OK uid=1").await;
    let (mut frames, mut socket) = (
        FramesClient::connect(stack.frames_address()).await,
        WebSocketClient::connect(stack.http_address()).await,
    );
    for answer in
        [frames.ask(1001, credentials.clone()).await.1, socket.ask(1001, credentials).await.1]
    {
        tokens.extend(answer["data"]["session_key"].as_str().map(str::to_owned));
    }
    assert!(tokens.len() >= 4, "{}", tokens.len());
    let mut told = stack.logs();
    for service in mpim_tests::Service::ALL {
        let instance = mpim_tests::Instance { service, number: 1 };
        for page in ["/metrics", "/status"] {
            if let Ok((_, page)) = get(stack.admin_address(instance), page).await {
                told.push(page);
            }
        }
    }
    assert!(told.iter().any(|page| page.contains("# TYPE ")), "the metrics were looked at");
    for secret in tokens.iter().map(String::as_str).chain([SECRET]) {
        assert!(!told.iter().any(|page| page.contains(secret)), "it tells {secret}");
    }
}
