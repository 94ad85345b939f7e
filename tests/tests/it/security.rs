//! What somebody who means harm sends, by each way in.

use mpim_tests::{
    Caller, EventsClient, FramesClient, HttpClient, PASSWORD, Peer, Person, Received, Request,
    StackBuilder, Way, WebSocketClient, get,
};
use serde_json::json;

on_all_stacks! {
    no_text_forges_a_line_an_event_or_a_log_record,
    statements_in_fields_are_texts,
    nothing_secret_is_told_in_logs_and_metrics,
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
